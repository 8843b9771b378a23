"""How an estimate is shown.

- `tables`: answers as text for a terminal, and in Markdown.
- `drawing`: style of the pictures. `charts`: the four pictures.
- `page`: one HTML page with all of it, from ``page.html.j2``.
"""
