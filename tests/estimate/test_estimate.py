"""The whole estimate and its command: one document for a small store, and what is refused."""

from __future__ import annotations

import json
import random
from importlib.util import find_spec
from unittest.mock import patch

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from markupsafe import escape

from pepland_cli.bench import main
from pepland_data.errors import InputError, MissingDependencyError
from pepland_model.estimate import estimate as estimates
from pepland_model.estimate.answer import Answer
from pepland_model.estimate.cards import card, cards
from pepland_model.estimate.estimate import Estimate, Request, estimate
from pepland_model.estimate.memory import Memory, largest_batch
from pepland_model.estimate.show.tables import as_text, heading

NAMES = [
    "quick", "cards", "parameters", "memory_parts", "memory_by_batch", "largest_batch",
    "memory_savers", "step_work", "step_time", "step_precision", "hours", "hours_by_batch",
    "scaling", "inference_million", "electricity", "cloud", "buying", "price_performance",
    "configurations", "one_peptide", "preprocessing", "live_conversion",
]  # fmt: skip
"""Answers in order."""
FEW = ["--gpu", "h100-sxm", "--gpu", "rtx-4090", "--gpus", "1,4", "--batch-size", "8"]
NO_RDKIT = MissingDependencyError("converting peptides needs RDKit")


def run(*words):
    return CliRunner().invoke(main, ["estimate", *map(str, words)])


def refused(*words) -> str:
    """Return the sentence on stderr of a run that fails."""
    found = run(*words)
    assert found.exit_code in (1, 2), found.output
    assert "Traceback" not in found.output
    return " ".join(found.stderr.split())


