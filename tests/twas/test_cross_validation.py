"""Cross-validation against plain loops over folds, and nested cross-validation against what it measures."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite import twas
from scomics_lite.twas.weights.folds import fold_ids
from scomics_lite.validation import InputError


def people(n, p, rng, effect=1.0):
    dosages = pd.DataFrame(rng.binomial(2, rng.uniform(0.03, 0.5, p), (n, p)), columns=[f"rs{j}" for j in range(p)])
    return dosages, pd.Series(effect * (dosages["rs0"] - 0.6 * dosages["rs1"]) + rng.normal(0, 1, n), name="ENSG1")


def by_loops(dosages, y, ids, lambdas, **settings):
    """Predictions of people left out, one path a fold, (lambdas, people)."""
    predictions = np.empty((len(lambdas), len(y)))
    for one in np.unique(ids):
        path = twas.elastic_net_path(dosages[ids != one], y[ids != one], lambdas=lambdas, **settings)
        predictions[:, ids == one] = path.intercepts[:, None] + path.coefficients @ dosages[ids == one].T
    return predictions


@pytest.mark.parametrize(("n", "p"), [(60, 90), (80, 12)])
@pytest.mark.parametrize("settings", [{"mixing": 0.5}, {"mixing": 0.0}, {"mixing": 0.9, "standardize": False}])
def test_folds_that_share_inner_products_are_fitted_as_if_alone(n, p, settings):
    rng = np.random.default_rng(n)
    dosages, y = people(n, p, rng)
    dosages["rare"] = (np.arange(n) == 4).astype(int)  # constant where person 4 is left out
    ids = rng.permutation(np.arange(n) % 6)
    fit = twas.fit_elastic_net(dosages, y, folds=ids, n_lambdas=15, **settings)
    predictions = by_loops(dosages, y, ids, fit.path["lambda"], **settings)
    np.testing.assert_allclose(fit.path["error"], ((predictions - y.to_numpy()) ** 2).mean(axis=1), rtol=1e-6)
    k = int(np.argmin(fit.path["error"]))
    assert fit.lambda_ == fit.path["lambda"][k]
    assert fit.r2 == pytest.approx(1 - fit.path["error"][k] / y.var(ddof=0))
    theirs = stats.pearsonr(predictions[k], y)
    assert (fit.correlation, fit.pvalue) == (pytest.approx(theirs[0], rel=1e-5), pytest.approx(theirs[1], rel=1e-3))


def test_repeats_are_averaged_before_lambda_is_chosen():
    rng = np.random.default_rng(1)
    dosages, y = people(50, 30, rng)
    ids = np.stack([rng.permutation(np.arange(50) % 5) for _ in range(3)])
    lambdas = 0.5 * 0.9 ** np.arange(30)
    fits = [twas.fit_elastic_net(dosages, y, folds=one, lambdas=lambdas) for one in ids]
    together = twas.fit_elastic_net(dosages, y, folds=ids, lambdas=lambdas)
    np.testing.assert_allclose(together.path["error"], np.mean([fit.path["error"] for fit in fits], axis=0), rtol=1e-10)
    assert together.correlation == pytest.approx(
        np.mean([correlation_at(dosages, y, one, together) for one in ids]), rel=1e-6
    )


def correlation_at(dosages, y, ids, fit):
    return np.corrcoef(by_loops(dosages, y, ids, fit.path["lambda"])[fit.path["error"].argmin()], y)[0, 1]


@pytest.mark.parametrize(("n", "p"), [(60, 90), (90, 20)])
@pytest.mark.parametrize("effect", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("mixing", [0.0, 0.5])
def test_a_path_that_ends_behind_the_smallest_error_chooses_the_same(n, p, effect, mixing):
    dosages, y = people(n, p, np.random.default_rng(n), effect)
    fit = twas.fit_elastic_net(dosages, y, mixing=mixing)
    ratio = 1e-2 if n < p else 1e-4
    lambdas = fit.path["lambda"][0] * ratio ** (np.arange(100) / 99)
    whole = twas.fit_elastic_net(dosages, y, mixing=mixing, lambdas=lambdas)
    k = len(fit.path)
    assert len(whole.path) == 100
    assert k < 100 or mixing == 0  # the error of ridge regression hardly rises
    np.testing.assert_allclose(fit.path, whole.path[:k], rtol=1e-6, atol=1e-9)
    assert fit.lambda_ == pytest.approx(whole.lambda_, rel=1e-10)
    np.testing.assert_allclose(fit.weights, whole.weights, atol=1e-7)


def test_a_path_ends_at_the_fifth_error_in_a_row_above_the_smallest_by_a_standard_error():
    dosages, y = people(60, 90, np.random.default_rng(60), 1.0)
    error, error_sd = twas.fit_elastic_net(dosages, y).path[["error", "error_sd"]].to_numpy().T
    above = error > error.min() + error_sd[error.argmin()]
    assert above[-5:].all()
    assert not above[error.argmin() : -5].any()


def test_people_left_out_one_at_a_time_are_too_many_to_keep_their_matrices_and_fitted_as_if_alone():
    dosages, y = people(45, 30, np.random.default_rng(11))
    fit = twas.fit_elastic_net(dosages, y, folds=45, lambdas=[0.3, 0.1, 0.05])
    predictions = by_loops(dosages, y, np.arange(45), [0.3, 0.1, 0.05])
    np.testing.assert_allclose(fit.path["error"], ((predictions - y.to_numpy()) ** 2).mean(axis=1), rtol=1e-6)


def test_folds_are_drawn_as_they_were_asked_for():
    rng = np.random.default_rng(2)
    (ids,) = fold_ids(10, 57, 1, rng)
    assert set(np.bincount(ids)) == {5, 6}
    assert fold_ids(4, 20, 3, rng).shape == (3, 20)
    replaced = fold_ids("predictdb", 500, 1, rng)
    assert replaced.shape == (3, 500)
    assert len({tuple(np.bincount(row)) for row in replaced}) == 3
    assert stats.chisquare(np.bincount(replaced.ravel())).pvalue > 1e-4


def test_the_same_seed_gives_the_same_fit():
    dosages, y = people(60, 80, np.random.default_rng(3))
    first, second, other = (
        twas.fit_elastic_net(dosages, y, rng=seed, folds="predictdb", n_lambdas=10) for seed in (5, 5, 6)
    )
    pd.testing.assert_frame_equal(first.path, second.path)
    assert not np.allclose(first.path["error"][:5], other.path["error"][:5])


def test_weights_predict_and_name_what_is_lacking():
    dosages, y = people(80, 20, np.random.default_rng(4))
    dosages["rs7"] = 1
    fit = twas.fit_elastic_net(dosages, y)
    assert fit.constant == ["rs7"]
    np.testing.assert_allclose(fit.predict(dosages), fit.intercept + dosages @ fit.weights, atol=1e-12)
    holes = dosages.astype(float)
    holes.loc[3, "rs0"] = np.nan
    assert fit.predict(holes)[3] == pytest.approx(fit.predict(holes.fillna(dosages.mean()))[3], abs=1e-12)
    with pytest.raises(InputError, match=r"1 of .* SNPs with a weight are not among the dosages, such as 'rs0'"):
        fit.predict(dosages.drop(columns="rs0"))
    shared = dosages.columns.drop("rs0")
    assert np.isfinite(twas.fit_elastic_net(dosages[shared], y).predict(dosages[shared])).all()


def test_the_careful_choice_has_a_larger_penalty():
    dosages, y = people(80, 60, np.random.default_rng(5))
    best, careful = (twas.fit_elastic_net(dosages, y, choice=choice) for choice in ("min", "1se"))
    assert careful.lambda_ > best.lambda_
    assert len(careful.nonzero) < len(best.nonzero)


def test_a_gene_without_effects_has_no_correlation_and_is_not_kept():
    kept, correlations = [], []
    for seed in range(8):
        dosages, y = people(60, 10, np.random.default_rng(seed), effect=0.0)
        nested = twas.nested_cross_validation(dosages, y, outer=3, inner=3, rng=seed)
        kept.append(nested.keep)
        correlations.append(nested.rho_avg)
    assert sum(kept) <= 2
    assert abs(np.mean(correlations)) < 0.15
    empty = twas.fit_elastic_net(dosages, y, lambdas=[10.0, 9.0])
    assert (len(empty.nonzero), empty.correlation, empty.pvalue) == (0, 0.0, 1.0)


def test_nested_cross_validation_puts_its_folds_together_as_predictdb():
    dosages, y = people(100, 30, np.random.default_rng(6))
    nested = twas.nested_cross_validation(dosages, y, rng=1)
    folds = nested.folds
    assert folds["n"].tolist() == [20] * 5
    assert nested.rho_avg == pytest.approx(folds["correlation"].mean())
    z = np.arctanh(folds["correlation"]) * np.sqrt(17)
    assert nested.zscore == pytest.approx(z.sum() / np.sqrt(5))
    assert nested.zscore_pval == pytest.approx(2 * stats.norm.sf(abs(nested.zscore)))
    assert nested.pred_perf_R2 == pytest.approx(nested.rho_avg**2)
    assert nested.keep
    assert nested.rho_avg > 0.4
    assert nested.r2_avg < twas.fit_elastic_net(dosages, y).r2 + 0.1


def test_an_outer_fold_is_fitted_without_its_people():
    rng, seed = np.random.default_rng(7), 3
    dosages, y = people(60, 25, rng)
    nested = twas.nested_cross_validation(dosages, y, outer=3, inner=4, rng=seed)
    draws = np.random.default_rng(seed)
    (outer,) = fold_ids(3, 60, 1, draws)
    for fold, row in zip(range(3), nested.folds.itertuples(), strict=True):
        inside = outer != fold
        ids = fold_ids(4, int(inside.sum()), 1, draws)
        fit = twas.fit_elastic_net(dosages[inside], y[inside], folds=ids[0])
        assert fit.lambda_ == pytest.approx(row[5], rel=1e-8)
        assert len(fit.nonzero) == row.n_snps
        r = np.corrcoef(fit.predict(dosages[~inside]), y[~inside])[0, 1] if row.n_snps else 0.0
        assert r == pytest.approx(row.correlation, abs=1e-6)


def test_a_fold_without_which_expression_is_constant_predicts_the_mean():
    dosages, y = people(20, 5, np.random.default_rng(8))
    y[:] = 0.0
    y[3] = 1.0
    fit = twas.fit_elastic_net(dosages, y, folds=np.arange(20))
    assert np.isfinite(fit.path["error"]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 13}, "folds=13 needs 13 people or more, one in each fold; there are 12: folds=12 leaves one"),
        ({"folds": 1}, "folds is a number of folds, 2 or more"),
        ({"folds": "many"}, "a number, the fold of each person, or 'predictdb'"),
        ({"folds": [1, 2, 3]}, r"12 people need as many fold ids, .* got shape \(3,\)"),
        ({"folds": [1.0, np.nan] * 6}, "a person has no fold"),
        ({"folds": [1] * 12}, "all people are in one fold"),
        ({"repeats": 0}, "repeats is how often folds are drawn"),
        ({"choice": "max"}, "choice='max': which λ is chosen"),
    ],
)
def test_folds_that_cannot_be_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        twas.fit_elastic_net(*people(12, 4, np.random.default_rng(9)), **settings)


def test_three_people_can_be_left_out_one_at_a_time_as_the_message_says():
    dosages = pd.DataFrame([[2, 1, 0], [0, 2, 1], [2, 0, 0]], columns=["rs1", "rs2", "rs3"])
    y = [0.63, 0.45, 0.70]
    with pytest.raises(InputError, match="there are 3: folds=3 leaves one person out at a time"):
        twas.fit_elastic_net(dosages, y)
    assert np.isfinite(twas.fit_elastic_net(dosages, y, folds=3).r2)
    with pytest.raises(InputError, match="5 outer folds of 4 people or more need 20; there are 3: more people"):
        twas.nested_cross_validation(dosages, y)
    with pytest.raises(InputError, match="there are 12: outer=3"):
        twas.nested_cross_validation(*people(12, 4, np.random.default_rng(10)))
    assert twas.nested_cross_validation(*people(12, 4, np.random.default_rng(10)), outer=3, inner=4).zscore_pval > 0
