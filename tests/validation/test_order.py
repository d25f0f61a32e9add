"""Tables that go with the counts: names in another order, or other names, are refused and never ignored."""

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite import (
    dispersion,
    filtering,
    glm,
    linear_models,
    negative_binomial,
    normalization,
    quasi_likelihood,
    simulate,
)
from scomics_lite.validation import InputError, check_order, check_size_factors

SAMPLES, GENES = [f"s{i}" for i in range(8)], [f"g{i}" for i in range(30)]
COUNTS = pd.DataFrame(np.random.default_rng(1).negative_binomial(5, 0.05, (8, 30)) + 1, SAMPLES, GENES)
DESIGN = pd.DataFrame({"Intercept": 1.0, "B": np.repeat([0.0, 1.0], 4)}, index=SAMPLES)
S = pd.Series(np.linspace(0.8, 1.2, 8), index=SAMPLES)
PHI = pd.Series(np.linspace(0.05, 0.2, 30), index=GENES)
MEAN = pd.DataFrame(np.outer(S, COUNTS.mean()), SAMPLES, GENES)

# Of each function: what it is called with, and which argument is a table with names of samples, genes, or both.
CALLS = {
    "normalize": (lambda t: normalization.normalize(COUNTS, t), S),
    "log_cpm": (lambda t: normalization.log_cpm(COUNTS, t), S),
    "to_size_factors": (lambda t: normalization.to_size_factors(t, COUNTS.sum(axis=1)), S),
    "to_norm_factors": (lambda t: normalization.to_norm_factors(t, COUNTS.sum(axis=1)), S),
    "effective_library_sizes": (lambda t: normalization.effective_library_sizes(t, COUNTS.sum(axis=1)), S),
    "library sizes": (lambda t: normalization.to_norm_factors(S, t), COUNTS.sum(axis=1)),
    "filter_by_expression": (lambda t: filtering.filter_by_expression(COUNTS, t), DESIGN),
    "moments, design": (lambda t: dispersion.moments(COUNTS, t, S), DESIGN),
    "moments, size factors": (lambda t: dispersion.moments(COUNTS, DESIGN, t), S),
    "maximum_likelihood": (lambda t: dispersion.maximum_likelihood(COUNTS, t, DESIGN), MEAN),
    "cox_reid_profile, mean": (lambda t: dispersion.cox_reid_profile(COUNTS, t, DESIGN, 0.1), MEAN),
    "cox_reid_profile, dispersions": (lambda t: dispersion.cox_reid_profile(COUNTS, MEAN, DESIGN, t), PHI),
    "estimate": (lambda t: dispersion.estimate(COUNTS, DESIGN, t, trend="mean"), S),
    "edger_dispersions": (lambda t: dispersion.edger_dispersions(COUNTS, DESIGN, t), S),
    "average_log_cpm, sizes": (lambda t: dispersion.average_log_cpm(COUNTS, t, 0.1), COUNTS.sum(axis=1)),
    "average_log_cpm, dispersions": (lambda t: dispersion.average_log_cpm(COUNTS, np.full(8, 1e3), t), PHI),
    "glm.fit, size factors": (lambda t: glm.fit(COUNTS, DESIGN, t, 0.1), S),
    "glm.fit, dispersions": (lambda t: glm.fit(COUNTS, DESIGN, S, t), PHI),
    "quasi_likelihood.fit": (lambda t: quasi_likelihood.fit(COUNTS, DESIGN, S, t), PHI),
    "voom": (lambda t: linear_models.voom(COUNTS, DESIGN, t), S),
    "linear_models.fit, design": (lambda t: linear_models.fit(np.log(COUNTS), t), DESIGN),
    "linear_models.fit, weights": (lambda t: linear_models.fit(np.log(COUNTS), DESIGN, t), MEAN),
    "log_likelihood, mean": (lambda t: negative_binomial.log_likelihood(COUNTS, t, 0.1), MEAN),
    "log_likelihood, dispersion": (lambda t: negative_binomial.log_likelihood(COUNTS, 20.0, t), PHI),
    "deviance": (lambda t: negative_binomial.deviance(COUNTS, t, 0.1), MEAN),
    "quantile_residuals": (lambda t: negative_binomial.quantile_residuals(COUNTS, t, 0.1, rng=1), MEAN),
    "variance": (lambda t: negative_binomial.variance(MEAN, t), PHI),
}
WIDE = pd.concat([COUNTS, COUNTS.add_prefix("more ")], axis=1)
GROUPS = pd.Series(list("aaaabbbb"), index=SAMPLES)
CALLS["estimate_parameters"] = (lambda t: simulate.estimate_parameters(WIDE, groups=t), GROUPS)
CALLS["of an AnnData"] = (lambda t: negative_binomial.deviance(anndata.AnnData(COUNTS), t, 0.1), MEAN)
every_call = pytest.mark.parametrize("name", CALLS)


