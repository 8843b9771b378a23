"""The tables of the pages: heads in English words, rows of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.resources.documents import Estimated, data
from benchmarks.resources.facts import BATCH, H100, LARGE, MAIN, PRECISION, relative
from pepland_model.estimate.cards import cards
from pepland_model.estimate.show.tables import cell

STATES = {"once": "each once", "every_row": "every row"}
CARDS = [card.title for card in cards().values()]
SIZES = (BATCH, LARGE)


@dataclass(frozen=True)
class Table:
    """A table."""

    head: Sequence[str]
    """Words of each column, with commas between them; see `words`."""
    rows: Sequence[Sequence[str]]


def tables(corpora: Sequence[Estimated]) -> dict[str, Table]:
    """Return all tables of some corpora, by name."""
    makers = (about, memory, largest, steps, hours, several, vectors, money, settings)
    found = {maker.__name__: maker(corpora) for maker in makers}
    return found | {"ranks": ranks(corpora[0])}


def per_card(
    corpora: Sequence[Estimated], head: Sequence[str],
    figure: Callable[[Estimated, str, Any], Any], choices: Sequence[Any],
) -> Table:  # fmt: skip
    """Return a table with a row for each card, and a column for each corpus and choice.

    Args:
        corpora: the corpora.
        head: words of each choice.
        figure: returns a value of a corpus, a card and a choice.
        choices: what `figure` is given.
    """
    columns = [f"{one.name}, {words}" for one in corpora for words in head]
    rows = [
        [card, *(cell(figure(one, card, choice)) for one in corpora for choice in choices)]
        for card in CARDS
    ]
    return Table(["card", *columns], rows)


def about(corpora: Sequence[Estimated]) -> Table:
    """Return what the corpora are."""
    columns = ("graphs", "mean_atoms", "mean_fragments")
    rows = [[one.name, *(cell(one.about[column]) for column in columns)] for one in corpora]
    return Table(["corpus", "graphs", "mean atoms", "mean fragments"], rows)


def memory(corpora: Sequence[Estimated]) -> Table:
    """Return the memory of training by batch, with each state once and with every row."""
    batches = [row["batch"] for row in corpora[0].rows("memory_by_batch", kind="training")]
    head = [f"{one.name}, {words}" for one in corpora for words in STATES.values()]
    rows = [
        [cell(batch), *(
            one.text("memory_by_batch", f"{PRECISION}_gib", states, kind="training", batch=batch)
            for one in corpora for states in STATES
        )]
        for batch in batches
    ]  # fmt: skip
    return Table(["batch", *head], rows)


def largest(corpora: Sequence[Estimated]) -> Table:
    """Return the largest batches in training."""

    def figure(one: Estimated, card: str, states: str) -> Any:
        return one.value("largest_batch", PRECISION, states, card=card, kind="training")

    return per_card(corpora, list(STATES.values()), figure, list(STATES))


def steps(corpora: Sequence[Estimated]) -> Table:
    """Return the milliseconds of a training step."""

    def figure(one: Estimated, card: str, batch: int) -> Any:
        return one.value("step_time", "step_ms", card=card, precision=PRECISION, batch=batch)

    return per_card(corpora, [f"{size:,}" for size in SIZES], figure, SIZES)


def hours(corpora: Sequence[Estimated]) -> Table:
    """Return the minutes of both stages."""

    def figure(one: Estimated, card: str, batch: int) -> Any:
        return 60 * one.value("hours_by_batch", f"hours_{batch}", card=card)

    return per_card(corpora, [f"{size:,}" for size in SIZES], figure, SIZES)


def several(corpora: Sequence[Estimated]) -> Table:
    """Return speed-up and minutes of several cards."""
    head = [f"{one.name}, {words}" for one in corpora for words in ("speed-up", "minutes")]
    rows = [
        [card, cell(gpus), *(
            cell(times * one.value("scaling", column, card=card, gpus=gpus, batch_per_card=BATCH))
            for one in corpora for column, times in (("speedup", 1), ("hours", 60))
        )]
        for card in (MAIN, H100) for gpus in (2, 4, 8)
    ]  # fmt: skip
    return Table(["card", "cards", *head], rows)


def vectors(corpora: Sequence[Estimated]) -> Table:
    """Return the seconds for vectors of a million peptides, and the memory."""

    def figure(one: Estimated, card: str, column: str) -> Any:
        return one.value("inference_million", column, card=card)

    return per_card(corpora, ["seconds", "GiB"], figure, ["seconds", "gib"])


def money(corpora: Sequence[Estimated]) -> Table:
    """Return what both stages cost, rented and on one's own card."""

    def figure(one: Estimated, card: str, answer: str) -> Any:
        return one.value(answer, "money", card=card)

    found = per_card(corpora, ["rent", "electricity"], figure, ["cloud", "electricity"])
    first = corpora[0]
    more = [
        [first.text("cloud", "price_per_hour", card=card),
         first.text("buying", "hours_to_pay_off", card=card)]
        for card in CARDS
    ]  # fmt: skip
    rows = [
        [row[0], hour, *row[1:], pays] for row, (hour, pays) in zip(found.rows, more, strict=True)
    ]
    return Table(["card", "price of an hour", *found.head[1:], "hours until buying pays"], rows)


def settings(corpora: Sequence[Estimated]) -> Table:
    """Return the settings for three kinds of users."""
    columns = ("card", "gpus", "batch_per_card", "efficiency")
    head = [
        "for whom",
        "corpus",
        "card",
        "cards",
        "batch of a card",
        "efficiency",
        "minutes",
        "rent",
    ]
    rows = [
        [row["for_whom"], one.name, *(cell(row[column], column) for column in columns),
         cell(60 * row["hours"]), cell(row["money"])]
        for number in range(3) for one in corpora
        for row in [one.rows("configurations")[number]]
    ]  # fmt: skip
    return Table(head, rows)


def ranks(one: Estimated) -> Table:
    """Return the speed of cards as multiples of `MAIN`: published, ours, and what decides."""
    known, first = cards(), cards()["rtx-4090"]
    rows = [
        [known[name].title, str(said), *(cell(relative(one, known[name].title, n)) for n in SIZES),
         cell(known[name].bandwidth_gb_per_s / first.bandwidth_gb_per_s),
         cell(known[name].tflops[PRECISION] / first.tflops[PRECISION])]
        for name, said in data("published")["relative"].items()
    ]  # fmt: skip
    head = ["card", "published", *(f"here, {n:,}" for n in SIZES), "bandwidth", f"{PRECISION} peak"]
    return Table(head, rows)
