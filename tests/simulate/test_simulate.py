"""Simulated counts: what was asked for is in them, and the size factors that were put in come out.

Bounds are standard errors derived from the sizes of the simulation, never tuned to its results; every check is at 4.5
standard errors (a chance of 1 in 150,000 for one to fail by bad luck, and the seeds are fixed).
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from scomics_lite.normalization import METHODS, size_factors
from scomics_lite.simulate import CountParameters, bulk_counts, estimate_parameters, typical_bulk
from scomics_lite.validation import InputError, check_counts

SIGMAS = 4.5


def flat(mean_share=1.0, **changes):
    """Parameters under which all genes have the same share: every mean is known in advance."""
    same = np.full(101, np.log(mean_share))
    return dataclasses.replace(typical_bulk(), log_share_quantiles=same, **changes)


def effects(adata, column="condition=B"):
    return adata.var[f"log2_fold_change[{column}]"].to_numpy()


# --- what is drawn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phi", [0, 0.02, 0.3, 2.0])
def test_mean_and_variance_are_those_of_the_negative_binomial(phi):
    n, g, mu = 200, 500, 50.0
    adata = bulk_counts(
        ["A"] * n, g, changed_fraction=0, library_sizes=mu * g, dispersion=phi, parameters=flat(), rng=1
    )
    variance = mu + phi * mu**2
    assert abs(adata.X.mean() - mu) < SIGMAS * np.sqrt(variance / (n * g))
    sample_variances = adata.X.var(axis=0, ddof=1)
    # The variance of a sample variance is (m4 - (n - 3) / (n - 1) variance²) / n, m4 the fourth central moment.
    kurtosis = stats.nbinom.stats(1 / phi, 1 / (1 + phi * mu), moments="k") if phi else 1 / mu
    m4 = (kurtosis + 3) * variance**2
    standard_error = np.sqrt((m4 - (n - 3) / (n - 1) * variance**2) / n / g)
    assert abs(sample_variances.mean() - variance) < SIGMAS * standard_error


def test_without_dispersion_the_counts_are_poisson():
    adata = bulk_counts(["A"] * 50, 400, changed_fraction=0, library_sizes=4_000, dispersion=0, rng=2)
    mean = adata.obs["library_size"].to_numpy()[:, None] * adata.var["share"].to_numpy()
    chi_square = ((adata.X - mean) ** 2 / mean)[:, mean[0] > 1]
    spread = np.sqrt(2 * chi_square.size + (1 / mean[:, mean[0] > 1]).sum())  # of a sum of squared Poisson residuals
    assert abs(chi_square.sum() - chi_square.size) < SIGMAS * spread


def test_whole_distribution_and_not_only_its_moments():
    mu, phi = 5.0, 0.5
    known = {"library_sizes": mu * 400, "dispersion": phi, "parameters": flat()}
    adata = bulk_counts(["A"] * 100, 400, changed_fraction=0, **known, rng=3)
    observed = np.bincount(np.minimum(adata.X.ravel(), 20), minlength=21)
    expected = stats.nbinom.pmf(np.arange(20), 1 / phi, 1 / (1 + phi * mu))
    expected = np.append(expected, 1 - expected.sum()) * adata.X.size
    assert stats.chisquare(observed, expected).pvalue > 1e-5


def test_library_sizes_are_met_in_expectation():
    asked = np.array([1e5, 2e5, 4e5, 8e5])
    adata = bulk_counts(["A", "A", "B", "B"], 2000, up_fraction=1.0, library_sizes=asked, dispersion=0.1, rng=4)
    mean = adata.obs["library_size"].to_numpy()[:, None] * expected_shares(adata)
    standard_error = np.sqrt((mean + 0.1 * mean**2).sum(axis=1))
    assert (adata.obs["library_size"] == asked).all()
    assert (np.abs(adata.X.sum(axis=1) - asked) < SIGMAS * standard_error).all()


def expected_shares(adata):
    """Share of every gene in the reads of every sample, from the stored truth, (n, g)."""
    is_b = (adata.obs["condition"] == "B").to_numpy()
    abundance = adata.var["share"].to_numpy() * np.where(is_b[:, None], 2.0 ** effects(adata), 1.0)
    return abundance / abundance.sum(axis=1, keepdims=True)


def test_counts_are_a_composition():
    """E[Y] = s q: what one gene gains, the others lose, and the true size factor knows by how much."""
    adata = bulk_counts(["A", "A", "B", "B"], 500, changed_fraction=0.4, up_fraction=1.0, library_sizes=1e6, rng=5)
    abundance_ratio = (adata.var["share"] * 2.0 ** effects(adata)).sum()  # A_2 / A_1
    s = adata.obs["size_factor"].to_numpy()
    assert s[0] == s[1]
    assert s[2] == s[3]
    assert np.isclose(s[0] / s[2], abundance_ratio)
    assert abundance_ratio > 1.1
    assert np.isclose(np.log(s).mean(), 0)
    # A gene that did not change loses just that factor of its reads, at equal library sizes.
    shares = expected_shares(adata)
    unchanged = ~adata.var["changed"].to_numpy()
    assert np.allclose(shares[2, unchanged] / shares[0, unchanged], 1 / abundance_ratio)


@pytest.mark.parametrize("method", METHODS)
def test_the_size_factors_put_in_come_out(method):
    """On a balanced design, where every method's assumption holds, within the sampling error of medians and means."""
    depths = np.array([0.5, 1, 2, 0.7, 1.4, 1]) * 4e6
    adata = bulk_counts(["A"] * 6, 4000, changed_fraction=0, library_sizes=depths, dispersion=0.05, rng=6)
    estimated = size_factors(adata, method)
    # ln of a count has a variance near phi + 1 / mu. A median of g values is off by 1.25 sd / sqrt(g), a trimmed mean
    # by less; a total averages fewer, the abundant genes, and an upper quartile only those in its neighbourhood.
    mean = expected_mean(adata)
    expressed = mean.min(axis=0) > 20
    sd = np.sqrt((0.05 + 1 / mean[:, expressed].min(axis=0)).mean() * 2)  # of a ratio of two samples
    effective = expressed.sum() if method not in ("total", "upper_quartile") else effective_genes(mean, method)
    standard_error = 1.25 * sd / np.sqrt(effective)
    errors = np.log(estimated / np.exp(np.log(estimated).mean()) / adata.obs["size_factor"].to_numpy())
    assert np.abs(errors).max() < SIGMAS * standard_error
    assert standard_error < 0.12  # the bound says something


