"""Ticks and charts of the report, the metrics file, and the progress line."""

from __future__ import annotations

import io

import pytest

from pepland_model.run.log import drop_events_after, events
from pepland_model.run.progress import Progress, duration
from pepland_model.run.report import chart, curves, ticks


@pytest.mark.parametrize(
    "values", [[0.0, 1.0], [1, 120], [0.38, 4.52], [0.01], [-3, 7], [1e-5, 3e-5], [0.0], [2000.5]]
)
def test_ticks_are_few_round_numbers_around_the_values(values) -> None:
    found = ticks(values)
    slack = 1e-9 * (found[-1] - found[0])
    assert found[0] <= min(values) + slack
    assert found[-1] >= max(values) - slack
    assert 3 <= len(found) <= 10


def test_a_chart_keeps_its_lines_inside_its_frame() -> None:
    picture = chart({"training": [(1, 2.5), (50, 1.0)], "corpus frequencies": [(1, 2), (50, 2)]})
    numbers = picture.split('points="')[1].split('"')[0].replace(",", " ").split()
    assert all(0 <= float(n) <= 520 for n in numbers)
    assert "stroke-dasharray" in picture


def test_a_run_that_logged_nothing_has_no_curves() -> None:
    assert curves([], [], {}) == []


def test_an_incomplete_line_is_skipped(tmp_path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"kind": "train", "step": 1, "loss": 2.0}\n{"kind": "train", "step": 2, "lo'
    )
    assert [e["step"] for e in events(tmp_path)] == [1]


def test_damaged_lines_are_skipped(tmp_path) -> None:
    good = b'{"kind": "train", "step": 1, "loss": 2.0}\n'
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe\n[1]\n{}\n" + good + b"\x00\xff\n" + good)
    assert [e["step"] for e in events(tmp_path)] == [1, 1]
    drop_events_after(tmp_path, 1)
    assert (tmp_path / "metrics.jsonl").read_bytes() == 2 * good


def test_events_after_a_step_are_deleted(tmp_path) -> None:
    lines = [f'{{"kind": "train", "step": {i}, "loss": 0.1}}\n' for i in range(1, 9)]
    (tmp_path / "metrics.jsonl").write_text("".join(lines))
    drop_events_after(tmp_path, 5)
    assert [e["step"] for e in events(tmp_path)] == [1, 2, 3, 4, 5]


def test_progress_in_a_file_is_few_lines_with_the_time_left() -> None:
    stream = io.StringIO()
    bar = Progress(total=10, stream=stream, every_s=1000)
    for step in range(1, 11):
        bar.update(step, "loss 1.0", force=step == 10)
    bar.say("done")
    lines = stream.getvalue().splitlines()
    assert len(lines) <= 3
    assert lines[-2].startswith(f"[{'#' * 24}] 10/10 left ")
    assert lines[-2].endswith("loss 1.0")
    assert lines[-1] == "done"


@pytest.mark.parametrize("columns", [20, 60, 100, 250])
def test_progress_on_a_terminal_never_wraps(columns, monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(Progress, "_columns", lambda self: columns)
    stream = Terminal()
    bar = Progress(total=9000, stream=stream)
    bar.update(7000, "loss 1.623, atom 93.3%, " + "x" * 70, force=True)
    shown = stream.getvalue().removeprefix("\r\x1b[K")
    assert len(shown) < columns
    assert "7000/9000" in shown
    assert ("[###" in shown) == (columns >= 100)
    assert shown.endswith("…") == (columns < 250)
    bar.close()
    assert stream.getvalue().endswith("\n")


def test_progress_in_a_notebook_is_one_line_without_remains_of_a_longer_one() -> None:
    cell = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    bar = Progress(total=10, stream=cell)
    for text in ("loss 1.0, and more", "loss 1.0"):
        bar.update(5, text, force=True)
    bar.say("done")
    first, second, last = cell.getvalue().lstrip("\r").removesuffix("\n").split("\r")
    assert len(first) == len(second)
    assert second.rstrip().endswith("loss 1.0")
    assert last.rstrip() == "done"
    assert len(last) == len("[########################] 5/10 left 0s, loss 1.0")
    assert "\x1b" not in cell.getvalue()


def test_a_chart_names_its_axis_and_shows_a_single_point() -> None:
    picture = chart({"Learning rate": [(5, 0.1)]})
    assert ">step</text>" in picture
    assert picture.count("<circle") == 1
    assert "Learning rate" not in picture  # the caption says it


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59, "59s"), (61, "1m01s"), (3725, "1h02m")]
)
def test_durations_have_two_units_at_most(seconds, text) -> None:
    assert duration(seconds) == text
