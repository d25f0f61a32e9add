"""What the answers of chapter 5 are tried on: genes, cells, log likelihoods and studies, fresh at every try."""

import anndata
import numpy as np
import pandas as pd

from scomics_lite import zero_inflation

# Mean, dispersion and probability of a structural zero in A and in B. gene2 has so few counts that most of its zeros
# are by chance, whatever pi is; in gene3 the two changes cancel.
SIX_GENES = {
    "gene1": ((8.0, 0.4, 0.25), (8.0, 0.4, 0.55)),
    "gene2": ((0.8, 0.8, 0.2), (0.8, 0.8, 0.6)),
    "gene3": ((6.0, 0.5, 0.3), (12.0, 0.5, 0.65)),
    "gene4": ((5.0, 0.6, 0.25), (5.0, 0.6, 0.25)),
    "gene5": ((8.0, 0.3, 0.3), (8.0, 1.5, 0.3)),
    "gene6": ((6.0, 0.5, 0.4), (10.0, 0.5, 0.4)),
}


def six_genes(seed):
    """Simulate the cells of exercise 5, 500 of A and 500 of B, with ``condition`` and ``size_factor`` in obs."""
    rng = np.random.default_rng(seed)
    s = np.exp(rng.normal(0, 0.4, (1_000, 1)))
    in_a, in_b = (np.array(each).T for each in zip(*SIX_GENES.values(), strict=True))  # (3, genes)
    mu, phi, pi = np.repeat([in_a, in_b], 500, axis=0).transpose(1, 0, 2)  # each (cells, genes)
    obs = pd.DataFrame({"condition": np.repeat(["A", "B"], 500), "size_factor": s[:, 0]})
    obs.index = [f"cell{i}" for i in range(1_000)]
    return anndata.AnnData(zero_inflation.sample(s * mu, phi, pi, rng), obs, pd.DataFrame(index=list(SIX_GENES)))


def genes(rng):
    """Yield (where, mu, phi, pi) of two genes: few structural zeros and small dispersion, many and large."""
    yield "", rng.uniform(2.0, 3.0), rng.uniform(0.3, 0.5), rng.uniform(0.2, 0.4)
    yield "for a noisier gene, ", rng.uniform(3.5, 5.0), rng.uniform(1.6, 2.2), rng.uniform(0.6, 0.75)


def cells(rng, n):
    """Yield (where, counts (n,), mu, phi, pi, size factors (n,)) of such genes in shallow and deep cells."""
    for where, mu, phi, pi in genes(rng):
        s = rng.permutation(np.geomspace(0.2, 4.0, n))
        yield where, zero_inflation.sample(s * mu, phi, pi, rng), mu, phi, pi, s


def likelihood_pairs(rng):
    """Draw (log likelihoods with pi (g,), without (g,)): gains, nothing gained, and a rounding error below nothing."""
    nb = -rng.uniform(300, 900, 40)
    gain = rng.permutation(np.concatenate([rng.exponential(1.5, 24) + 0.05, np.zeros(10), np.full(6, -1e-6)]))
    return nb + gain, nb


def estimates(rng):
    """Yield (where, ln mu, logit pi, covariance (2, 2)) of one group of cells."""
    for where, logit in (("", rng.uniform(-1.5, -0.6)), ("for many structural zeros, ", rng.uniform(0.6, 1.5))):
        sd, together = rng.uniform([0.1, 0.3], [0.2, 0.5]), rng.uniform(0.3, 0.7)
        covariance = np.array([[sd[0] ** 2, together * sd.prod()], [together * sd.prod(), sd[1] ** 2]])
        yield where, rng.uniform(0.5, 2.0), logit, covariance


def donors(rng):
    """Yield (where, counts (cells x genes), donor, treated) of donors with unequal numbers of cells, in any order."""
    for where, number in (("", 4), ("for other donors, ", 6)):
        names = rng.permutation([f"donor{letter}" for letter in "ABCDEFGH"])[: number + 1]
        whose = rng.permutation(np.repeat(names[:number], rng.permutation(np.arange(number) + 5)))
        index = [f"cell{n}" for n in rng.permutation(len(whose))]
        counts = pd.DataFrame(rng.negative_binomial(1, 0.25, (len(whose), 5)), index, [f"gene{n}" for n in range(5)])
        counts += 1 * (counts.to_numpy().sum(axis=1, keepdims=True) == 0)  # a cell without a count has no total
        donor = pd.Series(whose, index)
        if where:  # a donor whose cells were all lost is a level still
            donor = donor.astype(pd.CategoricalDtype(sorted(names)))
        yield where, counts, donor, pd.Series(np.isin(whose, names[: number // 2]), index)


def budgets(rng):
    """Yield (where, mu, phi, tau2, cells, donors): a noisy gene in few cells, and another."""
    yield "", rng.uniform(2.0, 4.0), rng.uniform(0.4, 0.7), rng.uniform(0.15, 0.3), 20, int(rng.integers(4, 7))
    yield "for another gene, ", rng.uniform(4.5, 6.0), rng.uniform(1.5, 2.5), rng.uniform(0.4, 0.6), 7, 9


def experiment(rng):
    """Draw (counts (cells x genes), group (cells,)): B at half the depth of A, some genes silent in one or in both."""
    n, g = 90, 24
    group = rng.permutation(np.repeat(["A", "B"], [50, 40]))
    in_b = group == "B"
    mean = rng.uniform(0.8, 6.0, g) * np.where(in_b[:, None], 0.5 * 2 ** rng.normal(0, 1, g), 1)
    counts = zero_inflation.sample(mean * rng.uniform(0.6, 1.6, (n, 1)), 0.5, 0.3, rng)
    counts[:, 0] = 0
    counts[~in_b, 1], counts[in_b, 2] = 0, 0
    counts[:, 3] = 1 + rng.poisson(3, n)  # at least one gene in every cell
    for rows in (in_b, ~in_b):  # a gene that is silent by chance is one too many
        counts[np.flatnonzero(rows)[0], 4:] += 1
    counts[np.flatnonzero(in_b)[0], 1], counts[np.flatnonzero(~in_b)[0], 2] = 3, 3
    order = rng.permutation(g)
    names = np.array([f"gene{number}" for number in rng.permutation(g)])
    return pd.DataFrame(counts[:, order], [f"cell{i}" for i in range(n)], names), group