def expected_mean(adata):
    return adata.obs["library_size"].to_numpy()[:, None] * adata.var["share"].to_numpy()


def effective_genes(mean, method):
    """How many genes a total, or an upper quartile, averages over: 1 / sum of squared shares, or its neighbours."""
    share = mean[0] / mean[0].sum()
    if method == "total":
        return 1 / (share**2).sum()
    near = np.abs(np.log(mean[0] / np.quantile(mean[0], 0.75))) < 0.25  # within the scatter of one count
    return near.sum() / 2


def test_one_sided_change_misleads_the_total_and_not_the_median():
    adata = bulk_counts(
        ["A"] * 4 + ["B"] * 4, 3000, changed_fraction=0.2, up_fraction=1.0, log2_fold_change=2, library_sizes=3e6,
        dispersion=0.02, rng=7,
    )  # fmt: skip
    true = np.log(adata.obs["size_factor"].to_numpy())
    errors = {method: np.log(size_factors(adata, method)) - true for method in ("total", "tmm", "poscounts")}
    bias = {method: abs(error[4:].mean() - error[:4].mean()) for method, error in errors.items()}
    assert bias["total"] > 5 * bias["tmm"]
    assert bias["total"] > 2 * bias["poscounts"]


# --- the truth beside the counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changed", "up"), [(0.1, 0.5), (0.3, 1.0), (0.8, 0.25), (1.0, 0.0), (0.0, 0.5)])
def test_changed_fraction_and_asymmetry_are_exact(changed, up):
    adata = bulk_counts(["A", "B"], 1000, changed_fraction=changed, up_fraction=up, log2_fold_change=1.5, rng=8)
    assert adata.var["changed"].sum() == round(changed * 1000)
    assert (effects(adata) == 1.5).sum() == round(up * round(changed * 1000))
    assert (effects(adata) == -1.5).sum() == round(changed * 1000) - round(up * round(changed * 1000))
    assert adata.uns["truth"] == {"up_fraction": up, "log2_fold_change": 1.5, "seed": 8}


