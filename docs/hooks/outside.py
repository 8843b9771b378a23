"""Files outside of docs/ that pages link to: copied into the site, with links that lead there.

A link to a folder becomes its text, because the site has no listing of it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<to>\.\./[^)#\s]*)")
WHOLE = re.compile(r"\[([^\]]*)\]\((\.\./[^)#\s]*)\)")


def on_files(files: Files, config: MkDocsConfig, **site: Any) -> None:
    """Add the files outside of docs/ that a page links to."""
    for page in files.documentation_pages():
        for name in set(outside(page.src_uri, page.content_string)):
            if (ROOT / name).is_file() and name not in files.src_uris:
                files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))


def outside(page: str, markdown: str) -> Iterator[str]:
    """Yield the paths, from the root of the project, of links that leave docs/."""
    for found in LINK.finditer(markdown):
        name = target(page, found["to"])
        if name is not None:
            yield name


def target(page: str, link: str) -> str | None:
    """Return where a link of a page leads, from the root; None inside of docs/."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return None if path == "docs" or path.startswith("docs/") else path


def on_page_markdown(markdown: str, page: Page, **site: Any) -> str:
    """Let links that leave docs/ lead to the copies."""
    here = page.file.src_uri

    def copied(found: re.Match[str]) -> str:
        name = target(here, found["to"])
        if name is None:
            return found[0]
        return f"{found['text']}({posixpath.relpath(name, posixpath.dirname(here) or '.')}"

    def plain(found: re.Match[str]) -> str:
        name = target(here, found[2])
        return found[1] if name is not None and (ROOT / name).is_dir() else found[0]

    return LINK.sub(copied, WHOLE.sub(plain, markdown))
