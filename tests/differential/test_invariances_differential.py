"""What must not matter to a table of genes, what must turn its signs, and what samples counted twice are worth.

Orders and codings of plain matrices are in test_glm.py, test_dispersion.py and test_design.py.
"""

import anndata
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from scomics_lite import differential, dispersion, glm, simulate
from scomics_lite.design import design_matrix, group_mean

NUMBERS = ["log2FoldChange", "lfcSE", "stat", "pvalue"]
AB = ("condition", "B", "A")
OBS = pd.DataFrame({"batch": list("xxyy") * 2, "condition": list("AAAABBBB")})
EXACT = {"ridge": 0, "min_mean": 0, "tolerance": 0}  # the maximum of the likelihood, without DESeq2's short cuts
ADATA = simulate.bulk_counts(OBS, 300, changed_fraction=0.2, library_sizes=3e5, rng=4)

few = settings(max_examples=5, deadline=None)
some = settings(max_examples=15, deadline=None)


def run(adata, formula="~ batch + condition", contrast=AB, **settings):
    return differential.test(adata, formula, contrast, progress=False, **settings)


@pytest.fixture(scope="module")
def table():
    return run(ADATA)


def with_obs(**columns):
    return anndata.AnnData(ADATA.X, obs=ADATA.obs.assign(**columns), var=ADATA.var)


def assert_same_answers(other, table, sign=1, share=0.99):
    """Compare in standard errors; a gene whose climb to its dispersion turned on a last digit is let pass.

    Genes without a count in one group are left out: the ridge holds them, and it holds the coefficients of a coding.
    """
    genes = (table["lfcSE"] < 2).to_numpy()
    other, table = other[genes], table[genes]
    assert genes.sum() > 200
    off = (other["log2FoldChange"] - sign * table["log2FoldChange"]).abs() / table["lfcSE"]
    assert (off < 1e-3).mean() >= share
    assert ((other["lfcSE"] / table["lfcSE"] - 1).abs() < 1e-3).mean() >= share
    assert ((other["pvalue"] - table["pvalue"]).abs().fillna(0) < 1e-3).mean() >= share
    assert (other["status"] == table["status"]).mean() >= share


# --- what must not matter ---------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 1_000), method=st.sampled_from(["wald", "lrt"]))
@few
def test_order_of_samples_and_genes_with_a_batch(table, seed, method):
    more = {"method": "lrt", "reduced": "~ batch"} if method == "lrt" else {}
    expected = run(ADATA, **more) if more else table
    rng = np.random.default_rng(seed)
    other = run(ADATA[rng.permutation(ADATA.n_obs), rng.permutation(ADATA.n_vars)].copy(), **more)
    other = other.loc[expected.index]
    assert_same_answers(other, expected)
    assert ((other["padj"] - expected["padj"]).abs().fillna(0) < 1e-3).mean() >= 0.99