@pytest.mark.parametrize("mean", [0.0, 3.0])
def test_effects_of_many_sizes(mean):
    settings = {"changed_fraction": 0.8, "log2_fold_change": mean, "log2_fold_change_sd": 0.5, "rng": 8}
    adata = bulk_counts(["A", "B"], 5000, **settings)
    assert adata.var["changed"].sum() == 4000
    found = effects(adata)[adata.var["changed"].to_numpy()]
    assert (found > 0).sum() == 2000
    sizes = stats.foldnorm(mean / 0.5, scale=0.5) if mean else stats.halfnorm(scale=0.5)
    assert stats.kstest(np.abs(found), sizes.cdf).pvalue > 1e-4
    assert adata.uns["truth"] == {"up_fraction": 0.5, "log2_fold_change": mean, "log2_fold_change_sd": 0.5, "seed": 8}


def test_several_factors_have_effects_of_their_own():
    obs = pd.DataFrame(
        {"dose": ["low", "mid", "high"] * 2, "batch": pd.Categorical(["x", "y"] * 3, ["y", "x"])},
        index=list("abcdef"),
    )
    adata = bulk_counts(obs, 200, changed_fraction={"dose": 0.25, "batch": 0.5}, dispersion=0, library_sizes=1e7, rng=9)
    assert adata.obs_names.tolist() == list("abcdef")
    assert adata.obs["dose"].cat.categories.tolist() == ["low", "mid", "high"]  # by appearance
    columns = [name for name in adata.var if name.startswith("log2")]
    assert columns == [f"log2_fold_change[{name}]" for name in ("dose=mid", "dose=high", "batch=x")]
    assert [int((adata.var[name] != 0).sum()) for name in columns] == [50, 50, 100]
    assert (adata.var["changed"] == (adata.var[columns] != 0).any(axis=1)).all()
    # Sample f is high and y: only the dose shows in it. Sample a is low and x: only the batch.
    for sample, name in {"f": "dose=high", "a": "batch=x"}.items():
        abundance = adata.var["share"] * 2.0 ** adata.var[f"log2_fold_change[{name}]"]
        mean = 1e7 * abundance / abundance.sum()
        scores = ((adata[sample].X.ravel() - mean) / np.sqrt(mean))[mean > 20]
        assert abs((scores**2).sum() - len(scores)) < SIGMAS * np.sqrt(2.1 * len(scores))


def test_a_column_without_its_own_fraction_changes_nothing():
    obs = pd.DataFrame({"dose": ["a", "b"], "batch": ["x", "y"]})
    adata = bulk_counts(obs, 100, changed_fraction={"dose": 0.5}, rng=1)
    assert (effects(adata, "batch=y") == 0).all()


def test_levels_that_no_sample_has_change_nothing():
    obs = pd.DataFrame({"condition": pd.Categorical(["A", "B"], ["A", "B", "C"])})
    adata = bulk_counts(obs, 100, changed_fraction=0.5, rng=1)
    assert not any("=C" in name for name in adata.var)
    assert adata.var["changed"].sum() == 50


def test_the_same_seed_gives_the_same_counts():
    first, again = (bulk_counts(["A", "B"], 50, rng=10) for _ in range(2))
    other = bulk_counts(["A", "B"], 50, rng=11)
    assert (first.X == again.X).all()
    assert (first.X != other.X).any()
    pd.testing.assert_frame_equal(first.var, again.var)


