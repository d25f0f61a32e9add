"""Does a path that ends behind the smallest error choose the same penalty? ``python benchmarks/path_ends.py``.

`twas.fit_elastic_net` stops as soon as the cross-validated error of five penalties in a row has been more than a
standard error above the smallest. Here simulated genes are fitted so, and again with all 100 penalties, on the same
folds: 100 to 300 people with haplotypes of a simulated population (`simulate.genotypes`), SNPs that are neighbours on a
chromosome, and expression without effects, with two or three, or with an effect of every other SNP.

The table: how many genes choose the same penalty; by how much of itself the error at the chosen penalty is above that
of the whole path where they do not; and how many penalties were needed, beside those of the whole path.
"""

import argparse
import warnings
from itertools import product

import numpy as np

from scomics_lite import simulate, twas

KINDS = {"none": (0, 0.0), "two, h2 0.3": (2, 0.3), "three, h2 0.06": (3, 0.06), "every other, h2 0.3": (None, 0.3)}
SIZES = ((100, 300), (250, 400), (300, 100), (150, 60))  # people and SNPs
MIXING = (0.5, 1.0, 0.1, 0.0)


def gene(dosages, n, p, effects, h2, rng):
    """Draw people, a stretch of SNPs and the expression of one gene."""
    start = rng.integers(dosages.shape[1] - 2 * p)
    x = dosages.iloc[rng.choice(len(dosages), n, replace=False), start : start + 2 * p]
    x = x.loc[:, x.std() > 0.1].iloc[:, :p]
    noise = rng.normal(size=n)
    if effects == 0:
        return x, noise
    causal = rng.choice(x.shape[1], effects or x.shape[1] // 2, replace=False)
    genetic = x.to_numpy()[:, causal] @ rng.normal(size=len(causal))
    return x, np.sqrt(h2) * (genetic - genetic.mean()) / genetic.std() + np.sqrt(1 - h2) * noise


def compare(x, y, mixing, seed):
    """Give the share of error lost, and the lengths of the path and the whole path."""
    fit = twas.fit_elastic_net(x, y, mixing=mixing, rng=seed)
    ratio = 1e-2 if len(x) < x.shape[1] else 1e-4
    lambdas = fit.path["lambda"][0] * ratio ** (np.arange(100) / 99)
    whole = twas.fit_elastic_net(x, y, mixing=mixing, rng=seed, lambdas=lambdas)
    return fit.path["error"].min() / whole.path["error"].min() - 1, len(fit.path), len(whole.path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=4, help="genes of a kind and size")
    repeats = parser.parse_args().repeats
    dosages = simulate.genotypes(450, 12_000, spacing=500, rng=5).to_df()
    print(
        "| effects | mixing | genes | same penalty | error lost, at most | penalties | of |", "|---" * 7 + "|", sep="\n"
    )
    for (kind, (effects, h2)), mixing in product(KINDS.items(), MIXING):
        rows = []
        for (n, p), repeat in product(SIZES, range(repeats)):
            rng = np.random.default_rng([n, repeat, list(KINDS).index(kind)])
            rows.append(compare(*gene(dosages, n, p, effects, h2, rng), mixing, repeat))
        lost, length, whole = np.array(rows).T
        counts = f"{len(rows)} | {(lost < 1e-9).sum()} | {max(lost.max(), 0):.1g}"
        print(f"| {kind} | {mixing} | {counts} | {length.mean():.0f} | {whole.mean():.0f} |", flush=True)


if __name__ == "__main__":
    with warnings.catch_warnings(action="error"):
        main()