@pytest.fixture
def nothing_measured(monkeypatch):
    """Let an estimate measure nothing here, as without RDKit."""
    monkeypatch.setattr(
        estimates, "one_peptide_answer", lambda: Answer("one_peptide", "", [], ("Left out.",))
    )
    monkeypatch.setattr(
        estimates,
        "measure_preprocessing",
        lambda store: {"left_out": "no RDKit", "of_store": store},
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Path of the page that the run of `found` writes."""
    return tmp_path_factory.mktemp("page") / "report.html"


@pytest.fixture(scope="module")
def found(small_store, page):
    """The run that most tests look at; it changes no setting."""
    matmul, usual = torch.backends.cuda.matmul, torch.backends.cuda.matmul.allow_tf32
    matmul.allow_tf32 = True
    before = settings()
    result = run(small_store.path, *FEW, "--json", "--report", page)
    result.changed = [b for a, b in zip(before, settings(), strict=True) if a != b]
    matmul.allow_tf32 = usual
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def answers(found):
    """Its answers by name."""
    return {answer["name"]: answer for answer in json.loads(found.stdout)["answers"]}


def test_all_answers_are_in_the_document_in_order(answers) -> None:
    assert list(answers) == NAMES
    for name, answer in answers.items():
        assert answer["title"]
        if name not in ("one_peptide", "preprocessing"):
            assert answer["rows"], name
            assert answer["notes"], name


def test_rows_of_an_answer_have_the_same_keys(answers) -> None:
    for answer in answers.values():
        keys = {tuple(row) for row in answer["rows"]}
        assert len(keys) <= 1, answer["name"]


def test_the_document_says_what_it_is_about(found, small_store) -> None:
    about = json.loads(found.stdout)["about"]
    assert about["store"] == small_store.path.name
    assert about["graphs"] == len(small_store)
    assert about["mean_atoms"] == round(small_store.manifest.counts["atoms"] / len(small_store), 1)
    assert about["calibration"].startswith("measured on NVIDIA H100")
    assert about["currency"] == "US$"


def test_figures_of_several_answers_agree(answers) -> None:
    title = card("rtx-4090").title
    rows = {
        name: [row for row in answer["rows"] if row.get("card") == title]
        for name, answer in answers.items()
    }
    total = sum(row["hours"] for row in rows["hours"])
    for name in ("electricity", "cloud", "buying", "price_performance"):
        assert rows[name][0]["hours"] == pytest.approx(total)
    assert rows["hours_by_batch"][0]["hours_8"] == pytest.approx(total)
    assert rows["scaling"][0]["hours"] == pytest.approx(total)
    step = rows["step_time"][0]["step_ms"]
    assert rows["scaling"][0]["step_ms"] == pytest.approx(step)
    assert rows["live_conversion"][0]["step_ms"] == pytest.approx(step)
    assert answers["memory_savers"]["rows"][0]["step_ms"] == pytest.approx(step)


def test_the_short_table_repeats_the_others(answers) -> None:
    short = {row["what"]: row["figure"] for row in answers["quick"]["rows"]}
    assert short["trained parameters"] == answers["parameters"]["rows"][-1]["trained"]
    (stage,) = [row for row in answers["quick"]["rows"] if row["what"].startswith("stage 1")]
    hours = next(r["hours"] for r in answers["hours"]["rows"] if "4090" in r["card"])
    assert stage["figure"] * {"seconds": 1, "minutes": 60}[stage["unit"]] == pytest.approx(
        3600 * hours
    )
    assert "GeForce RTX 4090" in answers["quick"]["notes"][0]
    assert None not in short.values()
    if find_spec("rdkit"):
        warm = [r["ms"] for r in answers["one_peptide"]["rows"] if r["state"].startswith("warm")]
        assert short["vector of one new peptide, on this CPU"] == warm[0]


def test_parameters_are_those_of_the_network(answers) -> None:
    rows = {row["part"]: row for row in answers["parameters"]["rows"]}
    assert "other" not in rows
    assert rows["all of the published module"]["parameters"] == 6_471_301
    sums = [name for name in rows if name.startswith("all ")]
    parts = [row for name, row in rows.items() if name not in sums]
    trained = rows["all that is trained"]
    assert sum(row["trained"] for row in parts) == trained["parameters"] == trained["trained"]
    for name in ("junction view: attention", "published only: readouts", "head of bonds"):
        assert rows[name]["trained"] == 0


def test_the_document_is_shown_as_text(found, answers) -> None:
    text = as_text(json.loads(found.stdout))
    for answer in answers.values():
        assert answer["title"] in text.splitlines()
    assert len(text.splitlines()) > 150


def test_the_page_has_all_answers(page, answers, found) -> None:
    html = page.read_text(encoding="utf-8")
    assert all(escape(answer["title"]) in html for answer in answers.values() if answer["rows"])
    assert f"wrote {page}" in found.stderr


def test_progress_is_said_beside_the_document(found) -> None:
    assert "counting the work" in found.stderr
    assert "counting the work" not in found.stdout


@pytest.mark.usefixtures("nothing_measured")
def test_an_estimate_without_a_calibration_has_ranges(small_store) -> None:
    with patch.object(estimates, "cpu_share", lambda corpus: 0.4):
        result = run(small_store.path, *FEW, "--calibration", "none", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["about"]["calibration"] == "none"
    tables = {answer["name"]: answer["rows"] for answer in document["answers"]}
    for row in tables["step_time"]:
        assert row["peptides_per_s_low"] == pytest.approx(0.4 * row["peptides_per_s_high"])
        assert row["basis"] == "not measured"
    short = {row["what"]: row["figure"] for row in tables["quick"]}
    assert short["training, at least"] == tables["step_time"][1]["peptides_per_s_low"]


def test_the_share_of_this_cpu_is_a_share(corpus) -> None:
    assert 0 < estimates.cpu_share(corpus, seconds=0.01) <= 1


OWN = """
[my-card]
title = "My card"
memory_gib = 8
bandwidth_gb_per_s = 300
tflops = {fp32 = 10, tf32 = 20, bf16 = 40, fp16 = 40}
power_w = 150
pcie_gb_per_s = 16
nvlink_gb_per_s = 0
nvlink_cards = 0
peer_to_peer = false
"""


@pytest.fixture
def own(tmp_path):
    """File of a card without prices."""
    path = tmp_path / "my.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


@pytest.mark.usefixtures("nothing_measured")
def test_a_card_of_ones_own_two_stores_and_other_money(small_store, other_store, own) -> None:
    result = run(
        small_store.path, "--stage2", other_store.path, "--card", own, "--gpus", "1", "--currency",
        "EUR", "--batch-size", 4, "--samples", "1000,500", "--epochs", "3,2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert "store: store, then store" in text
    assert "stage 1: 950 samples, 3 epochs" in text
    assert "stage 2: 475 samples, 2 epochs" in text
    assert "No price is known for My card." in text
    assert "Give --power-price." in text
    assert "No card has a known price" in " ".join(text.split())
    assert "rent of a card" not in text


def test_dollars_may_be_written_as_usd(small_store) -> None:
    seen = []
    with patch.object(estimates, "estimate", lambda request, *rest: seen.append(request) or {}):
        run(small_store.path, "--currency", "USD")
    assert seen[0].prices.currency == "US$"
    assert seen[0].prices.of_hour(card("rtx-4090")) is not None


def test_columns_in_dollars_stay_so_in_other_money() -> None:
    assert heading("price_usd", "CNY") == "price, US$"
    assert heading("price_per_hour_usd", "CNY") == "price per hour, US$"


def test_wrong_options_are_named_with_a_remedy(small_store, tmp_path, own) -> None:
    store = small_store.path
    known = refused(store, "--gpu", "rtx-4091")
    assert "'rtx-4091' is unknown; known: " + ", ".join(cards()) in known
    for gpus in ("0", "1,0", "two", "", "1,,2", "-1"):
        assert "no list of whole numbers above 0; write 1,2,4" in refused(store, "--gpus", gpus)
    for option in ("--price-per-hour", "--power-price", "--gpu-price"):
        for price in ("cheap", "0", "-1"):
            assert option in refused(store, option, price)
        for price in ("nan", "inf"):
            assert "number" in refused(store, option, price)
    assert "give one number for each stage" in refused(store, "--samples", "1,2,3")
    assert "stage 2 has no store; give --stage2" in refused(store, "--samples", "10,20")
    assert "stage 2 has no store; give --stage2" in refused(store, "--epochs", "1,2")
    assert "stage 1 has none; give that of stage 1" in refused("--stage2", store)
    assert "is not a result of" in refused(store, "--calibration", own)
    assert "cannot read card" in refused(store, "--card", tmp_path / "none.toml")
    assert str(tmp_path / "nothing") in refused(tmp_path / "nothing")


@pytest.mark.skipif(not find_spec("rdkit"), reason="building a store needs RDKit")
def test_a_store_without_graphs_is_refused(tmp_path) -> None:
    from pepland_data import build

    (tmp_path / "in.csv").write_text("smiles\nno peptide\n", encoding="utf-8")
    build(tmp_path / "in.csv", tmp_path / "empty")
    assert "empty holds no graphs" in refused(tmp_path / "empty", *FEW)


def test_a_batch_that_fits_nowhere_is_refused_with_the_largest_that_fits(small_store) -> None:
    """A batch between two powers of two fits by its own memory."""
    made = Estimate(request(64), [[str(small_store.path)]], True, lambda line: None)
    for most, message in ((12, "of 64 fits none .* --batch-size 8 or less"), (0, "not even a")):
        fits = patch.object(Memory, "fits", lambda *given, most=most: given[-1] <= most)
        with fits, pytest.raises(InputError, match=message):
            made._check_batch(made.memories[0], [card("rtx-4090")])
    with patch.object(Memory, "fits", lambda *given: given[-1] <= 65):
        made._check_batch(made.memories[0], [card("rtx-4090")])
        rows = largest_batch(made.memories[0], [card("rtx-4090")]).rows
    assert {row["bf16"] for row in rows} == {64}


def test_a_batch_of_millions_is_refused_before_its_arrays_are_made(small_store) -> None:
    assert "at most 262,144" in refused(small_store.path, *FEW, "--batch-size", 9_000_000)


def test_a_request_needs_a_card() -> None:
    with pytest.raises(InputError, match="no card to estimate for"):
        Request([])


def test_an_estimate_of_every_row_of_a_store_needs_no_rdkit(small_store, monkeypatch) -> None:
    monkeypatch.setattr("pepland_model.estimate.here.conversion.featurizer", _raise(NO_RDKIT))
    monkeypatch.setattr("pepland_model.estimate.here.one_peptide.featurizer", _raise(NO_RDKIT))
    result = run(small_store.path, *FEW, "--dedup", "never", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["about"]["states"] == "every row"
    found = {answer["name"]: answer for answer in json.loads(result.stdout)["answers"]}
    assert list(found) == NAMES
    assert found["one_peptide"]["rows"] == []
    assert "needs RDKit" in found["one_peptide"]["notes"][0]
    assert found["preprocessing"]["rows"][0]["hours"] is None
    assert found["preprocessing"]["rows"][0]["store_gb"] > 0
    assert found["live_conversion"]["rows"][0]["live_share"] is None


def _raise(error):
    def function(*args):
        raise error

    return function


@pytest.mark.skipif(not find_spec("rdkit"), reason="building a store needs RDKit")
@pytest.mark.skipif(not find_spec("zarr"), reason="needs zarr")
@pytest.mark.usefixtures("nothing_measured")
def test_a_store_of_zarr_gives_the_same_estimate(small_store, tmp_path, answers) -> None:
    from pepland_data import BuildOptions, build

    source = tmp_path / "in.csv"
    texts = "".join(f"{text}\n" for text in _texts(small_store))
    source.write_text("smiles\n" + texts, encoding="utf-8")
    build(source, tmp_path / "zarr", BuildOptions(rows_per_shard=10, format="zarr"))
    document = estimate(request(), [str(tmp_path / "zarr")])
    found = {answer["name"]: answer["rows"] for answer in document["answers"]}
    for name in ("step_work", "step_time", "largest_batch"):
        assert found[name] == answers[name]["rows"]


def _texts(store) -> list[str]:
    from tests.helpers.pretrain_data import golden_graphs

    return [graph.smiles for graph in golden_graphs()]


def request(batch: int = 8) -> Request:
    """Return the request of `FEW`."""
    return Request([card("h100-sxm"), card("rtx-4090")], (1, 4), (batch,))


def test_an_estimate_leaves_random_numbers_and_settings_as_they_were(found) -> None:
    assert found.changed == []


def settings():
    """Return what must not change."""
    numbers = np.random.get_state()
    return (
        torch.backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision(),
        torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(), random.getstate(),
        torch.get_rng_state().tolist(), [*numbers[1], *numbers[2:]],
    )  # fmt: skip
