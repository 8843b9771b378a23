"""What every command shares: exit codes, ``--json``, and errors as one sentence on stderr."""

from __future__ import annotations

import errno
import importlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import click

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_REJECTED = 0, 1, 2, 3
"""Done; expected failure; usage; more rejects than allowed, or damage found."""

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Add ``--json``: exactly one JSON document on stdout, everything else on stderr."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def render(result: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    """Print a result as JSON or as the text that `text` makes of it."""
    click.echo(json.dumps(result, indent=2, sort_keys=False) if as_json else text(result))


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Print one sentence on stderr and end with an exit code."""
    click.echo(f"error: {message}", err=True)
    sys.exit(code)


REMEDIES = {
    errno.ENOSPC: "free some space and run the same command again: it goes on where it stopped",
    errno.EDQUOT: "free some of your quota and run the same command again",
    errno.EACCES: "check the permissions, or name another folder",
    errno.EROFS: "the disk is read-only; name another folder",
}


def system_sentence(error: OSError) -> str:
    """Return what the system refused, where, and what to do about it."""
    where = f"{error.filename}: " if error.filename else ""
    remedy = REMEDIES.get(error.errno or 0)
    return f"{where}{error.strerror or error}" + (f"; {remedy}" if remedy else "")


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show warnings to people as ``warning: ...``, without file and line of the code.

    On a terminal a progress bar that stands on the line gives way.
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


class Command(click.Command):
    """A command that turns expected errors into one sentence and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a full disk or a missing permission is expected, a bug is not."""
        from pepland_data.errors import PeplandError

        try:
            with plain_warnings():
                return super().invoke(ctx)
        except PeplandError as error:
            fail(str(error))
        except OSError as error:
            fail(system_sentence(error))
        except KeyboardInterrupt:
            fail("interrupted; run the same command again to go on", 130)


class LazyGroup(click.Group):
    """A group whose commands are imported only when they run, so that ``--help`` is quick.

    Args:
        modules: command name -> "module:function" and a one-line help, in display order.
        renamed: name of an earlier release, which still works -> name of today.
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
        """Import one command."""
        cmd_name = self.renamed.get(cmd_name, cmd_name)
        if cmd_name not in self.modules:
            return None
        module, function = self.modules[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[1]) for name, entry in self.modules.items()])
