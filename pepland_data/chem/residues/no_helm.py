"""The error of a molecule that has no HELM."""


class NoHelmError(ValueError):
    """Why a molecule has no HELM, as the end of a sentence."""
