"""The GPU benchmark runs to its end on a CPU; parts of it are tested alone."""

from __future__ import annotations

import importlib.metadata
import json

import pytest
import torch
from click.testing import CliRunner

from benchmarks import bench_gpu
from benchmarks.bench_gpu import PARTS, golden_store, main
from benchmarks.gpu import card, cuda_tests
from benchmarks.gpu.bench import Bench
from benchmarks.gpu.budget import Budget, attempt
from benchmarks.gpu.cuda_tests import told
from benchmarks.gpu.equality import same_partition
from benchmarks.gpu.kernel_times import summary


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    words = ["--device", "cpu", "--quick", "--results", str(folder), "--minutes", "90"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    document = json.loads((folder / "gpu-cpu_quick.json").read_text())
    assert document["versions"]["torch"] == importlib.metadata.version("torch")
    return document["results"]


def failures(found) -> list[str]:
    """What failed or was left out, at any depth."""
    if isinstance(found, list):
        return [text for part in found for text in failures(part)]
    if not isinstance(found, dict):
        return []
    here = [found[name] for name in ("failed", "left_out") if name in found]
    return here + [text for part in found.values() for text in failures(part)]


def test_every_part_runs_on_a_cpu_without_a_store(results) -> None:
    assert [part for part in results if part in PARTS] == list(PARTS)
    assert not failures(results)
    assert results["store"]["graphs"] == 72
    assert results["model"]["parameters"]["encoder"] > 0
    assert results["card"]["name"] == "cpu"


def test_the_program_of_a_card_computes_what_the_cpu_computes(results) -> None:
    found = results["equality"]["found"]
    for output in ("homo", "fused"):
        for view in ("atom", "fragment"):
            assert found[f"classes, {output}"][view]["same_partition"]
            assert found[f"states, {output}"][view] < 1e-5
    assert found["losses, fp32"]["largest"] < 1e-5
    assert not found["same bits, fp32"]["weights_that_differ"]


def test_training_learns_and_has_a_speed(results) -> None:
    found = results["loss_curve"]["found"]
    assert found["fp32"]["steps_done"] == 20
    assert found["fp32"]["means"][-1] < found["fp32"]["means"][0]
    assert all(row["peptides_per_s"] > 0 for row in results["end_to_end"]["found"]["rows"])
    assert all(row["status"] == "finished" for row in results["end_to_end"]["found"]["pretrain"])


def test_a_part_that_fails_ends_no_run(tmp_path, monkeypatch) -> None:
    def fails(bench, budget):
        raise RuntimeError("first line\nsecond line")

    parts = {"tests": (fails, 1.0), "steps": (lambda bench, budget: budget.seconds, 1.0)}
    monkeypatch.setattr(bench_gpu, "PARTS", parts)
    options = ["--device", "cpu", "--quick", "--results", str(tmp_path)]
    assert CliRunner().invoke(main, options).exit_code == 0
    found = json.loads((tmp_path / "gpu-cpu_quick.json").read_text())["results"]
    assert found["tests"]["found"] == {"failed": "RuntimeError: first line"}
    assert found["steps"]["found"] == 1.0
    assert CliRunner().invoke(main, [*options, "--part", "steps"]).exit_code == 0
    kept = json.loads((tmp_path / "gpu-cpu_quick.json").read_text())["results"]
    assert kept["tests"] == found["tests"]


def test_a_row_says_that_it_was_left_out_or_failed() -> None:
    assert "used its 0 s" in Budget(0).row(dict, batch=8)["left_out"]
    row = Budget(9).row(lambda batch: {"ms": 1 / batch}, batch=0)
    assert row["failed"] == "ZeroDivisionError: division by zero"
    assert attempt(lambda: 3) == 3


def test_the_outputs_of_pytest_are_counted_together() -> None:
    text = "FAILED tests/a.py::b - x\n1 failed, 12 passed, 2 skipped, 40 deselected in 3.21s"
    found = told([text, "3 passed in 1.00s", "tests/c.py\nERROR stopped after 9 s"])
    assert (found["failed"], found["passed"], found["skipped"]) == (1, 15, 2)
    assert found["failures"] == ["FAILED tests/a.py::b - x", "ERROR stopped after 9 s"]


def test_the_tests_of_a_device_are_divided_among_processes(tmp_path, monkeypatch) -> None:
    bench = Bench(torch.device("cuda"), golden_store(tmp_path, True), quick=False)
    monkeypatch.setattr(cuda_tests, "PROCESSES", 2)
    monkeypatch.setattr(cuda_tests, "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    marked = "import pytest\n@pytest.mark.cuda\n@pytest.mark.parametrize('n', [1, 2, 3])\n"
    (tmp_path / "tests" / "test_a.py").write_text(marked + "def test_b(n): assert n != 2\n")
    (tmp_path / "tests" / "test_c.py").write_text(marked + "def test_d(n: = 0\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = cuda\n")
    found = cuda_tests.cuda_tests(bench, Budget(60))
    assert (found["tests"], found["processes"], found["passed"], found["failed"]) == (3, 2, 2, 1)
    assert [line.split(" - ")[0] for line in found["failures"]] == [
        "ERROR tests/test_c.py", "FAILED tests/test_a.py::test_b[2]",
    ]  # fmt: skip


def test_a_run_of_pytest_that_dies_is_a_failure(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cuda_tests, "ROOT", tmp_path)
    (tmp_path / "test_a.py").write_text("import os\nos._exit(7)\n")
    (said,) = told([cuda_tests.run_pytest(["test_a.py"], Budget(60))])["failures"]
    assert said.startswith("ERROR pytest ended with 7")


def test_partitions_are_equal_up_to_the_numbering() -> None:
    one, other = torch.tensor([0, 1, 0, 2]), torch.tensor([5, 3, 5, 4])
    assert same_partition(one, other)
    assert not same_partition(one, torch.tensor([5, 3, 5, 3]))
    assert not same_partition(one, None)
    assert same_partition(None, torch.tensor([2, 0, 1]))


def test_kernels_are_summed_by_name() -> None:
    found = summary({"a": [1000.0, 500.0], "b": [2000.0]})
    assert (found["kernels"], found["kernel_ms"]) == (3, 3.5)
    assert found["top"][0]["name"] == "b"


def test_batches_are_the_same_every_time(tmp_path) -> None:
    bench = Bench(torch.device("cpu"), golden_store(tmp_path, True), quick=True)
    first, second = (bench.batches(8, 2)[1] for _ in range(2))
    assert torch.equal(first.atom_code, second.atom_code)


def test_watts_are_medians_of_the_later_half(monkeypatch) -> None:
    told = iter([["100", "1000", "30"], ["[N/A]", "1", "1"], ["300", "1500", "50"], []])
    monkeypatch.setattr(card, "smi", lambda query: next(told))
    with card.PowerLog() as log:
        log._thread.join()
    assert log.report() == {"watts": 300, "clock_mhz": 1500, "celsius": 50}


def test_a_machine_without_the_driver_has_no_watts(monkeypatch) -> None:
    monkeypatch.setattr(card.subprocess, "run", lambda *a, **k: (_ for _ in ()).throw(OSError()))
    with card.PowerLog() as log:
        pass
    assert log.report() == {}


def test_the_parts_after_one_that_broke_the_device_run_in_a_new_process(monkeypatch) -> None:
    called = []
    monkeypatch.setattr(bench_gpu.os, "execv", lambda program, words: called.extend(words[3:]))
    monkeypatch.setattr(bench_gpu.sys, "argv", ["x", "store", "--part", "steps", "--quick"])
    bench_gpu.again(["loader", "latency"], 2.5, "gpu-x")
    parts = ["--part", "loader", "--part", "latency", "--minutes", "2.50", "--name", "gpu-x"]
    assert called == ["store", "--quick", *parts]
    with pytest.raises(SystemExit, match="does not answer"):
        bench_gpu.again([], 1.0, "gpu-x")