def test_a_generator_is_used_and_moves_on():
    rng = np.random.default_rng(10)
    first, second = bulk_counts(["A", "B"], 50, rng=rng), bulk_counts(["A", "B"], 50, rng=rng)
    assert (first.X == bulk_counts(["A", "B"], 50, rng=10).X).all()
    assert (first.X != second.X).any()
    assert "seed" not in first.uns["truth"]
    assert bulk_counts(["A", "B"], 50, rng=np.int64(10)).uns["truth"]["seed"] == 10


def test_dispersions_follow_the_trend_with_the_scatter_asked_for():
    adata = bulk_counts(["A"] * 4, 5000, changed_fraction=0, dispersion_sd=0.4, library_sizes=20e6 / 4, rng=12)
    mean = expected_mean(adata).mean(axis=0)
    parameters = typical_bulk()
    trend = np.interp(np.log(mean), parameters.bin_log_mean, parameters.bin_dispersion)
    scatter = np.log(adata.var["dispersion"].to_numpy() / trend)
    assert abs(scatter.mean()) < SIGMAS * 0.4 / np.sqrt(5000)
    assert abs(scatter.std() - 0.4) < SIGMAS * 0.4 / np.sqrt(2 * 5000)
    given = np.linspace(0, 1, 30)
    assert (bulk_counts(["A", "A"], 30, dispersion=given, rng=1).var["dispersion"] == given).all()


def test_library_sizes_are_drawn_in_proportion_to_the_genes():
    n = 400
    adata = bulk_counts(["A"] * n, 200, changed_fraction=0, rng=13)
    logs = np.log(adata.obs["library_size"])
    assert abs(logs.mean() - np.log(20e6 * 200 / 20_000)) < SIGMAS * 0.3 / np.sqrt(n)
    assert abs(logs.std() - 0.3) < SIGMAS * 0.3 / np.sqrt(2 * n)


def test_an_exact_fraction_of_the_genes_is_not_expressed():
    parameters = dataclasses.replace(typical_bulk(), unexpressed=0.35)
    adata = bulk_counts(["A", "B"], 1000, parameters=parameters, rng=14)
    silent = adata.var["share"] == 0
    assert silent.sum() == 350
    assert (adata.X[:, silent] == 0).all()
    assert np.isclose(adata.var["share"].sum(), 1)


def test_shares_follow_the_quantiles():
    adata = bulk_counts(["A", "A"], 20_000, rng=15)
    logs = np.log(adata.var["share"])
    for quantile in (0.1, 0.5, 0.9):
        z = stats.norm.ppf(quantile)
        standard_error = 2 * np.sqrt(quantile * (1 - quantile) / 20_000) / stats.norm.pdf(z)
        assert abs((np.quantile(logs, quantile) - np.median(logs)) - 2 * z) < SIGMAS * standard_error * 2


def test_counts_too_large_for_32_bits_get_64_and_the_others_stay():
    mu, phi, n, g = 4e8, 4.0, 100, 2
    options = {"changed_fraction": 0, "dispersion": phi, "parameters": flat()}
    adata = bulk_counts(["A"] * n, g, library_sizes=g * mu, rng=18, **options)
    assert adata.X.dtype == np.int64
    assert adata.X.max() > np.iinfo(np.int32).max
    assert adata.X.min() >= 0
    assert abs(adata.X.mean() - mu) < SIGMAS * np.sqrt((mu + phi * mu**2) / (n * g))
    within = bulk_counts(["A"] * n, g, library_sizes=g * 1e6, rng=18, **options)
    assert within.X.dtype == np.int32


def test_parameters_compare_and_hash_as_objects():
    parameters = typical_bulk()
    assert parameters == parameters
    assert parameters != typical_bulk()
    assert len({parameters, typical_bulk()}) == 2


