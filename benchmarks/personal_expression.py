"""From people's DNA to linear models, as genes and people grow: ``python benchmarks/personal_expression.py``.

Simulated worlds (`simulate.regulatory_world`: three cell types, some 230 SNPs in a window of 40,000 bases, 12 of them
in the 2,048 that are read), 100 motifs of JASPAR, ctPred trained on the world's own means. For each size, in a process
of its own with one thread: CPU seconds of `twas.personal_expression`, how much larger it made the process and how much
of that is its result; and seconds a gene (three cell types) of `twas.linearise` and `twas.cis_heritability` on some
genes. Then, on the same genes, the correlation that cross-validation measures in people left out beside that of folds
within folds, as PredictDB does it, and what these take.
"""

import argparse
import json
import sys
import time
import warnings

import measure
import numpy as np
import pandas as pd

SIZES = ((200, 450), (400, 450), (800, 450), (400, 150), (400, 300))
MOTIFS, WINDOW = 100, 20_000


def study(n_genes, n_people):
    """Make a world, its genome, a featuriser and a ctPred that has learned the world's means."""
    from scomics_lite import dna, simulate, twas

    world = simulate.regulatory_world(n_genes, n_people, rng=1)
    genome, bank = dna.Genome(world.sequences), dna.jaspar_motifs()
    factors = dna.MotifFeatures(bank.select(list(bank.ids)[:: len(bank) // MOTIFS][:MOTIFS]))
    means = pd.DataFrame({name: world.expression.layers[name].mean(axis=0) for name in world.cell_types})
    percentiles = means.rank(pct=True).set_axis(world.genes.index)
    sequences = dna.reference_sequences(genome, world.genes, factors.length)
    features = pd.DataFrame(factors.features(list(sequences)), world.genes.index, factors.tracks)
    split = twas.chromosome_split(world.genes["chromosome"])
    return world, genome, factors, twas.CtPred(epochs=30).fit(features, percentiles, split, progress=False)


def measure_one(n_genes, n_people, some):
    """Do the work of a child process; print what it took."""
    from scomics_lite import twas

    world, genome, factors, model = study(n_genes, n_people)
    before = measure.peak_mb()
    inputs = (genome, world.genes, world.dosages, factors, model)
    predicted, took = measure.clocked(lambda: twas.personal_expression(*inputs, progress=False))
    took |= {
        "grown": measure.peak_mb() - before,
        "result": sum(predicted.layers[name].nbytes for name in predicted.layers) / 2**20,
        "haplotypes": predicted.var["n_haplotypes"].mean(),
    }
    genes = world.genes.iloc[:: max(len(world.genes) // some, 1)][:some]
    settings = {"window": WINDOW, "progress": False}
    twas.linearise(world.dosages, predicted, genes[:1], **settings)  # compiled code comes from numba's cache
    linear, fitted = measure.clocked(lambda: twas.linearise(world.dosages, predicted, genes, **settings))
    _, estimated = measure.clocked(lambda: twas.cis_heritability(world.dosages, world.expression, genes, **settings))
    took |= {"linear": fitted["cpu"] / len(genes), "heritability": estimated["cpu"] / len(genes)}
    print(json.dumps(took | beside_nested(world, predicted, genes, linear)))


def beside_nested(world, predicted, genes, linear):
    """Give correlations of cross-validation and of folds within folds, for the first cell type."""
    from scomics_lite import twas

    cell_type = world.cell_types[0]
    ours = linear.fidelity.query("cell_type == @cell_type").set_index("gene")["correlation"]
    kept, start, theirs = linear.snps["keep"].to_numpy(), time.process_time(), []
    place = world.dosages.var[["chromosome", "position"]]
    for gene in genes.itertuples():
        near = kept & (place["chromosome"] == gene.chromosome) & ((place["position"] - gene.tss).abs() <= WINDOW)
        y = predicted.to_df(cell_type)[gene.Index].astype(float)
        theirs.append(twas.nested_cross_validation(world.dosages[:, near.to_numpy()].to_df(), y).rho_avg)
    differences = ours[genes.index].to_numpy() - theirs
    return {
        "nested": (time.process_time() - start) / len(genes),
        "mean": float(differences.mean()),
        "largest": float(np.abs(differences).max()),
    }


def main(some):
    print(f"{MOTIFS} motifs, 3 cell types; linear models, heritability and comparison on {some} genes")
    print(
        f"{'genes x people':>14} {'haplotypes':>10} {'personal s':>10} {'grown MB':>8} {'result MB':>9} "
        f"{'linear s':>8} {'h2 s':>6}  correlation less nested: mean, largest (nested s, one cell type)"
    )
    for n_genes, n_people in SIZES:
        found = measure.report([sys.executable, __file__, "--one", n_genes, n_people, "--some", some])
        if isinstance(found, str):
            print(f"{n_genes:>6,} x {n_people:>5,} {found}")
            continue
        numbers = f"{found['haplotypes']:10.1f} {found['cpu']:10.1f} {found['grown']:8.0f} {found['result']:9.1f} "
        numbers += f"{found['linear']:8.2f} {found['heritability']:6.3f}"
        beside = f"{found['mean']:+.4f}, {found['largest']:.4f} ({found['nested']:.2f})"
        print(f"{n_genes:>6,} x {n_people:>5,} {numbers}  {beside}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--some", type=int, default=12)
    arguments.add_argument("--one", type=int, nargs=2, metavar=("GENES", "PEOPLE"))
    given = arguments.parse_args()
    if given.one:
        measure_one(*given.one, given.some)
    else:
        main(given.some)
