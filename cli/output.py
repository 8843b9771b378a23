"""Shared by all commands: exit codes, ``--json``, errors as one sentence on stderr, signals."""

from __future__ import annotations

import difflib
import errno
import importlib
import json
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_REJECTED = 0, 1, 2, 3
"""Done; expected error; wrong usage; too many rejects, or damage found. A command that a signal
ends exits with 128 and the number of the signal: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP."""

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Add the option ``--json``: one JSON document on stdout, everything else on stderr."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def render(result: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    """Print a result as JSON, or as the text that `text` returns for it."""
    say(json.dumps(result, indent=2, sort_keys=False) if as_json else text(result))


def say(message: str, err: bool = False) -> None:
    """Print a text, with escapes for what the terminal cannot show; nothing on a closed one."""
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    try:
        click.echo(message.encode(encoding, "backslashreplace").decode(encoding), err=err)
    except OSError as error:
        if error.errno != errno.EIO:
            raise


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Print an error message on stderr and exit with a code."""
    say(f"error: {message}", err=True)
    sys.exit(code)


REMEDIES = {
    errno.ENOSPC: "free some space and run the same command again: it resumes where it stopped",
    errno.EDQUOT: "delete files to get below your quota and run the same command again",
    errno.EACCES: "check the permissions, or name another folder",
    errno.EROFS: "the disk is read-only; name another folder",
    errno.ENOENT: "check the path; a file is written only into a folder that exists",
}


def system_sentence(error: OSError) -> str:
    """Return what the system refused, where, and what to do."""
    where = f"{error.filename}: " if error.filename else ""
    remedy = REMEDIES.get(error.errno or 0)
    return f"{where}{error.strerror or error}" + (f"; {remedy}" if remedy else "")


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show warnings as ``warning: ...``, without file and line of the code.

    On a terminal, the line of a progress bar is cleared first.
    """
    original = warnings.formatwarning

    def plain(
        message: Warning | str, category: type[Warning], filename: str, lineno: int,
        line: str | None = None,
    ) -> str:  # fmt: skip
        if category is not UserWarning:
            return original(message, category, filename, lineno, line)
        return f"{CLEAR_LINE if sys.stderr.isatty() else ''}warning: {message}\n"

    warnings.formatwarning = plain  # type: ignore[assignment]
    try:
        yield
    finally:
        warnings.formatwarning = original


CLEAR_LINE = "\r\x1b[K"


class EndedBySignal(KeyboardInterrupt):
    """A signal that ends a command as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


REPEATED_SECONDS = 3.0
"""A signal that comes again within this time is the same one: it may be sent to a group too."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM, as a scheduler sends it, and SIGHUP of a closed terminal act like Ctrl-C.

    A signal that is ignored (``nohup``) or handled already is left alone.
    """
    last = [-REPEATED_SECONDS]

    def end(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - last[0] > REPEATED_SECONDS:
            last[0] = time.monotonic()
            raise EndedBySignal(number)

    main = threading.current_thread() is threading.main_thread()
    taken = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if main and signal.getsignal(number) == signal.SIG_DFL
    ]
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


class ExamplesFirst(click.Command):
    """A command whose help has its examples above the options, where readers look first."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write usage, what the command does, examples, options."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_epilog(ctx, formatter)
        self.format_options(ctx, formatter)


class Command(ExamplesFirst):
    """A command that reports an expected error as one sentence and exits with code 1.

    Args:
        first: names of the options that most people need; the help has them in their own section.
    """

    def __init__(self, *args: Any, first: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.first = first

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options, those of `first` apart."""
        self.format_sections(ctx, formatter, {})

    def format_sections(
        self, ctx: click.Context, formatter: click.HelpFormatter, titles: Mapping[str, str]
    ) -> None:
        """List the options by section: those of `first`, those that have a title, the others."""
        rows: dict[str, list[tuple[str, str]]] = {FIRST: [], **{t: [] for t in titles.values()}}
        place = {name: number for number, name in enumerate(self.first)}
        for parameter in sorted(self.get_params(ctx), key=lambda p: place.get(p.name or "", 99)):
            name = parameter.name or ""
            title = FIRST if name in place else titles.get(name, OTHERS)
            record = parameter.get_help_record(ctx)
            if isinstance(parameter, click.Option) and record:
                rows.setdefault(title, []).append(record)
        for title, listed in rows.items():
            if listed:
                with formatter.section(title if self.first else OTHERS):
                    formatter.write_dl(listed)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors of the system, such as a full disk, are expected errors."""
        from pepland_data.errors import PeplandError

        try:
            with plain_warnings(), ended_by_signals():
                return super().invoke(ctx)
        except PeplandError as error:
            fail(str(error))
        except OSError as error:
            fail(system_sentence(error))
        except EndedBySignal as error:
            name = signal.Signals(error.number).name
            fail(f"ended by {name}; run the same command again to resume", 128 + error.number)
        except KeyboardInterrupt:
            fail("interrupted; run the same command again to resume", 130)


FIRST, OTHERS = "Most used", "Options"
"""Titles of the options that most people need, and of those without another title."""


class LazyGroup(ExamplesFirst, click.Group):
    """A group that imports its commands only when they run, so that ``--help`` is fast.

    Args:
        modules: command name -> "module:function" and a one-line help, in display order.
        renamed: command name of an earlier release, which still works -> present name.
    """

    def __init__(
        self,
        *args: Any,
        modules: dict[str, tuple[str, str]],
        renamed: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.modules, self.renamed = modules, renamed or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in display order."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        cmd_name = self.renamed.get(cmd_name, cmd_name)
        if cmd_name not in self.modules:
            return None
        module, function = self.modules[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; for one that is not known, name those that are written alike."""
        if args[0] not in {*self.modules, *self.renamed} and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], self.modules, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose {', '.join(self.modules)}"
            ctx.fail(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[1]) for name, entry in self.modules.items()])
