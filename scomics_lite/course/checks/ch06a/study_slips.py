"""The usual slips in exercises 5 and 6 of chapter 6a: wrong numbers beside the sentence that names them.

As in `ch01_slips`: sentence → list of wrong results. Those of exercise 4, about letters, stand with its check.
"""

from itertools import product

import numpy as np

# --- 4: alleles -------------------------------------------------------------------------------------------------------


def with_wrong_partners(gwas, model):
    """List the z-scores that come out where A was paired with C or G, with and without the right palindromic ones."""
    g = gwas.set_index("snp").reindex(model["rsid"])
    ours, theirs = (
        (file[ref].str.upper() + file[eff].str.upper()).to_numpy(dtype=object)
        for file, ref, eff in ((model, "ref_allele", "eff_allele"), (g, "non_effect_allele", "effect_allele"))
    )
    palindromic = np.isin(ours.astype(str), ["AT", "TA", "CG", "GC"])
    turned = np.array([pair[::-1] for pair in ours], dtype=object)
    results = []
    for partners in ("CATG", "GTAC"):
        strand = [pair.translate(str.maketrans("ACGT", partners)) if isinstance(pair, str) else pair for pair in theirs]
        same, swapped = ((pairs == theirs) | (pairs == strand) for pairs in (ours, turned))
        for is_same, is_swapped in ((same & ~swapped, swapped & ~same), (same & ~palindromic, swapped & ~palindromic)):
            results.append(np.select([is_same, is_swapped], [1.0, -1.0], np.nan) * g["zscore"].to_numpy())
    return results


# --- 5: phi -----------------------------------------------------------------------------------------------------------


def phi(T, X):
    """Compute the right phi."""
    r2 = correlations(T, X) ** 2
    return np.mean(r2 - (1 - r2) / (len(T) - 2))


def correlations(T, X):
    """Correlate a prediction (n,) with each SNP (n, m) that varies."""
    X = X[:, X.std(axis=0) > 0]
    return (T - T.mean()) @ (X - X.mean(axis=0)) / (len(T) * T.std() * X.std(axis=0))


def phis(T, X):
    """Of phi."""
    n, m, r = len(T), X.shape[1], correlations(T, X)
    right, r2 = phi(T, X), (r**2).mean()
    kept = X[:, X.std(axis=0) > 0]
    minor = np.minimum(kept.mean(axis=0), 2 - kept.mean(axis=0)) / 2
    covariances = (T - T.mean()) @ (kept - kept.mean(axis=0)) / n
    slips = {
        "is the plain mean of r squared: chance alone gives that 1 / (n - 1) in a panel of n people.": [r2],
        "takes the same from every SNP. What chance adds is (1 - r squared) / (n - 2): less where there is more LD.": [
            r2 - 1 / n,
            r2 - 1 / (n - 1),
            r2 - 1 / (n - 2),
        ],
        "has another number than n - 2 below 1 - r squared. Two numbers were estimated: intercept and slope.": [
            r2 - (1 - r2) / n,
            r2 - (1 - r2) / (n - 1),
            r2 - (1 - r2) / (n - 3),
        ],
        "adds what chance gives; it has to be taken away.": [r2 + (1 - r2) / (n - 2)],
        "is a sum over SNPs: their mean was asked for.": [right * len(r), r2 * len(r)],
        "averages correlations before it squares them. Signs cancel then, and they say nothing here.": [r.mean() ** 2],
        "averages correlations that are not squared.": [
            r.mean(),
            np.abs(r).mean(),
            *((one - (1 - part) / (n - 2)).mean() for one in (r, np.abs(r)) for part in (one, r**2)),
        ],
        "leaves out SNPs with a rare allele. All SNPs count that vary in the panel.": [
            phi(T, kept[:, frequent]) for frequent in (minor >= limit for limit in (0.01, 0.02, 0.05))
        ],
        "has covariances in place of correlations.": [
            (covariances**2).mean(),
            ((covariances * n / (n - 1)) ** 2).mean(),
        ],
        "cuts off each SNP at 0. Chance goes both ways, and without the low ones the mean is too large.": [
            np.maximum(r**2 - (1 - r**2) / (n - 2), 0).mean()
        ],
        "is a root. Squared correlations add to the expected square of z.": [np.sqrt(r2)],
    }
    if len(r) < m:
        slips["counts SNPs that do not vary, as if they were correlated with nothing. They cannot carry an effect."] = [
            right * len(r) / m,
            (right * len(r) - (m - len(r)) / (n - 2)) / m,
            r2 * len(r) / m,
        ]
    return slips


