"""Paths of the project."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
PUBLIC = GOLDEN / "public.npz"
"""Published graphs of molecules that may be distributed."""
