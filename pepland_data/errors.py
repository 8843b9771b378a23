"""The errors of this library; each also inherits a matching builtin exception."""


class PeplandError(Exception):
    """Base of all expected errors; the message says what failed, where, and what to do."""


class InvalidMoleculeError(PeplandError, ValueError):
    """A text that cannot become a graph.

    Attributes:
        text: the input text.
        stage: the step that failed,
            one of ``parse``, ``limits``, ``cut``, ``features``, ``timeout``, ``crash``.
        reason: why it failed, one sentence.
    """

    def __init__(self, text: str, stage: str, reason: str) -> None:
        shown = text if len(text) <= 120 else f"{text[:117]}..."
        super().__init__(f"{shown!r}: {reason} (stage: {stage})")
        self.text, self.stage, self.reason = text, stage, reason

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.text, self.stage, self.reason)


class InputError(PeplandError, ValueError):
    """An input file, column, option or vocabulary cannot be used."""


class MissingDependencyError(PeplandError, ImportError):
    """An optional package that is needed is not installed."""


class StoreError(PeplandError):
    """Base of the errors of stores on disk."""


class StoreNotFoundError(StoreError, FileNotFoundError):
    """There is no finished store at the path."""

    def __str__(self) -> str:  # FileNotFoundError expects a number and a text
        return str(self.args[0]) if self.args else ""


class StoreDamagedError(StoreError, ValueError):
    """The bytes of a store differ from those that were written."""


class StoreVersionError(StoreError, ValueError):
    """The store has a format version that this release cannot read."""


class BuildError(PeplandError, RuntimeError):
    """A build cannot start, resume or finish; the message says why and what to do."""


class DifferentGraphError(BuildError):
    """A SMILES read without RDKit has another graph than RDKit gives: a fault of this package.

    Attributes:
        text: the SMILES or HELM.
        position: number of the text in the call, from 0.
    """

    def __init__(self, text: str, position: int) -> None:
        super().__init__(
            f"the graph of {text!r} is not the one that RDKit gives; this is a fault of "
            "pepland-data, please report it. To go on, run `pepland-data build` with --rdkit-only "
            "(in Python, FeaturizeOptions with rdkit_only)"
        )
        self.text, self.position = text, position

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return type(self), (self.text, self.position)


class TooManyRejectsError(BuildError):
    """Most of the first rows of an input became rejects; the build can be resumed."""


class RemoteError(PeplandError, OSError):
    """An object store or URL cannot be reached, denies access, or has unexpected contents."""
