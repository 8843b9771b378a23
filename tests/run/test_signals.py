"""Signals ask a run to stop, and end a command; with nohup, a closed terminal does neither."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pepland_cli.output import EndedBySignal, ended_by_signals
from pepland_model.run.signals import StopRequest


@contextmanager
def handled(number: signal.Signals, handler: Any) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", StopRequest.SIGNALS)
def test_a_signal_asks_a_run_to_stop_and_its_handler_is_put_back(number: signal.Signals) -> None:
    with handled(number, signal.default_int_handler):
        with StopRequest() as stop:
            os.kill(os.getpid(), number)
        assert stop.received == number.name
        assert signal.getsignal(number) is signal.default_int_handler


def test_with_nohup_a_closed_terminal_stops_no_run() -> None:
    with handled(signal.SIGHUP, signal.SIG_IGN), StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.received is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_once(number: signal.Signals) -> None:
    with handled(number, signal.SIG_DFL), ended_by_signals():
        with pytest.raises(EndedBySignal) as caught:
            os.kill(os.getpid(), number)
        assert caught.value.number == number
        os.kill(os.getpid(), number)  # sent to the group too: cleaning up goes on


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_ignored_signal_stays_ignored_by_a_command(number: signal.Signals) -> None:
    with handled(number, signal.SIG_IGN):
        with ended_by_signals():
            os.kill(os.getpid(), number)
        assert signal.getsignal(number) == signal.SIG_IGN
