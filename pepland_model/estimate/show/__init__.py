"""How an estimate is shown.

- `tables`: answers as text for a terminal, and in Markdown.
- `charts`: the four pictures, drawn with `pepland_data.draw.figures`.
- `page`: one HTML page with all of it, from ``page.html.j2``.
"""