@every_call
def test_what_is_in_order_is_taken_and_what_has_no_names_too(name):
    call, table = CALLS[name]
    call(table)
    call(table.to_numpy())
    call(table.reset_index(drop=True) if isinstance(table, pd.Series) else table.reset_index(drop=True).to_numpy())


@every_call
def test_rows_in_another_order_are_refused(name):
    call, table = CALLS[name]
    with pytest.raises(InputError, match=r"the names of the .* are not those of the counts: row 0 is .* instead of"):
        call(table[::-1])
    with pytest.raises(InputError, match=r"row 2 is '.*' instead of '.*'\. '.*' is not among them"):
        call(table.rename(index={table.index[2]: "another"}))


@pytest.mark.parametrize("name", [name for name, (_, table) in CALLS.items() if table is MEAN])
def test_columns_in_another_order_are_refused(name):
    call, table = CALLS[name]
    with pytest.raises(InputError, match=r"column 0 is 'g29' instead of 'g0'. Bring them into one order: .*\.loc\[:, "):
        call(table.iloc[:, ::-1])
    call(table.iloc[:, ::-1].loc[:, COUNTS.columns])  # the way out


def test_the_way_out_works():
    shuffled = S.sample(frac=1, random_state=1)
    with pytest.raises(InputError, match=r"size_factors.loc\[...\]"):
        check_size_factors(shuffled, COUNTS.index)
    np.testing.assert_array_equal(check_size_factors(shuffled.loc[COUNTS.index], COUNTS.index), S)
    more = pd.concat([S, pd.Series({"s99": 1.0})])
    with pytest.raises(InputError, match=r"9 rows instead of 8. Bring them into one order: size_factors.loc\[...\]"):
        check_size_factors(more, COUNTS.index)
    np.testing.assert_array_equal(check_size_factors(more.loc[COUNTS.index], COUNTS.index), S)
    with pytest.raises(InputError, match=r"7 rows instead of 8\. 's7' is not among them"):
        check_size_factors(S[:7], COUNTS.index)


def test_numbers_from_zero_on_are_no_names_but_in_another_order_they_are():
    numbered = COUNTS.reset_index(drop=True)
    s = S.reset_index(drop=True)
    expected = normalization.normalize(numbered, s)
    with pytest.raises(InputError, match="row 0 is 7 instead of 0"):
        normalization.normalize(numbered, s[::-1])
    with pytest.raises(InputError, match="row 0 is 7 instead of 0"):
        normalization.normalize(numbered.to_numpy(), s.sort_values(ascending=False))
    pd.testing.assert_frame_equal(normalization.normalize(numbered, s[::-1].sort_index()), expected)
    check_order(pd.Series([1.0, 2.0], index=[3, 4]), pd.RangeIndex(2), "size factors")  # rows 3 and 4 of something
    check_order(S, pd.RangeIndex(8), "size factors")  # the counts have no names
    check_order([1, 2], pd.Index(["a", "b"]), "size factors")


@pytest.mark.parametrize("function", ["to_size_factors", "to_norm_factors", "effective_library_sizes"])
def test_factors_and_library_sizes_that_do_not_fit(function):
    convert, sizes = getattr(normalization, function), COUNTS.sum(axis=1)
    for bad, message in {
        0.0: "must be positive and finite; sample 's2' has 0.0",
        -1.0: "must be positive and finite; sample 's2' has -1.0",
        np.nan: "must be positive and finite; sample 's2' has nan",
        np.inf: "must be positive and finite; sample 's2' has inf",
    }.items():
        wrong = S.copy()
        wrong["s2"] = bad
        with pytest.raises(InputError, match=f"(size|norm) factors {message}"):
            convert(wrong, sizes)
        with pytest.raises(InputError, match=f"library sizes {message}"):
            convert(S, wrong)
    with pytest.raises(InputError, match=r"8 samples need as many (size|norm) factors, got shape \(7,\)"):
        convert(S.to_numpy()[:7], sizes)
    with pytest.raises(InputError, match=r"8 samples need as many (size|norm) factors, got shape \(8, 1\)"):
        convert(S.to_numpy()[:, None], sizes)
    with pytest.raises(InputError, match="are numbers, one for each sample"):
        convert(["one"] * 8, sizes)


def test_factors_keep_the_names_of_either():
    sizes = COUNTS.sum(axis=1)
    for f, n in ((S, sizes), (S.to_numpy(), sizes), (S, sizes.to_numpy())):
        for convert in (normalization.to_size_factors, normalization.to_norm_factors):
            assert convert(f, n).index.tolist() == SAMPLES
    assert isinstance(normalization.to_size_factors(S.to_numpy(), sizes.to_numpy()), np.ndarray)
    back = normalization.to_size_factors(normalization.to_norm_factors(S, sizes), sizes)
    np.testing.assert_allclose(back, S / np.exp(np.log(S).mean()))
