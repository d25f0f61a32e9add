"""DESeq2's whole way with a size factor of every sample and gene, on small counts that the repository holds itself.

tests/reference/offsets.R says how the tables were made: four experiments of glm.R with average lengths of transcripts
beside their counts. From the lengths on everything is computed here; only Cook's distances and tests are also compared
at DESeq2's dispersions. Tolerances as in the tests without lengths: 1e-8 for what is computed, 1e-4 for dispersions,
whose climb stops a little before the maximum.
"""

import hashlib
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from fixtures import experiments
from fixtures.makers import FOLDER

from scomics_lite import dispersion, glm, negative_binomial
from scomics_lite.normalization import length_factors

PROVENANCE = json.loads((FOLDER / "offset_provenance.json").read_text())
CASES = list(PROVENANCE["formulas"])


@cache
def table(name, case):
    return pd.read_csv(FOLDER / name, sep="\t").groupby("case").get_group(case)


def results(case):
    return table("offset_results.tsv.gz", case).set_index("gene")


@cache
def experiment(case):
    """Counts, designs (full and reduced), lengths and DESeq2's factors."""
    counts, full, reduced, _ = experiments.experiment(case)
    samples = table("offset_cases.tsv.gz", case)
    lengths, factors = (
        pd.DataFrame([row.split(",") for row in samples[name]], counts.index, counts.columns).astype(float)
        for name in ("lengths", "factors")
    )
    return counts, full, reduced, lengths, factors


@cache
def fitted(case, kind="kept"):
    """Fit at DESeq2's factors and dispersions; "scaled" has those of every third gene doubled."""
    counts, design, _, _, factors = experiment(case)
    scale = np.where((np.arange(len(counts.columns)) % 3 == 0) & (kind == "scaled"), 2, 1)
    return glm.fit(counts, design, factors * scale, results(case)[f"{kind}_final"])


def last(fit):
    return np.eye(fit.design.shape[1])[-1]


def close(ours, theirs, keep=slice(None), rtol=1e-8):
    np.testing.assert_allclose(np.asarray(ours)[keep], np.asarray(theirs)[keep], rtol=rtol, atol=1e-8)


def test_the_tables_are_the_ones_that_were_made():
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("case", CASES)
def test_factors_of_lengths(case):
    counts, _, _, lengths, factors = experiment(case)
    ours = length_factors(counts, lengths)
    pd.testing.assert_frame_equal(ours, factors, rtol=1e-12)


@pytest.mark.parametrize("kind", ["kept", "scaled"])
@pytest.mark.parametrize("case", CASES)
def test_dispersions(case, kind):
    counts, design, _, _, _ = experiment(case)
    theirs, fit = results(case), fitted(case, kind)
    ours = dispersion.estimate(
        counts, design, pd.DataFrame(fit.size_factors, counts.index, counts.columns), trend="mean"
    )
    for ours_name, column in {"genewise": "genewise", "trended": "trended", "map": "map", "final": "final"}.items():
        expected = theirs[f"{kind}_{column}"]
        found = getattr(ours, ours_name)
        assert (np.isnan(found) == expected.isna()).all()
        clear = (expected > 1e-7).to_numpy()
        close(found, expected, clear, rtol=1e-4)
    counted = counts.any().to_numpy()
    close(ours.base_mean, theirs[f"{kind}_base_mean"], counted, rtol=1e-12)


@pytest.mark.parametrize("kind", ["kept", "scaled"])
@pytest.mark.parametrize("case", CASES)
def test_wald(case, kind):
    fit, theirs = fitted(case, kind), results(case)
    keep = fit.status != "refitted"
    assert keep.sum() >= 144
    assert (theirs[f"{kind}_iterations"][~keep] == 100).all()  # DESeq2's mark of the same genes
    ours = glm.wald_test(fit, last(fit))
    columns = dict(zip(ours.columns[:5], ("base_mean", "lfc", "se", "stat", "pvalue"), strict=True))
    for name, column in columns.items():
        close(ours[name], theirs[f"{kind}_{column}"], keep)
    assert (fit.iterations == theirs[f"{kind}_iterations"])[keep & fit.converged].all()


@pytest.mark.parametrize("kind", ["kept", "scaled"])
@pytest.mark.parametrize("case", CASES)
def test_cooks_distances_and_flags(case, kind):
    fit, theirs = fitted(case, kind), results(case)
    keep = fit.status != "refitted"
    close(glm.cooks_distance(fit).max(axis=0), theirs[f"{kind}_max_cooks"], keep)
    flagged = theirs[f"{kind}_pvalue"].notna() & theirs[f"{kind}_pvalue_flagged"].isna()
    assert (glm.flag_outliers(fit) == flagged).all()


def test_wald_after_replacement():
    case = "many_replicates"
    fit, theirs = fitted(case), results(case)
    counts = glm.replace_outliers(fit)
    assert (counts.matrix != fit.counts.matrix).sum() > 10
    again = glm.fit(counts, fit.design, fit.size_factors, theirs["replaced_final"])
    ours = glm.wald_test(again, last(again))
    columns = dict(zip(ours.columns[:5], ("base_mean", "lfc", "se", "stat", "pvalue"), strict=True))
    for name, column in columns.items():
        close(ours[name], theirs[f"replaced_{column}"], np.arange(149))  # the last has lost its only count


def test_dispersions_after_replacement():
    """DESeq2 averages the factors over the replaced genes alone here."""
    case = "many_replicates"
    counts, design, _, _, factors = experiment(case)
    fit, theirs = fitted(case), results(case)
    first = dispersion.estimate(counts, design, factors, trend="mean")
    replaced = glm.replace_outliers(fit)
    genes = np.flatnonzero((replaced.matrix != fit.counts.matrix).any(axis=0) & replaced.matrix.any(axis=0))
    some = pd.DataFrame(replaced.matrix[:, genes], counts.index, counts.columns[genes]).astype(int)
    again = dispersion.estimate(some, design, factors.iloc[:, genes], trend=first)
    for name in ("genewise", "map", "final"):
        expected = theirs[f"replaced_{name}"].iloc[genes]
        close(getattr(again, name), expected, (expected > 1e-7).to_numpy(), rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_likelihood_ratios(case):
    """As without lengths: where no mean is held up at 0.5; DESeq2 takes the mean for a fit of an intercept alone."""
    fit, theirs = fitted(case), results(case)["ratio_stat"].to_numpy()
    reduced = glm.fit(fit.counts, experiment(case)[2], fit.size_factors, fit.dispersions)
    ours = glm.likelihood_ratio_test(fit, reduced)["stat"].to_numpy()
    if reduced.design.shape[1] == 1:
        at_mean = negative_binomial.log_likelihood(fit.counts.matrix, fit.size_factors * fit.base_mean, fit.dispersions)
        ours = 2 * (fit.log_likelihood - at_mean.sum(axis=0))
    held_up = (fit.mean < fit.min_mean).any(axis=0) | (reduced.mean < fit.min_mean).any(axis=0)
    keep = (fit.status != "refitted") & (reduced.status == "converged") & ~held_up
    assert keep.sum() > 100
    close(ours, theirs, keep)