@pytest.mark.parametrize(
    ("column", "levels"),
    [("a=b", ["u", "v"]), ("dose", ["x=1", "x=2"]), ("=", ["=", "=="]), (3, ["u", "v"]), ("day", [0.5, 1.5])],
)
def test_names_with_equals_signs_and_numbers_have_their_effects(column, levels):
    obs = pd.DataFrame({column: pd.Categorical(levels * 3, categories=levels)})
    adata = bulk_counts(obs, 40, changed_fraction=0.5, up_fraction=1, library_sizes=1e6, dispersion=0, rng=19)
    (changed,) = (adata.var[name] for name in adata.var if name == f"log2_fold_change[{column}={levels[1]}]")
    plain = bulk_counts(
        ["A", "B"] * 3, 40, changed_fraction=0.5, up_fraction=1, library_sizes=1e6, dispersion=0, rng=19
    )
    np.testing.assert_array_equal(changed, effects(plain))
    np.testing.assert_array_equal(adata.X, plain.X)


@pytest.mark.parametrize("values", [[0, 1] * 3, [0.0, 2.5] * 3, [False, True] * 3])
def test_sparse_columns_are_factors_as_others_are(values):
    known = {"changed_fraction": 0.5, "library_sizes": 1e6, "rng": 20}
    sparsely = bulk_counts(pd.DataFrame({"flag": pd.arrays.SparseArray(values)}), 40, **known)
    plainly = bulk_counts(pd.DataFrame({"flag": values}), 40, **known)
    np.testing.assert_array_equal(sparsely.X, plainly.X)
    pd.testing.assert_frame_equal(sparsely.obs, plainly.obs)
    pd.testing.assert_frame_equal(sparsely.var, plainly.var)


def test_the_counts_pass_the_check_and_are_plain_integers():
    adata = bulk_counts(["A", "B"], 30, rng=16)
    assert adata.X.dtype == np.int32
    assert check_counts(adata).samples.tolist() == ["sample1", "sample2"]
    assert adata.var_names[:2].tolist() == ["gene00001", "gene00002"]


