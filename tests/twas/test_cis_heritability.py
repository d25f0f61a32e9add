"""Cis-heritability: R's mixed models and a direct likelihood say the same; simulated truth is met and covered."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from scomics_lite.twas import cis_heritability
from scomics_lite.twas.linearised.restricted_likelihood import HIGHEST, estimate, restricted_likelihood
from scomics_lite.validation import InputError

REFERENCE = Path(__file__).parents[1] / "reference"
CASES = ["few, 0.3", "few, 0.6", "some, 0.5", "some, 0.8", "many, 0.4", "many, 0.7"]
TABLE = ["h2", "se", "lower", "upper", "pvalue"]


def as_study(matrix, expression, seed=0):
    """One gene, "g0", whose window holds all SNPs."""
    people = pd.DataFrame(index=[f"p{i}" for i in range(len(matrix))])
    snps = pd.DataFrame({"chromosome": "1", "position": np.arange(matrix.shape[1]) + 1})
    snps = snps.assign(ref_allele="A", eff_allele="G").set_index("rs" + snps.index.astype(str))
    genes = pd.DataFrame({"chromosome": ["chr1"], "tss": [5]}, ["g0"])
    return anndata.AnnData(matrix, people, snps), pd.DataFrame({"g0": expression}, people.index), genes


@pytest.fixture(scope="module")
def reference():
    people = pd.read_csv(REFERENCE / "heritability_people.tsv.gz", sep="\t", low_memory=False)
    return people, pd.read_csv(REFERENCE / "heritability_results.tsv.gz", sep="\t", index_col="case")


@pytest.mark.parametrize("case", CASES)
def test_estimates_are_those_of_nlme(reference, case):
    people, results = reference
    mine = people[people["case"] == case].dropna(axis=1).reset_index(drop=True)
    matrix = mine.filter(like="rs").to_numpy(dtype=float)
    dosages, expression, genes = as_study(matrix, mine["y"].to_numpy())
    covariates = mine[["covariate"]].set_axis(dosages.obs_names)
    found = cis_heritability(dosages, expression, genes, covariates=covariates, progress=False).iloc[0]
    row = results.loc[case]
    genetic = row["effects"] * matrix.shape[1]
    assert found["h2"] == pytest.approx(genetic / (genetic + row["rest"]), rel=1e-5)  # as near as nlme converges
    ratio = 2 * (row["loglik"] - row["loglik_null"])
    assert found["pvalue"] == pytest.approx(stats.chi2.sf(ratio, 1) / 2, rel=1e-6)
    assert found["n_snps"] == matrix.shape[1]
    assert found["status"] == "estimated"


def draw_snps(rng, n, m):
    """Standardised dosages with LD between neighbours."""
    shared = rng.normal(size=(2, n, m))
    for j in range(1, m):
        shared[:, :, j] = 0.8 * shared[:, :, j - 1] + 0.6 * shared[:, :, j]
    x = (shared > stats.norm.isf(rng.uniform(0.05, 0.5, m))).sum(axis=0)
    return (x - x.mean(axis=0)) / x.std(axis=0)


def draw_traits(rng, z, h2, k):
    n, m = z.shape
    return z @ rng.normal(0, np.sqrt(h2 / m), (m, k)) + rng.normal(0, np.sqrt(1 - h2), (n, k))


def minus_log_likelihood(variances, y, relatedness, fixed):
    """The restricted likelihood as it is written, with inverses of whole matrices."""
    v = variances[0] * relatedness + variances[1] * np.eye(len(y))
    inverse = np.linalg.inv(v)
    inner = fixed.T @ inverse @ fixed
    p = inverse - inverse @ fixed @ np.linalg.solve(inner, fixed.T @ inverse)
    return 0.5 * (np.linalg.slogdet(v)[1] + np.linalg.slogdet(inner)[1] + y @ p @ y)


@pytest.mark.parametrize(("n", "m", "h2"), [(60, 15, 0.5), (50, 90, 0.6)])
def test_estimates_are_those_of_a_direct_likelihood(n, m, h2):
    rng = np.random.default_rng(m)
    z, fixed = draw_snps(rng, n, m), np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    y = draw_traits(rng, z, h2, 1)[:, 0] + fixed @ [1.0, 2.0, -1.0]
    likelihood = restricted_likelihood(z, y[:, None], fixed)
    found = estimate(likelihood)

    def at(log_variances):
        return minus_log_likelihood(np.exp(log_variances), y, z @ z.T / m, fixed)

    options = {"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000}
    best = optimize.minimize(at, [-1.0, -1.0], method="Nelder-Mead", options=options)
    genetic, rest = np.exp(best.x)
    assert found.h2[0] == pytest.approx(genetic / (genetic + rest), abs=1e-6)

    def profile(h):  # the best total variance at this share, by the direct likelihood
        total = optimize.minimize_scalar(lambda s: at(np.log([h, 1 - h]) + s), bounds=(-5, 5), method="bounded",
                                         options={"xatol": 1e-10})  # fmt: skip
        return total.fun

    for end in (found.lower[0], found.upper[0]):
        if 0 < end < HIGHEST:
            assert profile(end) - best.fun == pytest.approx(stats.chi2.ppf(0.95, 1) / 2, abs=1e-6)
    step = 1e-3
    bend = (profile(found.h2[0] + step) + profile(found.h2[0] - step) - 2 * best.fun) / step**2
    assert found.se[0] == pytest.approx(1 / np.sqrt(bend), rel=1e-3)


def test_slopes_are_those_of_the_likelihood():
    rng = np.random.default_rng(4)
    z = draw_snps(rng, 40, 25)
    likelihood = restricted_likelihood(z, draw_traits(rng, z, 0.4, 3), np.ones((40, 1)))
    h = np.array([[0.05], [0.5], [0.95]]) + np.zeros(3)
    slopes = (likelihood.value(h + 1e-6) - likelihood.value(h - 1e-6)) / 2e-6
    np.testing.assert_allclose(likelihood.slope(h), slopes, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("h2", [0.1, 0.3, 0.6, 0.8])
def test_estimates_are_nearly_unbiased_and_intervals_cover_the_truth(h2):
    rng = np.random.default_rng(int(100 * h2))
    z = draw_snps(rng, 300, 80)
    k = 600
    found = estimate(restricted_likelihood(z, draw_traits(rng, z, h2, k), np.ones((300, 1))))
    # a ratio of two variances: REML makes these unbiased, and of some tens of independent SNPs the ratio 0.01 too low
    assert found.h2.mean() == pytest.approx(h2, abs=0.012)
    covered = ((found.lower <= h2) & (h2 <= found.upper)).mean()
    assert covered == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / k))
    known = np.isfinite(found.se)
    assert found.se[known].mean() == pytest.approx(found.h2.std(), rel=0.1)


def test_without_heritability_half_are_zero_and_p_values_keep_their_level():
    rng = np.random.default_rng(6)
    z = draw_snps(rng, 300, 80)
    found = estimate(restricted_likelihood(z, draw_traits(rng, z, 0, 2000), np.ones((300, 1))))
    assert (found.h2 == 0).mean() == pytest.approx(0.5, abs=0.08)  # of few eigenvalues somewhat more than half
    assert (found.pvalue < 0.05).mean() == pytest.approx(0.05, abs=0.012)
    assert (found.lower == 0).mean() >= 0.95
    assert found.h2.mean() < 0.03
    assert np.isnan(found.se[found.h2 == 0]).all()
    assert (found.pvalue[found.h2 == 0] == 1).all()


def test_what_snps_explain_wholly_is_heritable_wholly():
    rng = np.random.default_rng(7)
    z = draw_snps(rng, 100, 20)
    found = estimate(restricted_likelihood(z, z @ rng.normal(size=(20, 1)), np.ones((100, 1))))
    assert found.h2[0] == HIGHEST == found.upper[0]
    assert found.lower[0] > 0.99
    assert found.pvalue[0] < 1e-20


def test_cell_types_are_rows_and_the_same_as_alone():
    rng = np.random.default_rng(8)
    x = rng.binomial(2, 0.3, (80, 15)).astype(np.int8)
    dosages, first, genes = as_study(x, x[:, 2] + rng.normal(size=80))
    second = first + rng.normal(size=(80, 1))
    both = anndata.AnnData(obs=dosages.obs, var=pd.DataFrame(index=["g0"]),
                           layers={"B": first.to_numpy(), "T": second.to_numpy()})  # fmt: skip
    found = cis_heritability(dosages, both, genes, progress=False)
    assert found[["cell_type", "gene"]].to_numpy().tolist() == [["B", "g0"], ["T", "g0"]]
    for row, table in zip(found.itertuples(), (first, second), strict=True):
        alone = cis_heritability(dosages, table, genes, progress=False)
        assert "cell_type" not in alone
        np.testing.assert_allclose(alone[TABLE].to_numpy()[0], [getattr(row, name) for name in TABLE], rtol=1e-6)


def test_people_are_matched_by_name_and_units_do_not_matter():
    rng = np.random.default_rng(9)
    x = rng.binomial(2, 0.3, (80, 15)).astype(float)
    x[0, 3] = np.nan
    dosages, expression, genes = as_study(x, np.nan_to_num(x[:, 3]) + rng.normal(size=80))
    found = cis_heritability(dosages, expression, genes, progress=False)
    shuffled = 100 - 1000 * expression.sample(frac=1, random_state=1)
    other = cis_heritability(dosages, shuffled, genes, progress=False)
    np.testing.assert_allclose(found[TABLE], other[TABLE], rtol=1e-6)


def test_every_gene_has_a_status():
    rng = np.random.default_rng(10)
    x = rng.binomial(2, 0.3, (60, 10)).astype(float)
    x[:, 4] = 1
    dosages, expression, _ = as_study(x, x[:, 2] + rng.normal(size=60))
    expression["flat"], expression["far"], expression["rare"] = 2.5, expression["g0"], expression["g0"]
    expression.loc["p5", "rare"] = np.nan
    places = {"chromosome": ["1", "1", "2", "1"], "tss": 5}
    genes = pd.DataFrame(places, ["g0", "flat", "far", "rare"])
    found = cis_heritability(dosages, expression, genes, progress=False).set_index("gene")
    assert found["status"].tolist() == [
        "estimated",
        "constant expression",
        "no SNP in window",
        "expression missing in 1 people",
    ]
    assert found["n_snps"].tolist() == [9, 9, 0, 9]
    assert found[TABLE].iloc[1:].isna().all(axis=None)


def test_bad_input_is_named():
    rng = np.random.default_rng(11)
    x = rng.binomial(2, 0.3, (40, 10)).astype(float)
    dosages, expression, genes = as_study(x, rng.normal(size=40))
    covariates = pd.DataFrame({"age": rng.normal(size=40)}, dosages.obs_names)
    covariates.loc["p7", "age"] = np.nan
    with pytest.raises(InputError, match="covariate 'age' is missing for 'p7'"):
        cis_heritability(dosages, expression, genes, covariates=covariates, progress=False)
    with pytest.warns(UserWarning, match="39 people are in expression and covariates"):
        found = cis_heritability(dosages, expression, genes, covariates=covariates.dropna(), progress=False)
    assert found["status"].tolist() == ["estimated"]
    with pytest.raises(InputError, match="10 people have dosages, expression and covariates"):
        cis_heritability(dosages[:10].copy(), expression[:10], genes, progress=False)
    with pytest.raises(InputError, match="genes has no column tss"):
        cis_heritability(dosages, expression, genes.drop(columns="tss"), progress=False)
