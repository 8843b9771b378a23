"""What people type by mistake is answered with one sentence that names the remedy."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pepland_cli.bench import main as bench
from pepland_cli.data import main as data
from pepland_cli.embed import main as embed

BY = ["split", "STORE", "--by"]


@pytest.mark.parametrize(
    ("program", "arguments", "code", "words"),
    [
        (data, ["biuld", "p.csv"], 2, "there is no command 'biuld'; did you mean 'build'?"),
        (data, ["xyz"], 2, "choose build, read, info"),
        (data, ["build", "none.csv", "--out", "OUT"], 1, "check the path"),
        (data, ["build", "FILE", "--out", "OUT"], 1, "name one with --smiles-column"),
        (data, ["build", "FILE", "--out", "OUT", "--workers", "-1"], 2, "not in the range"),
        (data, ["build", "FILE", "--out", "OUT", "--input-format", "sequnce"], 2, "'sequence'"),
        (data, ["build", "FILE", "--out", "FILE"], 1, "name another folder with --out"),
        (data, ["build", "FILE", "--out", "OUT", "--outt", "x"], 2, "Did you mean"),
        (data, ["build", "FILE", "--out", "OUT", "--part", "5/3"], 1, "expected 1/3 to 3/3"),
        (data, ["build", "FILE", "--out", "OUT", "--monomers", "no.xml"], 1, "expected Pistoia"),
        (data, ["info", "nowhere"], 1, "pepland-data build INPUT --out nowhere"),
        (data, ["info", "FILE"], 1, "a store is a folder"),
        (data, ["convert", "STORE", "STORE", "--format", "zarr"], 1, "name a new folder"),
        (data, [*BY, "column"], 2, "name it with --column"),
        (data, [*BY, "group"], 2, "name it with --column"),
        (data, [*BY, "random", "--column", "kind"], 2, "add --by column or --by group"),
        (data, [*BY, "file"], 1, "name it with --file"),
        (data, [*BY, "random", "--threshold", "0.9"], 1, "only 'similarity' does"),
        (data, ["split", "STORE", "--fractions", "train=0.9,valid=0.3"], 2, "add up to 1.2"),
        (data, ["split", "STORE", "--fractions", "train=1.5,valid=-0.5"], 2, "shares from 0"),
        (data, ["split", "STORE", "--fractions", "train"], 2, "expected train=0.9,test=0.1"),
        (data, ["synth", "OUT.csv", "--min-length", "99"], 2, "give lengths with --min-length <="),
        (data, ["synth", "OUT.csv", "--median-length", "0"], 2, "not in the range"),
        (data, ["tier", "STORE", "--memory", "lots"], 1, "write it like 24GiB"),
        (data, ["vocab", "STORE", "-o", "OUT/v.txt"], 1, "a folder that exists"),
        (data, ["show", "ACDE", "-o", "OUT.pdf"], 1, "ends in .svg or .png"),
        (embed, ["FILE", "-o", "OUT.npz"], 2, "--checkpoint"),
        (embed, ["FILE", "-o", "OUT.npz", "--checkpoint", "none"], 1, "expected a run folder"),
        (bench, ["estimat"], 2, "did you mean 'estimate'?"),
        (bench, ["estimate", "STORE", "--gpu", "rtx-9999"], 1, "known: rtx-3090"),
        (bench, ["loader", "STORE", "--max-wait", "150%"], 2, "write 1% or 0.01"),
    ],
)  # fmt: skip
def test_wrong_use_is_answered_with_the_remedy(
    small_store, tmp_path, program, arguments, code, words
) -> None:
    (tmp_path / "file.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    places = {"STORE": small_store.path, "FILE": tmp_path / "file.csv"}
    given = [str(places.get(a, a.replace("OUT", str(tmp_path / "out")))) for a in arguments]
    result = CliRunner().invoke(program, given)
    assert result.exit_code == code, result.output
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_a_command_of_an_earlier_release_still_works(small_store) -> None:
    assert CliRunner().invoke(data, ["plan", str(small_store.path)]).exit_code == 0