def inflations(phi, n, h2):
    """Of the expected square of z, for positive phi."""
    right = 1 + phi * n * h2
    return {
        "lacks the 1: without any effect z squared is 1 on average.": [right - 1],
        "lacks the heritability.": [1 + phi * n],
        "lacks the number of people.": [1 + phi * h2],
        "is what a z-score is divided by: the root. The expected square was asked for.": [np.sqrt(right)],
        "divides by the heritability.": [1 + phi * n / h2],
        "squares the heritability. It is a share of a variance already.": [1 + phi * n * h2**2],
        "squares phi. It is a mean of squares already.": [1 + phi**2 * n * h2],
        "has the root of the number of people. What chance adds is 1 whatever n is, and what effects add grows "
        "with n itself.": [1 + phi * np.sqrt(n) * h2],
        "is the reciprocal: that of a GWAS with effects is larger than 1.": [1 / right],
    }


# --- 6: repair --------------------------------------------------------------------------------------------------------

LETTERS = "takes z-scores as they are written, whichever letter they are for"
CORRELATIONS = "gives correlations where the formula needs covariances"
PANEL = "has the LD of another population than that of the GWAS"


def genes_zscores(gwas, weights, panel, population):
    """Compute the right z-score of every gene, (g,)."""
    return _scan(gwas, weights, _people(panel, [population]), turned=_turned(gwas, weights))


def repairs(gwas, weights, panel, population):
    """Of the z-scores of all genes: every mixture of the three faults, and repairs that go wrong."""
    signs, written = _turned(gwas, weights), np.ones(len(weights))
    sizes = panel.obs["population"].value_counts()
    here, whole = _people(panel, [population]), panel
    theirs = _people(panel, [sizes.idxmax()])
    slips = {}
    for letters, correlations, other in product((False, True), repeat=3):
        faults = [name for name, on in ((LETTERS, letters), (CORRELATIONS, correlations), (PANEL, other)) if on]
        if not faults:
            continue
        z = _scan(gwas, weights, theirs if other else here, turned=written if letters else signs, R=correlations)
        slips[_joined(faults)] = [z]
    if len(sizes) > 2:
        slips[_joined([PANEL])] += [
            _scan(gwas, weights, _people(panel, [name]), turned=signs) for name in sizes.index[1:] if name != population
        ]
    slips |= {
        "takes the people of all populations together. Their mixture has LD of its own, between SNPs whose frequencies "
        "differ.": [_scan(gwas, weights, whole, turned=signs)],
        "turns the signs of the SNPs that should be left, and leaves those that should be turned.": [
            _scan(gwas, weights, here, turned=-signs)
        ],
        "turns the weights, but the panel still counts the model's allele: turn z.": [
            _scan(gwas, weights.assign(weight=weights["weight"] * signs), here, turned=written)
        ],
        "has lost the SNPs that the GWAS reports for the other letter. They can be turned.": [
            _scan(gwas, weights, here, turned=np.where(signs < 0, 0, 1)),
            _scan(gwas, weights[signs > 0], here, turned=signs[signs > 0]),
        ],
        "takes covariances in sigma_g, and no sigma_l in the sum.": [
            _scan(gwas, weights, here, turned=signs, scale=lambda S: np.ones(len(S)))
        ],
        "has variances where sigma_l stands, which is their root.": [
            _scan(gwas, weights, here, turned=signs, scale=np.diag)
        ],
        "takes correlations in sigma_g, and sigma_l in the sum.": [
            _scan(gwas, weights, here, turned=signs, scale=_roots, R=True)
        ],
    }
    return slips


def _joined(faults):
    return f"{'; it '.join(faults)}."


def _people(panel, names):
    return panel[panel.obs["population"].isin(names)]


def _turned(gwas, weights):
    """1 where the GWAS tells the effect of the model's effect allele, -1 where that of the other one."""
    effect = gwas.set_index("snp")["effect_allele"].loc[weights["rsid"]].to_numpy()
    return np.where(effect == weights["eff_allele"].to_numpy(), 1.0, -1.0)


def _scan(gwas, weights, people, *, turned, R=False, scale=None):
    z = gwas.set_index("snp")["zscore"].loc[weights["rsid"]].to_numpy() * turned
    w, gene = weights["weight"].to_numpy(), weights["gene"].to_numpy()
    X = people.X[:, people.var_names.get_indexer(weights["rsid"])].astype(float)
    result = []
    for name in dict.fromkeys(gene):
        rows = gene == name
        S = np.atleast_2d((np.corrcoef if R else np.cov)(X[:, rows].T))
        sd = _roots(S) if scale is None else scale(np.cov(X[:, rows].T))
        result.append((w[rows] * sd * z[rows]).sum() / np.sqrt(w[rows] @ S @ w[rows]))
    return np.array(result)


def _roots(S):
    return np.sqrt(np.diag(S))
