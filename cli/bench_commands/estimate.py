"""``pepland-bench estimate``: what a training costs on a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pepland_cli.output import Command, json_option, render, say

if TYPE_CHECKING:
    from pepland_model.estimate.cards import Card

EPILOG = """\b
Examples:
  pepland-bench estimate
  pepland-bench estimate data/ --gpu rtx-4090 --gpus 1,2 --batch-size 2048
  pepland-bench estimate stage1/ --stage2 stage2/ --samples 1000000,500000 --epochs 50,25
  pepland-bench estimate data/ --currency CNY --power-price 0.6 --price-per-hour 3.5 --json
"""


class Numbers(click.ParamType):
    """Whole numbers above 0, separated by commas."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is no list of whole numbers above 0; write 1,2,4", param, ctx)
        return tuple(int(part) for part in parts)


PRICE = click.FloatRange(0, min_open=True)


@click.command(cls=Command, epilog=EPILOG, first=("names", "gpus", "samples", "epochs", "page"))
@click.argument("stores", type=click.Path(), nargs=-1)
@click.option("--stage2", type=click.Path(), multiple=True, metavar="STORE",
              help="Store of a second stage, trained after that on STORES; may be "
              "repeated.")  # fmt: skip
@click.option("--gpu", "names", multiple=True, metavar="NAME",
              help="Card, such as rtx-4090; may be repeated. Any other word lists the known cards "
              "[default: all of them].")  # fmt: skip
@click.option("--card", "files", type=click.Path(), multiple=True, metavar="FILE",
              help="Card that is not known: a TOML file, in the form of "
              "pepland_model/estimate/cards.toml; may be repeated.")  # fmt: skip
@click.option("--gpus", type=Numbers(), default="1,2,4,8", show_default=True,
              help="Numbers of cards in one machine, to compare.")  # fmt: skip
@click.option("--batch-size", "batches", type=click.IntRange(1), multiple=True,
              help="Graphs per step and card; may be repeated, hours are those of the first "
              "[default: 512, and others to compare].")  # fmt: skip
@click.option("--precision", "precisions", multiple=True,
              type=click.Choice(["fp32", "tf32", "bf16", "fp16"]),
              help="Number format; may be repeated, hours are those of the first "
              "[default: bf16].")  # fmt: skip
@click.option("--samples", type=Numbers(), default=(), metavar="N[,N]",
              help="Graphs of stage 1, and of stage 2, if there will be more than in the stores "
              "[default: those of the stores; without stores 1000000,500000, as "
              "published].")  # fmt: skip
@click.option("--epochs", type=Numbers(), default=(), metavar="N[,N]",
              help="Epochs of stage 1, and of stage 2 [default: 50,25, as published].")  # fmt: skip
@click.option("--eval-every", type=click.IntRange(1), default=500, show_default=True,
              help="Steps between evaluations.")  # fmt: skip
@click.option("--dedup", type=click.Choice(["auto", "never"]), default="auto", show_default=True,
              help="auto computes vectors that are equal in a batch once, never computes "
              "every one.")  # fmt: skip
@click.option("--price-per-hour", type=PRICE, default=None,
              help="Rent of one card for an hour, in --currency [default: that of each "
              "card].")  # fmt: skip
@click.option("--power-price", type=PRICE, default=None,
              help="Price of a kWh, in --currency [default: average of US "
              "businesses].")  # fmt: skip
@click.option("--gpu-price", type=PRICE, default=None,
              help="Price to buy one card, in --currency [default: that of each "
              "card].")  # fmt: skip
@click.option("--currency", default=None,
              help="Currency of your prices. Known prices are in US$ and are left out in any "
              "other [default: US$].")  # fmt: skip
@click.option("--calibration", type=click.Path(), default=None, metavar="FILE",
              help="Measured times to start from: a result of `python -m benchmarks.bench_gpu` on "
              "your card; or none, for limits of data sheets only [default: one of an H100, "
              "in the package].")  # fmt: skip
@click.option("--report", "page", type=click.Path(), default=None, metavar="FILE.html",
              help="Also write a page with tables and pictures.")  # fmt: skip
@json_option
def estimate(
    stores: tuple[str, ...],
    stage2: tuple[str, ...],
    names: tuple[str, ...],
    files: tuple[str, ...],
    gpus: tuple[int, ...],
    batches: tuple[int, ...],
    precisions: tuple[str, ...],
    samples: tuple[int, ...],
    epochs: tuple[int, ...],
    eval_every: int,
    dedup: str,
    price_per_hour: float | None,
    power_price: float | None,
    gpu_price: float | None,
    currency: str | None,
    calibration: str | None,
    page: str | None,
    as_json: bool,
) -> None:
    """Say what pre-training on STORES costs on a GPU: memory, hours, money.

    Nothing is trained and no GPU is needed. The work of a step is counted for batches of the
    stores, of which a few thousand graphs are enough; times follow from a measurement of a card
    (one of an H100 comes with the package). Conversion and single peptides are measured on this
    machine. Without STORES, the bundled sample stands for the two stages of the published training.
    """
    from pepland_model.estimate.calibration import SHIPPED
    from pepland_model.estimate.estimate import Request
    from pepland_model.estimate.estimate import estimate as answer
    from pepland_model.estimate.money import US_DOLLAR, Prices
    from pepland_model.estimate.show.tables import as_text

    request = Request(
        chosen_cards(names, files), gpus, batches, precisions or ("bf16",), samples, epochs,
        eval_every, dedup,
        Prices(US_DOLLAR if currency in (None, "USD") else currency,
               power_price, price_per_hour, gpu_price),
        calibration or str(SHIPPED),
    )  # fmt: skip
    document = answer(request, stores, stage2, lambda line: say(line, err=True))
    render(document, as_json, as_text)
    if page is not None:
        from pepland_model.estimate.show.page import write_page

        write_page(document, page)
        say(f"wrote {page}", err=True)


def chosen_cards(names: tuple[str, ...], files: tuple[str, ...]) -> list[Card]:
    """Return the cards that were asked for; all known ones if none was."""
    from pepland_model.estimate.cards import card, cards, read_card

    asked = [card(name) for name in names] + [read_card(path) for path in files]
    return asked or list(cards().values())
