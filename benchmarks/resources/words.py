"""Words of the tables in both languages, and tables in Markdown."""

from __future__ import annotations

from benchmarks.resources.documents import CORPORA
from benchmarks.resources.tables import Table

CHINESE = {
    "card": "显卡",
    "cards": "卡数",
    "corpus": "语料",
    "graphs": "图数",
    "mean atoms": "平均原子数",
    "mean fragments": "平均片段数",
    "batch": "批大小",
    "each once": "状态去重",
    "every row": "逐行计算",
    "speed-up": "加速比",
    "minutes": "分钟",
    "seconds": "秒",
    "rent": "租金",
    "electricity": "电费",
    "price of an hour": "每小时租价",
    "hours until buying pays": "购卡回本小时数",
    "for whom": "使用者",
    "batch of a card": "单卡批大小",
    "efficiency": "并行效率",
    "published": "原评估",
    "here": "本文",
    "bandwidth": "带宽",
    "bf16 peak": "bf16 峰值",
    "one person": "个人",
    "small lab": "小课题组",
    "cluster": "集群",
    "part": "项目",
    "rows": "条数",
    "largest error": "最大误差",
    "median error": "误差中位数",
    "kind": "类型",
    "training": "训练",
    "inference": "推理",
    "precision": "精度",
    "states": "状态",
    "once": "去重",
    "h100_times": "H100 单步耗时",
    "h100_every_row": "H100 逐行计算的单步耗时",
    "h100_memory": "H100 显存",
    "cpu": "CPU 上的训练步",
    "ranks": "多进程",
    "older_code": "旧代码",
    "parameters": "参数",
    "growth_gib": "显存增长，GiB",
    "gib": "GiB",
    "figure": "指标",
}
"""English words of a head or of a cell -> Chinese words."""
ENGLISH = {
    "h100_times": "steps on the H100",
    "h100_every_row": "steps of every row on the H100",
    "h100_memory": "memory on the H100",
    "cpu": "steps on a CPU",
    "ranks": "several processes",
    "older_code": "older code",
    "growth_gib_from_512": "growth, GiB",
    "mib": "MiB",
    "bytes_per_step": "bytes of a step",
    "states": "distinct states",
    "gib": "GiB",
    "growth_gib": "growth, GiB",
}
"""Cell -> words, where it is a key."""
SAME = {*CORPORA, "GiB", "ms", "512", "8,192", "bf16", "tf32", "fp32"}
"""Words of heads that both languages share."""


def translated(words: str) -> str:
    """Return the words of a head in Chinese; KeyError if one is not known."""
    return "，".join(word if word in SAME else CHINESE[word] for word in words.split(", "))


def markdown(table: Table, chinese: bool = False) -> str:
    """Return a table in Markdown: the first column to the left, numbers to the right."""
    words = CHINESE if chinese else ENGLISH
    head = [translated(text) if chinese else text for text in table.head]
    body = [[words.get(text, text) for text in row] for row in table.rows]
    right = [all(row[i][:1] in "0123456789-+" for row in body) for i in range(len(head))]
    bars = ["---" if not i or not right[i] else "--:" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, bars, *body))
