"""What a training step asks of a card, counted without one, and held to recorded figures."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner
from torch.nn.functional import embedding

from pepland_cli.bench import main
from pepland_model.measure.dry_steps import PARTS
from pepland_model.measure.operator_counts import BACKWARD, Counts, OperatorCounter
from pepland_model.measure.step_counts import step_counts
from pepland_model.run.config import ModelConfig
from tests.helpers.pretrain_data import golden_batch

HELD = ("operators", "host_reads", "sorts", "sorts_backward")
FIGURES = {
    "auto": {
        "masks": (1, 0, 0, 0),
        "plan": (98, 0, 1, 0),
        "forward": (96, 0, 0, 0),
        "loss": (12, 0, 0, 0),
        "backward": (167, 0, 0, 0),
        "optimizer": (12, 0, 0, 0),
    },
    "never": {
        "masks": (1, 0, 0, 0),
        "plan": (36, 0, 1, 0),
        "forward": (96, 0, 0, 0),
        "loss": (34, 0, 0, 0),
        "backward": (158, 0, 0, 0),
        "optimizer": (10, 0, 0, 0),
    },
}
"""The most that each part may do, in the order of HELD, with torch of constraints.txt."""
REMEDY = (
    "the step asks more of a card than before. If that is wanted, say why in the commit and raise "
    "the figure in FIGURES; where a change lowers a figure, write the lower one there, so that it "
    "stays. All figures of now: "
)


@pytest.mark.parametrize("dedup", FIGURES)
def test_a_step_asks_no_more_of_a_card_than_recorded(dedup) -> None:
    parts = step_counts(golden_batch(), ModelConfig(hidden=16, dedup=dedup))
    found = {p: tuple(getattr(parts[p], name) for name in HELD) for p in PARTS}
    more = {
        (part, name): f"{now} > {limit}"
        for part in PARTS
        for name, now, limit in zip(HELD, found[part], FIGURES[dedup][part], strict=True)
        if now > limit
    }
    assert not more, f"{REMEDY}{found}"


def test_half_precision_asks_for_few_casts() -> None:
    """Weights are cast at once, and so are their gradients."""
    found = step_counts(golden_batch(), ModelConfig(hidden=16), "bf16")
    assert sum(part.operators for part in found.values()) <= 391


def counted(program, part: str = "rest") -> Counts:
    with OperatorCounter("rest", BACKWARD, default=part) as counter:
        program()
    return counter.parts[part]


def test_a_linear_layer_counts_its_products_and_every_tensor_once() -> None:
    layer, x = torch.nn.Linear(3, 5), torch.ones(7, 3)
    assert counted(lambda: layer(x)) == Counts(
        operators=1, bytes=4 * (7 * 3 + 3 * 5 + 5 + 7 * 5), flops=2 * 7 * 3 * 5
    )


def test_an_operator_in_place_reads_and_writes() -> None:
    x = torch.ones(10)
    assert counted(lambda: x.add_(1)) == Counts(operators=1, bytes=2 * 40)


def test_views_and_reserved_memory_count_nothing() -> None:
    x = torch.ones(4, 6)
    assert counted(lambda: x.view(24)[2:].unsqueeze(0).expand(3, 22)) == Counts()
    assert counted(lambda: (torch.empty(9), torch.empty_like(x), x.detach())) == Counts()


X = torch.tensor([3, 1, 2])
READS = {
    "item": lambda: X[0].item(),
    "float": lambda: float(X[0]),
    "nonzero": lambda: X.nonzero(),
    "unique": lambda: X.unique(),
    "unique_consecutive": lambda: X.unique_consecutive(),
    "mask": lambda: X[X > 1],
    "masked_select": lambda: X.masked_select(X > 1),
    "repeat": lambda: torch.repeat_interleave(X),
    "equal": lambda: torch.equal(X, X),
}


@pytest.mark.parametrize("name", READS)
def test_what_the_host_waits_for_is_a_host_read(name) -> None:
    assert counted(READS[name]).host_reads == 1


NO_READS = {
    "repeat to a known size": lambda: torch.repeat_interleave(X, output_size=6),
    "index": lambda: X[X.argmax().view(1)],
    "where": lambda: torch.where(X > 1, X, 0),
    "searchsorted": lambda: torch.searchsorted(X, X),
}


@pytest.mark.parametrize("name", NO_READS)
def test_what_the_host_does_not_wait_for_is_none(name) -> None:
    found = counted(NO_READS[name])
    assert found.operators
    assert not found.host_reads


SORTS = {
    "sort": lambda: X.sort(),
    "argsort": lambda: torch.argsort(X, stable=True),
    "topk": lambda: X.topk(2),
    "unique": lambda: X.unique(),
    "sum by index": lambda: torch.zeros(4).index_put_((X,), torch.ones(3), accumulate=True),
}


@pytest.mark.parametrize("name", SORTS)
def test_each_sort_counts_for_the_pass_it_is_in(name) -> None:
    for part, sorts in (("rest", (1, 0)), (BACKWARD, (0, 1))):
        found = counted(SORTS[name], part)
        assert (found.sorts, found.sorts_backward) == sorts


def test_the_gradient_of_a_lookup_sorts_once() -> None:
    table = torch.ones(5, 2, requires_grad=True)
    out = embedding(X, table).sum()
    found = counted(out.backward, BACKWARD)
    assert (found.sorts, found.sorts_backward) == (0, 1)
    assert counted(lambda: torch.zeros(4).index_put_((X,), torch.ones(3))).sorts == 0


def test_the_parts_are_those_of_the_step_and_their_flops_those_of_the_network() -> None:
    every, once = (
        step_counts(golden_batch(), ModelConfig(hidden=16, dedup=dedup))
        for dedup in ("never", "auto")
    )
    assert {part for part in PARTS if every[part].flops} == {"forward", BACKWARD}
    assert once["forward"].flops < 0.7 * every["forward"].flops


def test_the_command_counts_a_step_as_table_and_document(small_store) -> None:
    words = ["model", "--count", str(small_store.path), "--batch-size", "4"]
    table, document = (CliRunner().invoke(main, [*words, *more]) for more in ([], ["--json"]))
    assert table.exit_code == document.exit_code == 0, table.output + document.output
    found = json.loads(document.stdout)
    assert list(found["parts"]) == list(PARTS)
    for name, total in found["total"].items():
        assert total == sum(part[name] for part in found["parts"].values())
        assert f"{total:,}" in table.stdout
    assert found["graphs"] == 4


def test_options_that_ask_for_several_counts_are_refused() -> None:
    for more in (["--batch-size", "4", "--batch-size", "8"], ["--precision", "fp16"]):
        result = CliRunner().invoke(main, ["model", "--count", *more])
        assert result.exit_code == 2
        assert "--count" in result.stderr
