"""Flow charts of Mermaid as tables: the library that draws them would come from the network.

Read are boxes ``name["<b>title</b><br>text"]``, arrows ``a --> b --> c`` and ``subgraph NAME``.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

CHART = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
BOX = re.compile(r"(\w+)\[\W*<b>(.*?)</b><br>(.*?)\"\]")


def on_page_markdown(markdown: str, **page: Any) -> str:
    """Replace the flow charts of a page by tables."""
    return CHART.sub(lambda found: table(found[1]), markdown)


def table(chart: str) -> str:
    """Return a table with a row for each box: its group, title, text, and where its arrows lead."""
    rows, group = ["| | | | leads to |", "| --- | --- | --- | --- |"], ""
    for line in chart.splitlines():
        if line.strip().startswith("subgraph"):
            group = line.split()[1]
        elif box := BOX.search(line):
            rows.append(
                f"| {group} | **{box[2]}** | {box[3]} | {', '.join(followers(chart, box[1]))} |"
            )
            group = ""
    return "\n".join(rows)


def followers(chart: str, name: str) -> list[str]:
    """Return the names to which the arrows from a box lead."""
    chains = [re.sub(r"\[.*?\]", "", line).split("-->") for line in chart.splitlines()]
    arrows = [pair for chain in chains for pair in pairwise(word.strip() for word in chain)]
    return [end for begin, end in arrows if begin == name]
