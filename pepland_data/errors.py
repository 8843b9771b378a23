"""The errors this library raises. Each also inherits the builtin a caller would guess."""


class PeplandError(Exception):
    """Base of every expected failure; the message says what, where and the remedy."""


class InvalidMoleculeError(PeplandError, ValueError):
    """A text that cannot become a graph.

    Attributes:
        text: the input text.
        stage: where it failed,
            one of ``parse``, ``limits``, ``cut``, ``features``, ``timeout``, ``crash``.
        reason: one sentence.
    """

    def __init__(self, text: str, stage: str, reason: str) -> None:
        shown = text if len(text) <= 120 else f"{text[:117]}..."
        super().__init__(f"{shown!r}: {reason} (stage: {stage})")
        self.text, self.stage, self.reason = text, stage, reason

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.text, self.stage, self.reason)


class InputError(PeplandError, ValueError):
    """An input file, column, option or vocabulary that cannot be used."""


class MissingDependencyError(PeplandError, ImportError):
    """An optional package that this call needs is not installed."""


class StoreError(PeplandError):
    """Base of what can be wrong with a store on disk."""


class StoreNotFoundError(StoreError, FileNotFoundError):
    """There is no finished store at the path."""

    def __str__(self) -> str:  # FileNotFoundError formats errno pairs otherwise
        return str(self.args[0]) if self.args else ""


class StoreDamagedError(StoreError, ValueError):
    """The bytes of a store are not those that were written."""


class StoreVersionError(StoreError, ValueError):
    """The store has a format version that this release cannot read."""


class BuildError(PeplandError, RuntimeError):
    """A build cannot start, go on or finish: the message says why and what to do."""


class RemoteError(PeplandError, OSError):
    """An object store or web address could not be reached, refuses, or holds something else."""
