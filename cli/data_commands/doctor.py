"""``pepland-data doctor``: what works on this machine, and what to do about the rest."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from pepland_cli.output import EXIT_FAILED, Command, json_option, render


@click.command(cls=Command, epilog="Example: pepland-data doctor")
@json_option
def doctor(as_json: bool) -> None:
    """Check packages, device, memory and folders; the exit code is 1 if there is a problem.

    A note is about something that only some commands need. Put the output into a bug report.
    """
    from pepland_cli.diagnosis import PROBLEM, diagnose
    from pepland_cli.versions import versions

    findings = diagnose()
    sound = all(finding.state != PROBLEM for finding in findings)
    result = {"sound": sound, "versions": versions(), "findings": [asdict(f) for f in findings]}
    render(result, as_json, text)
    if not sound:
        raise SystemExit(EXIT_FAILED)


def text(r: dict[str, Any]) -> str:
    """Return one line for each finding."""
    return "\n".join(
        f"{f['state']:<8} {f['topic']:<15} {f['text']}"
        + (f"; {f['remedy']}" if f["remedy"] else "")
        for f in r["findings"]
    )
