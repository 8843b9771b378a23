"""Write the sample: parts of well-known proteins, and non-canonical peptides."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from pepland_data.chem.notation.monomers import OTHER, SIDE_CHAINS, peptide
from pepland_data.resources import sample_path

PROTEINS = {
    "P0CG48 ubiquitin": "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQKESTLHLVLRLRGG",
    "P42212 green fluorescent protein": "MSKGEELFTGVVPILVELDGDVNGHKFSVSGEGEGDATYGKLTLKFICTTGKLPV"
    "PWPTLVTTFSYGVQCFSRYPDHMKQHDFFKSAMPEGYVQERTIFFKDDGNYKTRAEVKFEGDTLVNRIELKGIDFKEDGNILGHKLEYNYN"
    "SHNVYIMADKQKNGIKVNFKIRHNIEDGSVQLADHYQQNTPIGDGPVLLPDNHYLSTQSALSKDPNEKRDHMVLLEFVTAAGITHGMDELYK",
    "P00698 lysozyme": "KVFGRCELAAAMKRHGLDNYRGYSLGNWVCAAKFESNFNTQATNRNTDGSTDYGILQINSRWWCNDGRTPGSRNLC"
    "NIPCSALLSSDITASVNCAKKIVSDGNGMNAWVAWRNRCKGTDVQAWIRGCRL",
    "P69905 haemoglobin alpha": "VLSPADKTNVKAAWGKVGAHAGEYGAEALERMFLSFPTTKTYFPHFDLSHGSAQVKGHGKKVADALT"
    "NAVAHVDDMPNALSALSDLHAHKLRVDPVNFKLLSHCLLVTLAAHLPAEFTPAVHASLDKFLASVSTVLTSKYR",
    "P00004 cytochrome c": "GDVEKGKKIFVQKCAQCHTVEKGGKHKTGPNLHGLFGRKTGQAPGFTYTDANKNKGITWKEETLMEYLENPKK"
    "YIPGTKMIFAGIKKKTEREDLIAYLKKATNE",
    "P01308 insulin B": "FVNQHLCGSHLVEALYLVCGERGFFYTPKT",
    "P01275 glucagon": "HSQGTFTSDYSKYLDSRRAQDFVQWLMNT",
    "P01501 melittin": "GIGAVLKVLTTGLPALISWIKRKRQQ",
    "P11006 magainin 2": "GIGKFLHSAKKFGKAFVGEIMNS",
}
CANONICAL, NONCANONICAL, SEED = 850, 350, 20
NATURAL = [n for n in (*SIDE_CHAINS, *OTHER) if len(n) == 1]
UNUSUAL = [n for n in (*SIDE_CHAINS, *OTHER) if len(n) > 1]
MODIFIED = [*(f"d{n}" for n in SIDE_CHAINS if len(n) == 1), *(f"me{n}" for n in "AVLIFYK")]


def canonical(generator: random.Random) -> list[tuple[str, str, str]]:
    """Return different parts of proteins, 8 to 22 residues long, as rows of the sample."""
    windows = {
        sequence[start : start + length]: name
        for name, sequence in PROTEINS.items()
        for length in (8, 11, 15, 18, 22)
        for start in range(0, len(sequence) - length + 1, 3)
    }
    chosen = generator.sample(sorted(windows.items()), CANONICAL)
    return [(peptide(list(sequence)), "canonical", name) for sequence, name in chosen]


def noncanonical(generator: random.Random) -> list[tuple[str, str, str]]:
    """Return peptides of 5 to 16 residues, many modified, capped or cyclic, as rows."""
    rows = []
    for number in range(NONCANONICAL):
        pools = generator.choices(
            (NATURAL, UNUSUAL, MODIFIED), (4, 1, 1), k=generator.randint(5, 16)
        )
        names = [generator.choice(pool) for pool in pools]
        cyclic = number % 4 == 0
        if cyclic:
            # A ring needs an alpha amino acid at both ends.
            names[0], names[-1] = generator.choice("ALFK"), generator.choice("GAVY")
            names[-1] = "A" if names[-1] == "G" else names[-1]
        cap = "" if cyclic else generator.choice(["", "", "Ac", "Lau", "Myr"])
        source = "cyclo-" * cyclic + f"{cap}-" * bool(cap) + "-".join(names)
        rows.append((peptide(names, cap, cyclic), "noncanonical", source))
    return rows


def write_sample(path: Path) -> None:
    """Write the sample as CSV; the bytes are the same every time."""
    generator = random.Random(SEED)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["smiles", "kind", "source"])
        writer.writerows([*canonical(generator), *noncanonical(generator)])


if __name__ == "__main__":
    write_sample(sample_path())
