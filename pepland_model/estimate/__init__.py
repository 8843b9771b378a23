"""What a training run costs on a card: the answers of ``pepland-bench estimate``.

Read `estimate` first. What is counted, the same on every machine:

- `corpus`: graphs of stores, and how large batches of them are.
- `work`: operators, bytes, FLOPs and memory of a step on such a batch.
- `parameters`: of the network, by part.

What a card makes of it:

- `cards`: the table of cards, ``cards.toml``.
- `calibration`: what a card that was measured reached of its limits, ``h100.json``.
- `speed`: time of steps. `memory`: memory of steps, and the largest batch.

What a training makes of that:

- `hours`: steps, evaluations and hours of a stage. `scaling`: several cards.
- `plan`: hours of all stages, on one card and on several; vectors of a million.
- `money`: electricity, rent, purchase. `costs`: the tables of it.
- `advice`: settings for one person, a lab, a cluster; the short table.

`answer` is one answer, a table with its notes; `here` holds what is measured on the machine at
hand, `show` how answers are shown.
"""
