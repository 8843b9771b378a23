"""What a training run costs on a card: the answers of ``pepland-bench estimate``.

- `answer`: one answer: a table with its notes.
"""
