"""Does phi say how much a polygenic trait inflates z²? ``python benchmarks/phi.py``.

The 574 x 1,001 genotypes of susie_n3 are taken as a whole population: people and panels are drawn from them with
replacement, so that its LD is known. Ten genes, each with 8 SNPs in a window of 60. Effects of standardised SNPs are
normal with variance h² / M. Three tables; ``--tables`` chooses.

"expected": for every gene, phi of the population, the expectation 1 + N h² phi, and the mean z² of 10,000 simulated
traits with its standard error. "people": N people are drawn, with a phenotype each, and z = sqrt(N) r, for traits with
h² = 0.1 in 500 people and in 5,000. "summary": z = sqrt(N) r(T, X)' b + noise with the correlations of the genes, for
N h² = 2,000, as a GWAS of 400,000 people has where the region holds 0.5 % of the variance.

"panels": phi from panels of n people drawn from the population, over phi of the population, in percent; mean of squared
correlations as they are ("r²") and with their bias taken off (`twas.phi`); and the standard deviation over panels of
phi of a gene that is correlated with no SNP, beside the formula sqrt(2 / M_e) / n with M_e = 1 / mean of r² over pairs
of SNPs.

"calibration": in percent, p < 0.05 and p < 0.001 of genes under a polygenic trait to which no gene is special,
uncorrected and after `twas.correct_zscores` with phi from a panel of 574; standard errors are over traits. The
correction makes the variance of z right, and z is normal if many SNPs have effects: with 1 % of the SNPs (10 of 1,001)
it is not.
"""

import argparse

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite import datasets
from scomics_lite.twas import PredictionModel, correct_zscores, phi

GENES, SNPS, WINDOW = 10, 8, 60
REGIMES = {
    "people, N h² = 50": (500, 0.1),
    "people, N h² = 500": (5_000, 0.1),
    "summary, N h² = 2,000": (400_000, 0.005),
}
TRAITS = 10_000
LEVELS = (0.05, 0.001)
BATCH = 1_000  # traits at a time


def population():
    """Give dosages, people x SNPs, from 0 up."""
    centred = datasets.load("susie_n3").X
    return centred - centred.min(axis=0)


def drawn_model(rng, m):
    """Draw the weights of genes at even distances."""
    starts = np.linspace(0, m - WINDOW, GENES).astype(int)
    snps = np.concatenate([first + rng.choice(WINDOW, SNPS, replace=False) for first in starts])
    genes = np.repeat([f"gene {g + 1}" for g in range(GENES)], SNPS)
    weights = pd.DataFrame({"rsid": [f"rs{j}" for j in snps], "gene": genes, "weight": rng.standard_normal(len(snps))})
    return PredictionModel(weights.assign(ref_allele="A", eff_allele="G")), snps


def named(dosages):
    return pd.DataFrame(dosages, columns=[f"rs{j}" for j in range(dosages.shape[1])])


def standardised(matrix):
    return (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)


def predicted(dosages, model, snps):
    """Give the predicted expression, people x genes."""
    weights = model.weights["weight"].to_numpy().reshape(GENES, SNPS)
    return np.einsum("igl,gl->ig", dosages[:, snps].reshape(len(dosages), GENES, SNPS), weights)


def drawn_effects(rng, m, h2, traits, share=1.0):
    """Draw effects of standardised SNPs, SNPs x traits, of which a share is not 0."""
    causal = rng.random((m, traits)) < share
    return rng.normal(0, np.sqrt(h2 / (m * share)), (m, traits)) * causal


