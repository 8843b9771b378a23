"""Notebooks of examples/ as pages: texts, code as code, and below it what it gave when it was run.

Pictures are part of a page. A link to a notebook leads to its page.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
FOLDER = "examples/notebooks"
LINK = re.compile(r"\]\(([^)#:\s]+)\.ipynb\)")
STYLE = re.compile(r"<style.*?</style>|\n\s*| border=\"1\" class=\"dataframe\"", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig, **site: Any) -> None:
    """Add a page for each notebook."""
    for path in sorted((ROOT / FOLDER).glob("*.ipynb")):
        text = "\n\n".join(blocks(json.loads(path.read_text(encoding="utf-8"))))
        files.append(File.generated(config, f"{FOLDER}/{path.stem}.md", content=text))


def on_page_markdown(markdown: str, **page: Any) -> str:
    """Let links to notebooks lead to their pages."""
    return LINK.sub(r"](\1.md)", markdown)


def blocks(notebook: Mapping[str, Any]) -> Iterator[str]:
    """Yield the cells of a notebook and their outputs as Markdown."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        yield from (shown(output) for output in cell.get("outputs", []))


def shown(output: Mapping[str, Any]) -> str:
    """Return an output as Markdown: HTML without its style, else a picture, else its text."""
    data = {kind: "".join(lines) for kind, lines in output.get("data", {}).items()}
    if "text/html" in data:
        return STYLE.sub("", data["text/html"])
    if "image/svg+xml" in data:
        svg = base64.b64encode(data["image/svg+xml"].encode()).decode()
        titled = re.search(r"<title>(.*?)</title>", data["image/svg+xml"])
        return picture("svg+xml", svg, titled[1] if titled else "")
    if "image/png" in data:
        return picture("png", data["image/png"].strip(), html.escape(data["text/plain"]))
    text = data["text/plain"] if data else "".join(output["text"])
    return f"```text\n{text.strip()}\n```"


def picture(kind: str, data: str, told: str) -> str:
    """Return a picture as an element; `told` is escaped."""
    return f'<p><img alt="{told}" src="data:image/{kind};base64,{data}"></p>'
