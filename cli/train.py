"""``pepland-train``: pre-train, fine-tune, resume, and import published weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields
from typing import Any

import click

from pepland_cli.output import Command, json_option, render
from pepland_cli.versions import version_option

EPILOG = """\b
Examples:
  pepland-train --shards data/ --out run/
  pepland-train --shards data/ --out run/ --dry-run
  pepland-train --shards stage2/ --init-from run/ --out run2/ --lr 3e-4
  pepland-train --config run/config.toml --out again/
  pepland-train --task regression --target affinity --shards data/ --init-from run/ --out fine/
  torchrun --nproc-per-node 4 -m pepland_cli.train --shards data/ --out run/
  pepland-train import-upstream MODEL.pth imported/
"""
FIRST = (
    "shards", "out", "task", "target", "init_from", "epochs", "batch_size", "device", "dry_run",
)  # fmt: skip
PATHS = ("out", "vocab", "init_from")
"""Keys for which a shell completes the names of files, besides ``shards``."""
TITLES = {
    "data": "Data", "mask": "Masks", "model": "Model", "optim": "Optimization", "run": "Run",
    "finetune": "Fine-tuning",
}  # fmt: skip


class TrainGroup(Command, click.Group):
    """A group that trains if no subcommand is given."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options by section of the configuration."""
        from pepland_model.run.config import SECTIONS

        titles = {f.name: TITLES[name] for name, keys in SECTIONS.items() for f in fields(keys)}
        self.format_sections(ctx, formatter, titles)
        self.format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a subcommand; another word is often a store without its option."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}; name a store with --shards {args[0]}")
        return super().resolve_command(ctx, args)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add one option for each key of the configuration."""
    from pepland_model.run.config import SECTIONS

    keys = [f for section in SECTIONS.values() for f in fields(section)]
    for key in reversed(keys):
        command = _config_option(key)(command)
    return command


def _config_option(key: Field[Any]) -> Callable[..., Any]:
    name, text, default = key.name.replace("_", "-"), key.metadata["help"], key.default
    if isinstance(default, bool):
        both, shown = f"--{name}/--no-{name}", f"{text} [default: {'yes' if default else 'no'}]"
        return click.option(both, key.name, default=None, help=shown)
    shown = f"{text} [default: {_shown_default(key)}]" if default not in ((), "") else text
    if key.name == "weights":
        return click.option(f"--{name}", key.name, callback=_numbers, help=text)
    if isinstance(default, tuple):
        return click.option(f"--{name}", key.name, multiple=True, type=click.Path(), help=text)
    kind = click.Path() if key.name in PATHS else type(default)
    if key.metadata["choices"]:
        kind = click.Choice(key.metadata["choices"])
    return click.option(f"--{name}", key.name, type=kind, default=None, help=shown)


def _shown_default(key: Field[Any]) -> str:
    """Return the default of a key, with that of fine-tuning if it is different."""
    from pepland_model.run.task_config import DEFAULTS

    if key.name not in DEFAULTS:
        return str(key.default)
    values = (key.default, DEFAULTS[key.name])
    first, second = (f"{v:g}" if isinstance(v, float) else str(v) for v in values)
    return f"{first}, fine-tuning {second}"


def _numbers(ctx: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r}; expected numbers like 0.7,0.3") from error


@click.group(
    cls=TrainGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
    first=FIRST,
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(),
    help="TOML file with settings, such as the config.toml of a run. Options override it.",
)
@click.option(
    "--dry-run", is_flag=True,
    help="Say what a pre-training will take (data, time, memory), from its first steps; write "
    "nothing.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Fail if there is no checkpoint to resume from.")
@config_options
@json_option
@version_option
@click.pass_context
def main(
    ctx: click.Context, config_file: str | None, dry_run: bool, resume: bool, as_json: bool,
    **flags: Any,
) -> None:  # fmt: skip
    """Pre-train PepLand's network (PharmHGT) on stores, or fine-tune it to predict columns.

    A store is a folder made by pepland-data build. Pre-training hides atoms and fragments and
    predicts them, so it needs no measured property; fine-tuning (--task) needs one or more, in
    columns. The same command again resumes an interrupted run.
    """
    if ctx.invoked_subcommand is not None:
        return
    given = {key: value for key, value in flags.items() if value not in (None, ())}
    from pepland_model.run.config import from_toml, task_defaults, with_flags

    start = from_toml(config_file) if config_file else task_defaults(given.get("task"))
    config = with_flags(start, given)
    if not config.data.shards:
        raise click.UsageError("no data: give --shards STORE, or --config with shards in [data]")
    if dry_run:
        show_dry_run(config, as_json)
        return
    if config.finetune.finetunes:
        from pepland_model.finetune.finetune import finetune

        summary, shown = finetune(config, must_resume=resume), finetune_text
    else:
        from pepland_model.train.pretrain import pretrain

        found = pretrain(config, must_resume=resume)
        if found is None:  # rank 0 reports
            return
        summary, shown = found, summary_text
    render(summary, as_json, shown)
    if summary["exit_code"]:
        ctx.exit(summary["exit_code"])


def show_dry_run(config: Any, as_json: bool) -> None:
    """Print what a pre-training will take."""
    from pepland_model.measure.first_steps import dry_run

    if config.finetune.finetunes:
        raise click.UsageError(
            "--dry-run is for pre-training; to see how long fine-tuning takes, run it with "
            "--epochs 1 and another --out"
        )
    found = dry_run(config)
    if found is not None:  # rank 0 reports
        render(found, as_json, dry_run_text)


def dry_run_text(r: dict[str, Any]) -> str:
    """Return the answer of a dry run as text."""
    from pepland_model.run.progress import duration

    kind = "GPU memory" if r["device"].startswith("cuda") else "memory"
    return "\n".join([
        f"data     {', '.join(f'{name} {value}' for name, value in r['data'].items())}",
        f"steps    {r['steps'] - r['steps_done']:,} of {r['steps']:,} to do, "
        f"{r['batch_size']:,} peptides each; evaluations: {r['evaluations']:,}",
        f"speed    {r['graphs_per_s']:,.0f} peptides per second on {r['device']}",
        f"time     about {duration(r['seconds'])}",
        f"memory   {r['memory_gib']:.1f} GiB of {kind}; a larger batch later may need more",
        f"nothing was written to {r['out']}; the same command without --dry-run trains",
    ])  # fmt: skip


def summary_text(summary: dict[str, Any]) -> str:
    """Return the result of a pre-training run as a few lines."""
    lines = [f"{summary['status']} after {summary['steps']} steps"]
    for key, value in summary["metrics"].items():
        baseline = summary["baseline"].get(key)
        known = f" (corpus frequencies: {baseline:.4f})" if baseline is not None else ""
        lines.append(f"  validation {key.replace('_', ' ')}: {value:.4f}{known}")
    lines += [f"  {name}: {path}" for name, path in summary["files"].items() if path]
    return "\n".join(lines)


def finetune_text(summary: dict[str, Any]) -> str:
    """Return the result of a fine-tuning run as a few lines."""
    from pepland_model.finetune.report import figure_text

    lines = [f"{summary['status']}: {summary['task']} of {summary['target']}, "
             f"{summary['seeds_done']} of {summary['seeds']} models"]  # fmt: skip
    for name, metrics in summary["metrics"].items():
        lines += [
            f"  {name} {key.replace('_', ' ')}: {figure_text(f)}" for key, f in metrics.items()
        ]
    for name, targets in list(summary["by_target"].items())[-1:]:
        lines.append(f"  of {len(targets)} targets above: means, MAE and RMSE in deviations; each:")
        lines += [f"  {name} {target}: {figures_line(found)}" for target, found in targets.items()]
    for title, found in (
        ("mean prediction of the models", summary["ensemble"].get("test", {})),
        ("boosted trees on fragment counts", summary["baseline"].get("test", {})),
    ):
        lines += [f"  {title}, test: {figures_line(found)}"] if found else []
    lines += [f"  note: {text}" for text in summary["warnings"]]
    lines += [f"  {name}: {path}" for name, path in summary["files"].items()]
    return "\n".join(lines)


def figures_line(found: dict[str, Any]) -> str:
    """Return figures by name as one line."""
    from pepland_model.finetune.report import figure_text

    return ", ".join(f"{key.replace('_', ' ')} {figure_text(v)}" for key, v in found.items())


@main.command(
    "import-upstream", cls=Command, epilog="Example: pepland-train import-upstream MODEL.pth out/"
)
@click.argument("checkpoint", type=click.Path())
@click.argument("out", type=click.Path())
@click.option(
    "--atom-head", type=click.Path(), help="File of the atom head, which predicts elements."
)
@click.option("--fragment-head", type=click.Path(), help="File of the fragment head.")
@click.option("--vocab", "vocabulary", type=click.Path(),
              help="File with the fragments in the order of that head.")  # fmt: skip
@json_option
def import_upstream(checkpoint: str, out: str, as_json: bool, **heads: str | None) -> None:
    """Convert weights that PepLand published to a folder for --init-from and pepland-embed.

    CHECKPOINT is their .pth file, of which only tensors are read; OUT is a new folder. The heads of
    pre-training, which predict masked atoms and fragments, are converted if their files are given.
    """
    from pepland_model.network.published.import_upstream import import_upstream as run

    render(run(checkpoint, out, **heads), as_json, lambda result: f"wrote {result['out']}")


if __name__ == "__main__":
    main()
