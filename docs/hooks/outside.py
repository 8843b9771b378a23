"""Files outside of docs/ that pages link to: copied into the site, with links that lead there.

A Markdown file becomes a page. A link to a folder becomes its text, as the site has no listing.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(\[[^\]]*\])\(([^)#:\s]+)((?:#[^)]*)?)\)")


def on_files(files: Files, config: MkDocsConfig, **site: Any) -> None:
    """Add the files outside of docs/ that a page links to, and those that they link to."""
    pages = list(files.documentation_pages())
    for page in pages:
        for _, link, _ in LINK.findall(page.content_string):
            name = goal(page.src_uri, link)
            if is_outside(name) and (ROOT / name).is_file() and name not in files.src_uris:
                added = File.generated(config, name, abs_src_path=str(ROOT / name))
                files.append(added)
                pages += [added] if added.is_documentation_page() else []


def on_page_markdown(markdown: str, page: Page, **site: Any) -> str:
    """Let links into docs/ and out of it lead to the places on the site."""
    here = page.file.src_uri

    def placed(found: re.Match[str]) -> str:
        text, link, anchor = found.groups()
        name = goal(here, link)
        if not is_outside(name) and not is_outside(source(here)):
            return found[0]
        if (ROOT / name).is_dir():
            return text[1:-1]
        there = posixpath.relpath(name.removeprefix("docs/"), posixpath.dirname(here) or ".")
        return f"{text}({there}{anchor})"

    return LINK.sub(placed, markdown)


def source(page: str) -> str:
    """Return the path of a page from the root of the project."""
    return f"docs/{page}" if (ROOT / "docs" / page).exists() else page


def goal(page: str, link: str) -> str:
    """Return where a link of a page leads, from the root of the project."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source(page)), link))


def is_outside(path: str) -> bool:
    """Return whether a path is not in docs/."""
    return path != "docs" and not path.startswith("docs/")