def zscores_of_people(rng, dosages, expression, n, h2, traits):
    """Simulate z = sqrt(N) r in people drawn from the population, traits x genes."""
    x, found = standardised(dosages), []
    for _ in range(traits // 100):
        people = rng.integers(len(x), size=n)
        genetic = x[people] @ drawn_effects(rng, x.shape[1], h2, 100)
        y = standardised(genetic + np.sqrt(1 - h2) * rng.standard_normal(genetic.shape))
        found.append(y.T @ standardised(expression[people]) / np.sqrt(n))
    return np.concatenate(found)


def zscores_of_summary(rng, dosages, expression, n, h2, traits, share=1.0):
    """Simulate z = sqrt(N) r' b + noise, traits x genes."""
    x, t = standardised(dosages), standardised(expression)
    r, root = t.T @ x / len(x), np.linalg.cholesky(t.T @ t / len(t))
    found = []
    for _ in range(traits // BATCH):
        noise = root @ rng.standard_normal((len(root), BATCH))
        found.append((np.sqrt(n) * r @ drawn_effects(rng, x.shape[1], h2, BATCH, share) + noise).T)
    return np.concatenate(found)


def true_phi(dosages, expression):
    """Mean of squared correlations in the population, where nothing is estimated."""
    r = standardised(expression).T @ standardised(dosages) / len(dosages)
    return np.mean(r**2, axis=1)


def heading(*columns):
    print("\n|", " | ".join(columns), "|\n" + "|---" * len(columns) + "|")


def expected(rng, dosages, model, snps):
    """1 + N h² phi beside the mean z²."""
    expression = predicted(dosages, model, snps)
    phis, columns = true_phi(dosages, expression), []
    for name, (n, h2) in REGIMES.items():
        simulated = zscores_of_people if name.startswith("people") else zscores_of_summary
        z2 = simulated(rng, dosages, expression, n, h2, TRAITS) ** 2
        columns.append((1 + n * h2 * phis, z2.mean(axis=0), z2.std(axis=0) / np.sqrt(len(z2))))
    heading("gene", "phi", *(f"{name}: {what}" for name in REGIMES for what in ("1 + N h² phi", "mean z²")))
    for g in range(GENES):
        cells = (f"{formula[g]:.2f} | {mean[g]:.2f} ± {error[g]:.2f}" for formula, mean, error in columns)
        print(f"| {g + 1} | {phis[g]:.4f} | {' | '.join(cells)} |")
    ratios = np.array([mean / formula for formula, mean, _ in columns])
    print(f"\nmean z² over its expectation: {ratios.min():.3f} to {ratios.max():.3f}, on average {ratios.mean():.3f}")


def panels(rng, dosages, model, snps):
    """Estimate phi from panels of few people."""
    truth, x = true_phi(dosages, predicted(dosages, model, snps)), standardised(dosages)
    independent = 1 / np.mean((x.T @ x / len(x)) ** 2)
    heading("people", "r²", "phi", "standard deviation of phi, gene 1", "of a gene of phi 0", "formula")
    for n in (100, 300, 1_000):
        found, none = [], []
        for _ in range(100):
            people = dosages[rng.integers(len(dosages), size=n)]
            found.append(phi(named(people), model).to_numpy())
            r2 = np.mean(
                (standardised(rng.standard_normal(n)) @ standardised(people[:, np.ptp(people, axis=0) > 0]) / n) ** 2
            )
            none.append(r2 - (1 - r2) / (n - 2))
        found = np.array(found)
        raw = (found * (n - 2) + 1) / (n - 1)
        percent = [100 * (kind / truth).mean(axis=1) for kind in (raw, found)]
        cells = (f"{one.mean():.1f} ± {one.std() / np.sqrt(len(one)):.1f}" for one in percent)
        formula = np.sqrt(2 / independent) / n
        print(f"| {n} | {' | '.join(cells)} | {found[:, 0].std():.1e} | {np.std(none):.1e} | {formula:.1e} |")


def calibration(rng, dosages, model, snps):
    """Shares of small p-values, uncorrected and corrected."""
    expression = predicted(dosages, model, snps)
    from_panel = phi(named(dosages[rng.integers(len(dosages), size=574)]), model).to_numpy()
    heading(
        "SNPs with effects", "N h²", *(f"{kind}, p < {level}" for kind in ("as it is", "corrected") for level in LEVELS)
    )
    for share in (1.0, 0.1, 0.01):
        for nh2 in (20, 200, 2_000):
            z = zscores_of_summary(rng, dosages, expression, 400_000, nh2 / 400_000, 20_000, share)
            corrected = z / np.sqrt(1 + np.maximum(from_panel, 0) * nh2)
            assert np.allclose(corrected[0], correct_zscores(z[0], from_panel, 400_000, nh2 / 400_000))
            cells = []
            for kind in (z, corrected):
                p = 2 * stats.norm.sf(np.abs(kind))
                for level in LEVELS:
                    by_trait = 100 * (p < level).mean(axis=1)
                    cells.append(f"{by_trait.mean():.2f} ± {by_trait.std() / np.sqrt(len(by_trait)):.2f}")
            print(f"| {share:.0%} | {nh2:,} | {' | '.join(cells)} |")


TABLES = {"expected": expected, "panels": panels, "calibration": calibration}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    asked = parser.parse_args().tables
    dosages = population()
    model, snps = drawn_model(np.random.default_rng(1), dosages.shape[1])
    print(f"{dosages.shape[0]} x {dosages.shape[1]} genotypes; numpy {np.__version__}")
    for place, name in enumerate(asked):
        TABLES[name](np.random.default_rng([2, place]), dosages, model, snps)


if __name__ == "__main__":
    main()
