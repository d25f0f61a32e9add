"""Features of sequences from motifs, beside scanners: ``python benchmarks/motif_features.py --python PEERS_PYTHON``.

Random sequences of 2,048 letters are read with 100 motifs of JASPAR 2024 (every eighth or ninth) and with all 879, by
one thread. Ours gives the expected number of occupied sites on both strands in the middle 1,024 letters, and, for the
scanners' sake, in all 2,048. lightmotif scores every place of both strands, and the largest score is kept; FIMO, of
memelite, counts sites with p < 1e-4. Each run is a process of its own; measured are the CPU seconds of a second call,
after one that compiles and warms up, and the largest memory the process ever held. The peers run where they are
installed: ``--python`` names the interpreter.
"""

import argparse
import gzip
import io
import json
import sys
import tempfile
from pathlib import Path

import measure
import numpy as np

LENGTH = 2048
SEQUENCES = (1024, 128)  # for 100 motifs, for all


def ours(motifs, sequences, bins):
    import torch

    from scomics_lite.dna import MotifFeatures, read_motifs

    torch.set_num_threads(1)
    module = MotifFeatures(read_motifs(motifs), length=LENGTH, bins=bins)
    return lambda: module.features(sequences)


def read_with_biopython(motifs):
    from Bio import motifs as bio

    found = bio.parse(io.StringIO(gzip.decompress(Path(motifs).read_bytes()).decode()), "jaspar")
    for motif in found:
        motif.pseudocounts = bio.jaspar.calculate_pseudocounts(motif)
        yield motif


def lightmotif(motifs, sequences):
    import lightmotif

    matrices = []
    for motif in read_with_biopython(motifs):
        rows = {letter: list(motif.pssm[letter]) for letter in "ACGT"}
        turned = {letter: rows[other][::-1] for letter, other in zip("ACGT", "TGCA", strict=True)}
        matrices += [lightmotif.ScoringMatrix({**each, "N": [0.0] * motif.length}) for each in (rows, turned)]

    def scan():
        for sequence in sequences:
            striped = lightmotif.stripe(sequence)
            for matrix in matrices:
                matrix.calculate(striped).max()

    return scan


def memelite(motifs, sequences):
    from memelite import fimo

    codes = np.array([np.frombuffer(text.encode(), np.uint8) for text in sequences])
    one_hot = (codes[:, None] == np.frombuffer(b"ACGT", np.uint8)[None, :, None]).astype(np.int8)
    matrices = {
        motif.matrix_id: np.array([motif.pwm[letter] for letter in "ACGT"]) for motif in read_with_biopython(motifs)
    }
    return lambda: fimo(matrices, one_hot, threshold=1e-4)


CALLS = {
    "ours, middle 1,024": lambda *given: ours(*given, bins=8),
    "ours, all letters": lambda *given: ours(*given, bins=16),
    "lightmotif": lightmotif,
    "memelite": memelite,
}


def run(tool, motifs, n):
    rng = np.random.default_rng(1)
    call = CALLS[tool](motifs, ["".join(row) for row in rng.choice(list("ACGT"), (n, LENGTH))])
    call()
    print(json.dumps(measure.clocked(call)[1]))


def write_some(folder, every):
    """Write every so many of the bundled motifs; give the file and how many."""
    bundled = Path(__file__).parents[1] / "data" / "jaspar" / "JASPAR2024_CORE_vertebrates_nr.txt.gz"
    blocks = gzip.decompress(bundled.read_bytes()).decode().split(">")[1:]
    kept = [blocks[int(i)] for i in np.arange(0, len(blocks) - 0.5, every)]
    path = Path(folder) / f"{len(kept)}.txt.gz"
    path.write_bytes(gzip.compress("".join(">" + block for block in kept).encode()))
    return path, len(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has lightmotif and memelite")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        tool, motifs, n = options.run
        return run(tool, motifs, int(n))
    versions = [measure.version("torch", sys.executable)]
    versions += [measure.version(tool, options.python) for tool in ("lightmotif", "memelite")]
    print(", ".join(versions), end="\n\n")
    print("| tool | motifs | sequences | CPU seconds | sequences a second | peak MB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for n, every in zip(SEQUENCES, (8.79, 1), strict=True):
            path, motifs = write_some(folder, every)
            for tool in CALLS:
                python = sys.executable if tool.startswith("ours") else options.python
                cost = measure.report([python, Path(__file__), "--run", tool, path, n])
                if isinstance(cost, str):
                    print(f"| {tool} | {motifs} | {n} | {cost} | | |", flush=True)
                    continue
                rate = f"{n / cost['cpu']:.0f}"
                print(f"| {tool} | {motifs} | {n} | {cost['cpu']:.2f} | {rate} | {cost['peak']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