# --- parameters from data ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_parameters_are_recovered(form):
    n, g, phi = 40, 4000, 0.2
    rng = np.random.default_rng(17)
    library_sizes = np.exp(rng.normal(np.log(4e6), 0.2, n))
    adata = bulk_counts(["A"] * n, g, changed_fraction=0, library_sizes=library_sizes, dispersion=phi, rng=rng)
    found = estimate_parameters(form(adata.X))
    assert isinstance(found, CountParameters)
    assert found.n_genes == g
    assert np.isclose(found.log_library_mean, np.log(library_sizes).mean(), atol=0.01)
    assert np.isclose(found.log_library_sd, np.log(library_sizes).std(ddof=1), rtol=0.1)
    # A gene's moment estimate has a standard error near phi sqrt(2 / n), with the gamma's tail below phi sqrt(6 / n);
    # a bin averages 200 genes, and trimming 5% of a skewed distribution pulls it down by less than a tenth.
    high = found.bin_dispersion[10:]
    assert (np.abs(high - phi) < 0.1 * phi + SIGMAS * phi * np.sqrt(6 / n / 200)).all()
    true = np.quantile(np.log(adata.var["share"]), [0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(found.log_share_quantiles[[25, 50, 75, 95]], true, atol=0.15)
    assert (np.diff(found.bin_log_mean) > 0).all()


def test_differences_between_groups_are_not_dispersion():
    groups = ["A"] * 20 + ["B"] * 20
    known = {"changed_fraction": 0.8, "log2_fold_change": 2, "dispersion": 0.05, "library_sizes": 2e7}
    adata = bulk_counts(groups, 2000, **known, rng=18)
    within = estimate_parameters(adata, groups=groups).bin_dispersion[10:].mean()
    across = estimate_parameters(adata).bin_dispersion[10:].mean()
    assert abs(within - 0.05) < 0.01
    assert across > 3 * within


def test_genes_without_counts_are_remembered_as_a_fraction():
    adata = bulk_counts(["A"] * 5, 500, changed_fraction=0, library_sizes=1e7, rng=19)
    padded = np.hstack([adata.X, np.zeros((5, 500), dtype=int)])
    assert np.isclose(estimate_parameters(padded).unexpressed, 1 - adata.X.any(axis=0).sum() / 1000)


def test_what_is_estimated_can_be_simulated_from():
    adata = bulk_counts(["A"] * 6, 3000, changed_fraction=0, rng=20)
    parameters = estimate_parameters(adata)
    copy = bulk_counts(["A"] * 6, 3000, changed_fraction=0, parameters=parameters, rng=21)
    assert abs((adata.X == 0).mean() - (copy.X == 0).mean()) < 0.05
    again = estimate_parameters(copy)
    np.testing.assert_allclose(again.bin_log_mean[5:], parameters.bin_log_mean[5:], atol=0.5)


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"obs": ["A"]}, "an experiment needs at least 2 samples, obs has 1"),
        ({"n_genes": 0}, "n_genes must be at least 1; got 0"),
        ({"changed_fraction": 1.5}, r"changed_fraction\[condition\] is a fraction and must lie in \[0, 1\]; got 1.5"),
        ({"changed_fraction": np.nan}, r"changed_fraction\[condition\] is a fraction.*got nan"),
        ({"changed_fraction": {"conditon": 0.1}}, "names 'conditon', which obs has not; did you mean 'condition'"),
        ({"up_fraction": -0.1}, r"up_fraction is a fraction and must lie in \[0, 1\]; got -0.1"),
        ({"log2_fold_change": -1}, "log2_fold_change is a size .*got -1"),
        ({"log2_fold_change": np.inf}, "log2_fold_change is a size .*got inf"),
        ({"log2_fold_change_sd": -0.5}, "log2_fold_change_sd is a size .*got -0.5"),
        ({"library_sizes": 0}, "library sizes must be positive and at most 1,000,000,000; they are 0 to 0"),
        ({"library_sizes": [1e6, -5]}, "library sizes must be positive.*they are -5 to 1e"),
        ({"library_sizes": 1e11}, "library sizes must be positive and at most"),
        ({"library_sizes": [1, 2, 3]}, r"library_sizes has shape \(3,\); give one number, or one for each sample"),
        ({"dispersion": -0.1}, "dispersions must not be negative or infinite; they are -0.1 to -0.1"),
        ({"dispersion": np.inf}, "dispersions must not be negative or infinite"),
        ({"dispersion": np.nan}, "dispersions must not be negative or infinite"),
        ({"dispersion": [1, 2]}, r"dispersion has shape \(2,\); give one number, or one for each gene: shape \(20,\)"),
        ({"rng": None}, "rng must be a number .*got None"),
        ({"rng": 1.5}, "rng must be a number .*got 1.5"),
        (
            {"parameters": flat(log_library_mean=60.0)},
            r"gene \d+ of sample 1 would get .* reads, too many for a count: lower library_sizes, dispersion",
        ),
        ({"obs": pd.DataFrame({"size_factor": ["a", "b"]})}, "obs has a column 'size_factor', which is simulated"),
        (
            {"obs": pd.DataFrame([["a", "b"], ["b", "a"]], columns=["run", "run"])},
            "obs has a column 'run', which stands there twice; give it another name",
        ),
        (
            {"obs": pd.DataFrame({"a": ["x", "b=c"], "a=b": ["d", "c"]})},
            "two effects would both be called 'a=b=c'; rename a column or a level",
        ),
        ({"obs": pd.DataFrame({"dose": ["a", None]})}, "obs has no value in column 'dose'; every sample needs a level"),
    ],
)
def test_settings_that_cannot_work(options, message):
    with pytest.raises(InputError, match=message):
        bulk_counts(**{"obs": ["A", "B"], "n_genes": 20, "rng": 1, **options})


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        (np.ones((4, 30), int), {"groups": [1, 2, 3, 4]}, "no group has two samples"),
        (np.ones((4, 30), int), {"groups": [1, 1]}, r"groups has shape \(2,\); give one label for each of the 4"),
        (np.ones((4, 10), int), {}, "10 genes with counts are too few for a trend; at least 20 are needed"),
        (np.full((4, 30), -1), {}, "counts must not be negative"),
    ],
)
def test_data_that_say_nothing_about_parameters(counts, options, message):
    with pytest.raises(InputError, match=message):
        estimate_parameters(counts, **options)
