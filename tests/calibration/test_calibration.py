"""Small p-values come as often as theory allows where nothing differs, and false discoveries and wrong signs with them.

Estimated dispersions are compared with a normal distribution as if they were known, which is DESeq2's way: p < 0.01
comes in up to 2% of the unchanged genes. The quasi-likelihood F-test and the moderated t-test know that variances are
estimated, and keep the level. The bounds are the nominal level and what a Student's t makes of it (fixtures/theory.py),
and four standard errors of chance either side; nothing is tuned. benchmarks/calibration.py and sign_errors.py have the
long tables, R's tools beside ours.
"""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from fixtures import theory

from scomics_lite import calibration, differential, simulate
from scomics_lite.empirical_bayes import ash, squeeze_variances

LEVELS = np.array([0.001, 0.01, 0.05, 0.2])
SCATTER = 0.5  # standard deviation of ln phi around the trend, as simulate has it
CASES = [(3, "none"), (5, "none"), (10, "none"), (5, "in the design"), (10, "in the design")]
BATCHES, GENES = 5, 3_000


def experiment(n, batch, rng, changed=0.0):
    """Many reads, so that most genes are well counted; five batches, or pairs, each of which moves 30% of the genes."""
    obs = pd.DataFrame({"condition": ["A"] * n + ["B"] * n})
    if batch != "none":
        obs["batch"] = obs["condition"] if batch == "confounded" else [f"b{i % BATCHES}" for i in range(n)] * 2
    fractions = {"condition": changed, "batch": 0.3} if "batch" in obs else changed
    settings = {"library_sizes": 2e4 * GENES, "dispersion_sd": SCATTER, "rng": rng}
    return simulate.bulk_counts(obs, GENES, changed_fraction=fractions, **settings)


def run(adata, batch="none", method="wald"):
    """Give the table of well-counted genes with a p-value, and which of them differ."""
    small = "~ batch" if batch == "in the design" else "~ 1"
    formula = "~ condition" if small == "~ 1" else "~ batch + condition"
    reduced = {"reduced": small} if method == "lrt" else {}
    contrast = ("condition", "B", "A")
    table = differential.test(adata, formula, contrast, method=method, progress=False, **reduced)
    table = table[(table["baseMean"] > 100) & table["pvalue"].notna()]
    return table, adata.var.loc[table.index, "log2_fold_change[condition=B]"] != 0


def residual_df(n, batch):
    return 2 * n - 2 if batch == "none" else 2 * n - BATCHES - 1


def effective_df(n, batch):
    return theory.effective_df(residual_df(n, batch), SCATTER**2)


@pytest.mark.parametrize("method", ["wald", "lrt"])
@pytest.mark.parametrize(("n", "batch"), CASES)
def test_small_pvalues_of_unchanged_genes(n, batch, method):
    table, _ = run(experiment(n, batch, rng=n), batch, method)
    share = (table["pvalue"].to_numpy()[:, None] < LEVELS).mean(axis=0)
    highest = theory.rejections(LEVELS, effective_df(n, batch))
    assert (share > LEVELS - 4 * theory.binomial_error(LEVELS, len(table))).all()
    assert (share < highest + 4 * theory.binomial_error(highest, len(table))).all()


@pytest.mark.parametrize("method", ["ql", "voom"])
@pytest.mark.parametrize(("n", "batch"), CASES)
def test_tests_that_estimate_variances_keep_the_level(n, batch, method):
    """The scatter of the dispersions is log-normal and not their prior's, which changes next to nothing."""
    table, _ = run(experiment(n, batch, rng=n), batch, method)
    share = (table["pvalue"].to_numpy()[:, None] < LEVELS).mean(axis=0)
    expected = theory.moderated_rejections(LEVELS, residual_df(n, batch), SCATTER**2)
    assert (np.abs(share - expected) < 4 * theory.binomial_error(expected, len(table))).all()


@pytest.mark.parametrize("method", ["ql", "voom"])
@pytest.mark.parametrize(("n", "batch"), CASES)
def test_their_false_discoveries_keep_the_rate(n, batch, method):
    table, changed = run(experiment(n, batch, rng=n, changed=0.1), batch, method)
    for level in (0.05, 0.1):
        called = table["padj"] < level
        assert called.sum() > 20
        assert (called & ~changed).sum() / called.sum() < level + 4 * theory.binomial_error(level, called.sum())


@pytest.mark.parametrize(("n", "batch"), CASES)
def test_false_discoveries(n, batch):
    """At the p-value where calls end, false ones are as many more than planned as p-values that small are."""
    table, changed = run(experiment(n, batch, rng=n, changed=0.1), batch)
    for level in (0.05, 0.1):
        called = table["padj"] < level
        end = table.loc[called, "pvalue"].max()
        highest = level * theory.rejections(end, effective_df(n, batch)) / end
        error = theory.binomial_error(min(highest, 0.5), called.sum())
        assert called.sum() > 20
        assert (called & ~changed).sum() / called.sum() < highest + 4 * error


