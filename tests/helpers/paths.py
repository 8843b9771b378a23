"""Where the files of the project are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
PUBLIC = GOLDEN / "public.npz"
"""Published graphs of the molecules that may be shipped."""
