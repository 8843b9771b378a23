"""The report of a run, the metrics file, and the progress line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from itertools import pairwise

import pytest

from pepland_model.run.log import drop_events_after, events
from pepland_model.run.progress import Progress, duration
from pepland_model.run.report import MOST_POINTS, curves, thinned, write_report
from tests.helpers.bare_checkout import HIDE
from tests.helpers.page_reader import Reader, check_alone
from tests.helpers.paths import ROOT

TERMS = ("atom_loss", "fragment_loss", "atom_accuracy")


def write_run(run, lines, **summary) -> None:
    """Write the files of a run that its report reads."""
    run.mkdir(exist_ok=True)
    given = {"status": "finished", "steps": 3, "data": {}, "versions": {}, **summary}
    (run / "summary.json").write_text(json.dumps(given), encoding="utf-8")
    (run / "config.toml").write_text("name = '<b>'\n", encoding="utf-8")
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(e)}\n" for e in lines), "utf-8")


def event(step, kind="train", **values):
    return {"kind": kind, "step": step, **dict.fromkeys(TERMS, 1 / step), **values}


def page_of(run) -> str:
    return write_report(run)["report"].read_text(encoding="utf-8")


def test_the_page_has_a_chart_for_each_metric_and_needs_no_network(tmp_path) -> None:
    lines = [event(i, lr=0.1, graphs_per_s=9.0) for i in range(1, 20)]
    write_run(tmp_path, [*lines, event(9, "eval")], baseline={"atom_loss": 0.3})
    page = page_of(tmp_path)
    assert Reader(page).tags.count("svg") == len(TERMS) + 2
    assert page.count(">corpus frequencies</text>") == 1
    assert page.count(">validation</text>") == len(TERMS)
    assert "stroke-dasharray" in page
    check_alone(page)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_hostile_texts_stay_texts(tmp_path) -> None:
    hostile = {"status": "<script>", "data": {"<i>": "<img src='x'>"}, "versions": {"a": "<i>"}}
    write_run(tmp_path / "<u>", [event(1)], **hostile)
    page = page_of(tmp_path / "<u>")
    assert not {"script", "i", "img", "u"} & set(Reader(page).tags) - {"b"}
    assert "&lt;u&gt;" in page


def test_damaged_metrics_are_drawn_as_far_as_they_are_numbers(tmp_path) -> None:
    odd = [float("nan"), float("inf"), -1e300, 1e300, "<i>", None, 2**60, 0.0, -3]
    lines = [event(5), *(event(2**62 - i, atom_loss=value) for i, value in enumerate(odd))]
    write_run(tmp_path, [*lines, event(1, fragment_loss="x")])
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b'\xff\n[1]\n{"kind": "train", "step": 2, "lo')
    (line,) = curves(list(events(tmp_path, "train")), [], {})["Atom loss"]
    assert sorted(line.points.values()) == [-3, 0.0, 0.2, 1.0, 2**60]
    assert list(line.points) == sorted(line.points)
    assert "<i>" not in page_of(tmp_path)


def test_a_run_that_logged_nothing_has_no_curves(tmp_path) -> None:
    assert curves([], [], {"baseline": {"atom_loss": 1.0}}) == {}
    write_run(tmp_path, [])
    assert Reader(page_of(tmp_path)).tags.count("svg") == 0
    assert not (tmp_path / "loss.png").exists()


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1234])
def test_a_long_line_is_thinned_evenly_to_its_last_point(count) -> None:
    points = {float(i): 1.0 for i in range(count)}
    kept = list(thinned(points))
    assert len(kept) <= MOST_POINTS
    assert kept[-1:] == list(points)[-1:]
    assert len({b - a for a, b in pairwise(kept)}) <= 1
    assert count > MOST_POINTS or kept == list(points)


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_without_a_package_one_line_says_that_the_report_is_left_out(
    missing, tmp_path, monkeypatch, capsys
) -> None:
    write_run(tmp_path, [event(1)])
    monkeypatch.setattr(
        "pepland_data.draw.page.find_spec", lambda name: None if name == missing else name
    )
    assert write_report(tmp_path) == {}
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert missing in said
    assert "pip install 'pepland-data[train]'" in said
    assert not (tmp_path / "report.html").exists()


def test_reports_are_imported_without_optional_packages() -> None:
    program = (
        f"{HIDE}\n"
        "import pepland_model.run.report as run, pepland_model.finetune.report as finetune\n"
        "print(run.write_report('.'), finetune.write_finetune_report(None, {}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "{} {}\n", done.stderr


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


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (59, "59s"), (61, "1m01s"), (3725, "1h02m")]
)
def test_durations_have_two_units_at_most(seconds, text) -> None:
    assert duration(seconds) == text