def test_a_balanced_batch_left_out_costs_power_and_makes_no_false_calls():
    """The batch cancels in the difference, but its variance is taken for that between replicates."""
    adata = experiment(5, "left out", rng=5, changed=0.1)
    without, changed = run(adata)
    within, found = run(adata, "in the design")
    moved = (adata.var.loc[without.index].filter(like="[batch=") != 0).any(axis=1)
    pvalues = without.loc[moved & ~changed, "pvalue"].to_numpy()
    error = theory.binomial_error(LEVELS, len(pvalues))
    share = (pvalues[:, None] < LEVELS).mean(axis=0)
    assert (share < LEVELS + 4 * error).all()
    assert share[-1] < LEVELS[-1] - 4 * error[-1]
    assert (without["padj"] < 0.1)[changed].sum() < (within["padj"] < 0.1)[found].sum()


def test_a_confounded_batch_is_taken_for_the_condition():
    """Genes that only the batch moves are called as often as genes that only the condition changes: nothing tells."""
    adata = experiment(5, "confounded", rng=5, changed=0.3)
    table, changed = run(adata)
    moved = adata.var.loc[table.index, "log2_fold_change[batch=B]"] != 0
    called = table["padj"] < 0.1
    by_batch, by_condition = called[moved & ~changed], called[changed & ~moved]
    assert by_condition.mean() > 0.5
    error = np.hypot(*(theory.binomial_error(genes.mean(), len(genes)) for genes in (by_batch, by_condition)))
    assert abs(by_batch.mean() - by_condition.mean()) < 4 * error


# --- local false sign rates -------------------------------------------------------------------------------------------


def excess_errors(results, method):
    """Give the number of wrong signs less the number claimed, in standard errors of chance, for lfsr below 1/2."""
    claimed = results[(results["method"] == method) & (results["lfsr"] < 0.5)]
    wrong = (np.sign(claimed["estimate"]) != np.sign(claimed["truth"])) | (claimed["truth"] == 0)
    assert len(claimed) > 500
    return (wrong.sum() - claimed["lfsr"].sum()) / np.sqrt((claimed["lfsr"] * (1 - claimed["lfsr"])).sum())


def test_errors_that_are_estimated_need_squeezed_variances_and_t():
    """Four degrees of freedom: only a posterior that knows both lets errors come as often as it says.

    Given an estimate s of the standard error, b is t distributed on d + d0 degrees of freedom around beta with the
    squeezed s, and not on d with s itself (Lu and Stephens 2019): genes whose s is small by chance are not precise.
    """

    def draw(rng):
        truth = np.where(rng.random(5_000) < 0.5, 0.0, rng.normal(0, 1.5, 5_000))
        s = 0.5 * np.sqrt(8 / rng.chisquare(8, 5_000))
        return (rng.normal(truth, s), s * np.sqrt(rng.chisquare(4, 5_000) / 4)), truth

    def analyse(data):
        b, s = data
        squeezed = squeeze_variances(s**2, 4)
        error, df = np.sqrt(squeezed.posterior), squeezed.total_df.min()
        return {"s, t": ash(b, s, df=4), "squeezed, normal": ash(b, error), "squeezed, t": ash(b, error, df=df)}

    results = calibration.study(draw, analyse, sets=2, rng=1, progress=False)
    assert excess_errors(results, "squeezed, t") < 4
    assert excess_errors(results, "squeezed, normal") > 4
    assert excess_errors(results, "s, t") > 4


@pytest.mark.parametrize("n", [3, 5, 10])
def test_signs_from_counts(n):
    """Shrunken by the errors and degrees of freedom of a moderated test, signs are as sure as they say.

    Normal errors with the same standard deviations are too sure, the fewer samples the more.
    """
    settings = {"changed_fraction": 0.3, "log2_fold_change": 0.0, "log2_fold_change_sd": 1.0}

    def draw(rng):
        return simulate.bulk_counts(["A"] * n + ["B"] * n, GENES, rng=rng, **settings)

    def analyse(adata):
        run = partial(differential.test, adata, "~ condition", ("condition", "B", "A"), shrink="ash", progress=False)
        tables = {method: run(method=method) for method in ("ql", "voom")}
        by_normal = {f"{name}, normal": ash(t["log2FoldChange"], t["lfcSE"]) for name, t in tables.items()}
        return tables | by_normal

    results = calibration.study(draw, analyse, sets=2, rng=n, progress=False)
    least = {3: 4, 5: 4, 10: 0}[n]
    for method in ("ql", "voom"):
        assert excess_errors(results, method) < 4
        assert excess_errors(results, f"{method}, normal") > excess_errors(results, method) + least
