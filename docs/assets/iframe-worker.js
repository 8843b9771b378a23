// Search on pages that are opened from the disk: browsers start no Worker there, so it runs in a frame.
if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.srcdoc = `<script>postMessage = data => frameElement.answer(data)</script><script src="${url}"></script>`
      frame.answer = data => this.dispatchEvent(new MessageEvent("message", { data }))
      this.window = new Promise(ready => (frame.onload = () => ready(frame.contentWindow)))
      const attach = () => document.body.append(frame)
      document.body ? attach() : addEventListener("DOMContentLoaded", attach)
    }

    postMessage(data) {
      this.window.then(window => window.dispatchEvent(new window.MessageEvent("message", { data })))
    }
  }