@given(names=st.lists(st.text("aB1 +-.:*[]()~é", min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
@some
def test_names_of_levels(table, names):
    renamed = ADATA.obs["condition"].cat.rename_categories(names)
    other = run(with_obs(condition=renamed), contrast=("condition", names[1], names[0]))
    pd.testing.assert_frame_equal(other, table)


def test_the_level_that_is_the_reference(table):
    """The question is the same in either coding; the coefficient itself turns its sign."""
    turned = with_obs(condition=ADATA.obs["condition"].cat.reorder_categories(["B", "A"]))
    assert_same_answers(run(turned), table)
    assert_same_answers(run(turned, contrast="condition[A]"), table, sign=-1)


@pytest.mark.parametrize(
    ("formula", "contrast"),
    [
        ("~ condition + batch", AB),
        ("~ 0 + condition + batch", "condition[B] - condition[A]"),
        ("~ C(batch, contr.sum) + condition", AB),
        ("~ C(batch, contr.helmert) + condition", AB),
    ],
)
def test_codings_of_the_same_model(table, formula, contrast):
    assert_same_answers(run(ADATA, formula, contrast), table)


@pytest.mark.parametrize("unit", [1e-12, 1e6, 1e12, 1e18])
@pytest.mark.parametrize("method", ["wald", "ql", "voom"])
def test_the_unit_of_a_covariate(method, unit):
    """A concentration in mol/L, a date in nanoseconds.

    The ridge of wald has a unit of its own: small covariates are warned of, and scaled as the warning says.
    """
    formula = "~ scale(x) + condition" if method == "wald" and unit < 1 else "~ x + condition"
    x = np.random.default_rng(5).normal(size=8) + 3
    one, other = (run(with_obs(x=x * size), formula, method=method) for size in (1, unit))
    pd.testing.assert_frame_equal(other[NUMBERS], one[NUMBERS], rtol=1e-4, atol=1e-5)
    assert (other["status"] == one["status"]).all()


def test_a_difference_of_differences_in_three_codings():
    crossed = with_obs(cell=pd.Categorical(OBS["batch"] + OBS["condition"]).astype(str))
    design = design_matrix(crossed.obs, "~ batch * condition")
    means = {f"{b}{c}": group_mean(design, crossed.obs, batch=b, condition=c) for b in ("x", "y") for c in ("A", "B")}
    by_coefficient = run(crossed, "~ batch * condition", "batch[y]:condition[B]")
    by_means = run(crossed, "~ batch * condition", means["yB"] - means["yA"] - means["xB"] + means["xA"])
    pd.testing.assert_frame_equal(by_means, by_coefficient)
    by_cells = run(crossed, "~ 0 + cell", "cell[yB] - cell[yA] - cell[xB] + cell[xA]")
    assert_same_answers(by_cells, by_coefficient)


@given(places=st.lists(st.integers(0, ADATA.n_vars), min_size=1, max_size=30))
@few
def test_genes_without_a_count(table, places):
    """All stays but the filtering: its steps are shares of all genes, as in DESeq2."""
    counts = np.insert(ADATA.X, places, 0, axis=1)
    names = np.insert(ADATA.var_names.to_numpy().astype(object), places, [f"empty{i}" for i in range(len(places))])
    other = run(anndata.AnnData(counts, obs=ADATA.obs, var=pd.DataFrame(index=names)))
    assert (other.loc[other.index.str.startswith("empty"), "status"] == "all zero").all()
    pd.testing.assert_frame_equal(other.loc[table.index, NUMBERS], table[NUMBERS], rtol=1e-8)


# --- samples counted twice --------------------------------------------------------------------------------------------

RNG = np.random.default_rng(8)
DESIGN = np.column_stack([np.ones(8), np.arange(8) >= 4, np.linspace(-1, 1, 8)]).astype(float)
SIZE_FACTORS = RNG.lognormal(0, 0.3, 8)
COUNTS = RNG.poisson(RNG.gamma(5, SIZE_FACTORS[:, None] * RNG.lognormal(3, 1, 12) / 5))


@given(weights=st.lists(st.integers(1, 4), min_size=8, max_size=8))
@some
def test_copies_of_a_sample_are_its_weight_in_the_likelihood(weights):
    """With the dispersion given, a sample that stands there w times counts w times, as statsmodels's weights do."""
    copies = np.repeat(np.arange(8), weights)
    fit = glm.fit(COUNTS[copies], DESIGN[copies], SIZE_FACTORS[copies], 0.2, **EXACT)
    for gene in range(3):
        family = sm.families.NegativeBinomial(alpha=0.2)
        model = sm.GLM(COUNTS[:, gene], DESIGN, family, offset=np.log(SIZE_FACTORS), freq_weights=np.array(weights))
        weighted = model.fit(tol=1e-12, tol_criterion="params", maxiter=200, scale=1)
        np.testing.assert_allclose(fit.coefficients[gene], weighted.params, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(fit.covariance[gene], weighted.cov_params(), rtol=1e-5, atol=1e-10)


@given(share=st.floats(0.1, 0.9), seed=st.integers(0, 99))
@some
def test_poisson_counts_of_two_runs_may_be_added(share, seed):
    """Of a library read twice the sum says all there is: the same coefficients, the same errors."""
    first = np.random.default_rng(seed).binomial(COUNTS, share)
    both = np.vstack([first, COUNTS - first])
    s = np.concatenate([share * SIZE_FACTORS, (1 - share) * SIZE_FACTORS])
    added = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, 0.0, **EXACT)
    apart = glm.fit(both, np.vstack([DESIGN, DESIGN]), s, 0.0, **EXACT)
    np.testing.assert_allclose(apart.coefficients, added.coefficients, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(apart.covariance, added.covariance, rtol=1e-5)


@pytest.mark.parametrize("phi", [0.05, 0.5])
def test_runs_of_a_library_are_no_replicates(phi):
    """Taken for samples, two runs pretend that the variation between samples was seen twice.

    In a group of n with mean m the variance of the log mean is (1 / m + phi) / n; of 2 n halves it is
    (1 / m + phi / 2) / n: only the half that belongs to the counts was measured twice.
    """
    counts = 2 * COUNTS  # even, to be dealt out in halves
    groups = np.column_stack([np.arange(8) < 4, np.arange(8) >= 4]).astype(float)
    added = glm.fit(counts, groups, np.ones(8), phi, **EXACT)
    halves = np.vstack([COUNTS, COUNTS]), np.vstack([groups, groups]), np.full(16, 0.5)
    apart = glm.fit(*halves, phi, **EXACT)
    np.testing.assert_allclose(apart.coefficients, added.coefficients, rtol=1e-8)
    mean = np.column_stack([counts[:4].mean(axis=0), counts[4:].mean(axis=0)])
    for fit, part in ((added, 1), (apart, 0.5)):
        variances = np.einsum("gaa->ga", fit.covariance)
        np.testing.assert_allclose(variances, (1 / mean + part * phi) / 4, rtol=1e-7)


def test_every_sample_twice_moves_the_adjusted_dispersion_towards_the_plain_one():
    """The likelihood doubles and keeps its maximum; Cox and Reid's term stays, and weighs half as much."""
    mean = glm.fit(COUNTS, DESIGN, SIZE_FACTORS, 0.2).mean
    twice = [np.vstack([part, part]) for part in (COUNTS, mean, DESIGN)]
    plain, adjusted = (dispersion.maximum_likelihood(COUNTS, mean, DESIGN, cox_reid=on) for on in (False, True))
    again, again_adjusted = (dispersion.maximum_likelihood(*twice, cox_reid=on) for on in (False, True))
    clear = plain > 1e-3
    assert clear.sum() > 5
    np.testing.assert_allclose(again[clear], plain[clear], rtol=1e-5)
    assert ((plain < again_adjusted) & (again_adjusted < adjusted))[clear].all()


# --- the unit of the size factors -------------------------------------------------------------------------------------


@given(factor=st.floats(0.1, 10))
@some
def test_the_unit_of_the_size_factors(factor):
    """Means have it, exact dispersions and tests have not.

    `dispersion.estimate` does not promise as much: its start, DESeq2's, takes the variance of a normalized count for
    its mean, which is right where size factors are near one.
    """
    fits, exact = [], []
    for unit in (1, factor):
        fit = glm.fit(COUNTS, DESIGN, unit * SIZE_FACTORS, 0.2, **EXACT)
        exact.append(dispersion.maximum_likelihood(COUNTS, fit.mean, DESIGN))
        fits.append(glm.fit(COUNTS, DESIGN, unit * SIZE_FACTORS, exact[-1], **EXACT))
    np.testing.assert_allclose(fits[1].base_mean * factor, fits[0].base_mean, rtol=1e-12)
    np.testing.assert_allclose(exact[1], exact[0], rtol=1e-5, atol=1e-7)
    tables = [glm.wald_test(fit, [0, 1, 0])[NUMBERS] for fit in fits]
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-4, atol=1e-6)
