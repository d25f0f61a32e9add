"""Make the tables of motifs again: ``python tests/reference/make_motif_tables.py`` (needs biopython, MOODS-python,
lightmotif and memelite; a minute).

Biopython reads the bundled file, adds JASPAR's pseudocounts and gives log-odds; the others scan with these. Written are
``motif_sequences.tsv.gz`` (100 random sequences), ``motif_scores.tsv.gz`` (of 20 motifs in each of them: the best site
by lightmotif, the numbers of sites above MOODS's threshold and that memelite's FIMO reports),
``motif_cutoffs.tsv.gz`` (of all motifs: thresholds of lightmotif, by TFM-Pvalue, and of MOODS) and
``motif_provenance.json``.
"""

import gzip
import io
import json
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from Bio import motifs
from table_files import HERE, write

BUNDLED = Path(__file__).parents[2] / "data" / "jaspar" / "JASPAR2024_CORE_vertebrates_nr.txt.gz"
LETTERS, EVEN = "ACGT", [0.25] * 4
PVALUES = (1e-2, 1e-3, 1e-4, 1e-5)
SEQUENCES, LENGTH, EVERY = 100, 500, 45
MOODS_PRECISION = 1_000.0  # steps in a bit
FIMO_BIN = 0.01


def peer(name):
    """Import what is compared with; no environment of the project holds it."""
    return import_module(name)


def read_bundled():
    """Give Biopython's motifs, with JASPAR's pseudocounts."""
    found = motifs.parse(io.StringIO(gzip.decompress(BUNDLED.read_bytes()).decode()), "jaspar")
    for motif in found:
        motif.pseudocounts = motifs.jaspar.calculate_pseudocounts(motif)
    return found


def log_odds(motif):
    """Give the log-odds in bits, (4, width)."""
    return np.array([motif.pssm[letter] for letter in LETTERS], dtype=float)


def scoring(values):
    """Give lightmotif's matrix of log-odds (4, width)."""
    rows = zip([*LETTERS, "N"], [*values, 0 * values[0]], strict=True)
    return peer("lightmotif").ScoringMatrix({letter: row.tolist() for letter, row in rows})


def thresholds(motif):
    """Give the scores that are reached with the probabilities: TFM-Pvalue's and MOODS's."""
    values = log_odds(motif)
    ours = scoring(values)
    for pvalue in PVALUES:
        moods = peer("MOODS.tools").threshold_from_p_with_precision(values.tolist(), EVEN, pvalue, MOODS_PRECISION, 4)
        yield motif.matrix_id, pvalue, ours.score(pvalue), moods


def best_sites(values, sequences):
    """Give lightmotif's best score, where it begins and its strand, in each sequence."""
    strands = (scoring(values), scoring(values[::-1, ::-1]))
    for sequence in sequences:
        striped = peer("lightmotif").stripe(sequence)
        scores = np.array([list(strand.calculate(striped)) for strand in strands])[:, : LENGTH - values.shape[1] + 1]
        strand, start = np.unravel_index(scores.argmax(), scores.shape)
        yield scores[strand, start], start, "+-"[strand]


def moods_sites(values, sequences, threshold):
    """Count MOODS's sites on both strands of each sequence."""
    both = [values.tolist(), values[::-1, ::-1].tolist()]
    for sequence in sequences:
        yield sum(map(len, peer("MOODS.scan").scan_dna(sequence, both, EVEN, [threshold] * 2, 7)))


def fimo_sites(motif, sequences):
    """Count the sites that memelite's FIMO reports at p < 1e-4 in each sequence."""
    p = np.array([motif.pwm[letter] for letter in LETTERS], dtype=float)
    one_hot = np.array([[[x == letter for x in text] for letter in LETTERS] for text in sequences], dtype=np.int8)
    found = peer("memelite").fimo({"motif": p}, one_hot, threshold=1e-4, bin_size=FIMO_BIN, eps=1e-9)[0]
    return np.bincount(found["sequence_name"].astype(int), minlength=len(sequences))


def main():
    every = read_bundled()
    rng = np.random.default_rng(2024)
    sequences = ["".join(row) for row in rng.choice(list(LETTERS), (SEQUENCES, LENGTH))]
    cutoffs = pd.DataFrame(
        [row for motif in every for row in thresholds(motif)], columns=["id", "pvalue", "lightmotif", "moods"]
    )
    moods_at = cutoffs.query("pvalue == 1e-4").set_index("id")["moods"]
    tables = []
    for motif in every[10::EVERY]:
        values = log_odds(motif)
        table = pd.DataFrame(best_sites(values, sequences), columns=["best", "start", "strand"])
        table["moods_sites"] = list(moods_sites(values, sequences, moods_at[motif.matrix_id]))
        table["fimo_sites"] = fimo_sites(motif, sequences)
        table.insert(0, "sequence", range(SEQUENCES))
        table.insert(0, "id", motif.matrix_id)
        tables.append(table)
    every_table = {
        "motif_sequences.tsv.gz": pd.DataFrame({"sequence": sequences}),
        "motif_scores.tsv.gz": pd.concat(tables),
        "motif_cutoffs.tsv.gz": cutoffs,
    }
    provenance = {
        "made_by": "python tests/reference/make_motif_tables.py",
        "versions": {name: version(name) for name in ("biopython", "lightmotif", "MOODS-python", "memelite", "numpy")},
        "calls": "Bio.motifs.jaspar.calculate_pseudocounts and Motif.pssm; lightmotif ScoringMatrix.calculate and"
        " .score (TFM-Pvalue); MOODS.tools.threshold_from_p_with_precision(1000 steps a bit) and MOODS.scan.scan_dna;"
        " memelite.fimo(threshold=1e-4, bin_size=0.01, eps=1e-9)",
        "sha256": {name: write(table, name) for name, table in every_table.items()},
    }
    (HERE / "motif_provenance.json").write_text(json.dumps(provenance, indent=1) + "\n")


if __name__ == "__main__":
    main()
