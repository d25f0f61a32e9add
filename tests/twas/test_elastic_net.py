"""The elastic net against its own conditions, closed forms, scikit-learn and what may not matter."""

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

from scomics_lite import simulate, twas
from scomics_lite.twas.weights.coordinate_descent import descend, largest_violation, minimise, soft_threshold
from scomics_lite.validation import InputError


def people(n, p, rng, ld=0.9):
    """Dosages whose neighbours are in LD, and expression that three of them change."""
    dosages = np.zeros((n, p), dtype=np.int8)
    for _ in range(2):
        alleles = rng.random((n, p)) < rng.uniform(0.05, 0.5, p)
        for j in range(1, p):
            alleles[:, j] = np.where(rng.random(n) < ld, alleles[:, j - 1], alleles[:, j])
        dosages += alleles
    y = dosages[:, :3] @ np.array([1.0, -0.5, 0.7])[:p] + rng.normal(0, 1, n)
    names = [f"p{i}" for i in range(n)]
    table = pd.DataFrame(dosages, index=names, columns=[f"rs{j}" for j in range(p)])
    return table, pd.Series(y, index=names, name="ENSG1")


def violation(dosages, y, b, b0, lambda_, mixing, standardize):
    """The same conditions as in `kkt_violation`, by loops over SNPs on numbers as they came."""
    x, y = dosages.to_numpy(float), y.to_numpy()
    s_y, worst = y.std(), abs((y - b0 - x @ b).mean()) / y.std()
    for j in range(x.shape[1]):
        s_j = x[:, j].std() if standardize else 1.0
        if x[:, j].std() == 0:
            worst = max(worst, abs(b[j]))
            continue
        g = np.mean((x[:, j] - x[:, j].mean()) / s_j * (y - b0 - x @ b)) / s_y
        w, penalty = b[j] * s_j / s_y, lambda_ / s_y
        slope = penalty * (mixing * np.sign(w) + (1 - mixing) * w)
        worst = max(worst, abs(g - slope) if w else abs(g) - penalty * mixing)
    return worst / (lambda_ / s_y)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 60),
    p=st.integers(3, 80),
    mixing=st.sampled_from([0.0, 0.05, 0.5, 0.95, 1.0]),
    standardize=st.booleans(),
    ld=st.sampled_from([0.0, 0.9, 0.99, 1.0]),
    units=st.sampled_from([1e-3, 1.0, 1e4]),
)
def test_all_weights_of_a_path_meet_the_conditions_of_a_minimum(seed, n, p, mixing, standardize, ld, units):
    dosages, y = people(n, p, np.random.default_rng(seed), ld)
    path = twas.elastic_net_path(dosages, y * units, mixing=mixing, standardize=standardize, n_lambdas=12)
    for k, lambda_ in enumerate(path.lambdas):
        b, b0 = path.coefficients.iloc[k], path.intercepts[k]
        assert violation(dosages, y * units, b.to_numpy(), b0, lambda_, mixing, standardize) < 1e-7
        assert twas.kkt_violation(dosages, y * units, b, b0, lambda_, mixing, standardize) < 1e-7


def test_the_violation_of_other_weights_is_that_of_plain_loops():
    rng = np.random.default_rng(1)
    dosages, y = people(40, 12, rng)
    for mixing in (0.0, 0.5, 1.0):
        b = rng.normal(0, 0.2, 12) * (rng.random(12) < 0.5)
        ours = twas.kkt_violation(dosages, y, b, 0.3, 0.2, mixing)
        assert ours == pytest.approx(violation(dosages, y, b, 0.3, 0.2, mixing, True), rel=1e-10)


@pytest.mark.parametrize("mixing", [0.1, 0.5, 1.0])
def test_scikit_learn_finds_the_same_on_standardised_numbers(mixing):
    dosages, y = people(80, 30, np.random.default_rng(2))
    y = (y - y.mean()) / y.std(ddof=0)
    path = twas.elastic_net_path(dosages, y, mixing=mixing, lambdas=[0.2, 0.05])
    x = dosages.to_numpy(float)
    sd = x.std(axis=0)
    for k, lambda_ in enumerate(path.lambdas):
        other = ElasticNet(alpha=lambda_, l1_ratio=mixing, tol=1e-12, max_iter=10**6).fit((x - x.mean(axis=0)) / sd, y)
        np.testing.assert_allclose(path.coefficients.iloc[k], other.coef_ / sd, atol=1e-6)


@pytest.mark.parametrize("p", [5, 49, 50, 51, 70])
def test_ridge_regression_is_a_system_of_equations(p):
    dosages, y = people(50, p, np.random.default_rng(3))
    dosages["constant"], dosages["twin"] = 1, dosages["rs0"]
    x, s_y = dosages.to_numpy(float), y.std(ddof=0)
    sd = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    z = (x - x.mean(axis=0)) / sd
    path = twas.elastic_net_path(dosages, y, mixing=0, lambdas=[30.0, 0.3, 1e-3])
    for k, lambda_ in enumerate(path.lambdas):
        w = np.linalg.solve(z.T @ z / 50 + lambda_ / s_y * np.eye(p + 2), z.T @ (y - y.mean()) / 50)
        np.testing.assert_allclose(path.coefficients.iloc[k], w / sd, atol=1e-9)


def test_ridge_regression_without_a_snp_that_varies_predicts_the_mean():
    dosages = pd.DataFrame({"rs1": [1, 1, 1, 1, 1], "rs2": [0, 0, 0, 0, 0]})
    fit = twas.fit_elastic_net(dosages, [0.0, 0.0, 0.0, 0.0, 1.0], mixing=0, folds=5)  # constant without the fifth
    assert (fit.weights == 0).all()
    assert fit.intercept == pytest.approx(0.2)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=1, max_size=8), st.floats(0, 1.5), st.floats(0, 3))
def test_orthonormal_columns_are_soft_thresholded(covariances, l1, l2):
    c = np.array(covariances)
    weights = minimise(np.eye(len(c)), c, np.zeros(len(c)), l1, l2 + 1e-3)
    np.testing.assert_allclose(weights, np.sign(c) * np.maximum(np.abs(c) - l1, 0) / (1 + l2 + 1e-3), atol=1e-7)


def test_the_compiled_kernels_do_what_their_python_code_does():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(30, 6))
    gram, c = x.T @ x / 30, rng.normal(size=6)
    assert soft_threshold.py_func(-1.0, 0.4) == soft_threshold(-1.0, 0.4)
    results = []
    for function in (descend, descend.py_func):
        gradient, weights = c.copy(), np.zeros(6)
        function(gram, gradient, weights, 0.2, 0.1, 7)
        results.append((gradient, weights))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12, atol=1e-14)
    gradient, weights = results[0]
    assert largest_violation.py_func(gradient, weights, 0.2, 0.1) == largest_violation(gradient, weights, 0.2, 0.1)


def test_coordinate_descent_alone_comes_to_the_same_minimum():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 20)) + rng.normal(size=(60, 1))
    gram, c = x.T @ x / 60, x.T @ rng.normal(size=60) / 60
    gradient, weights = c.copy(), np.zeros(20)
    for _ in range(200):
        descend(gram, gradient, weights, 0.02, 0.02, 3)
    np.testing.assert_allclose(minimise(gram, c, np.zeros(20), 0.02, 0.02), weights, atol=1e-8)


def test_neither_the_order_of_snps_nor_the_counted_allele_matters():
    rng = np.random.default_rng(6)
    dosages, y = people(60, 25, rng)
    path = twas.elastic_net_path(dosages, y, n_lambdas=20)
    order = rng.permutation(25)
    other = twas.elastic_net_path(dosages.iloc[:, order], y, n_lambdas=20)
    np.testing.assert_allclose(other.coefficients[dosages.columns], path.coefficients, atol=1e-7)
    flipped = dosages.copy()
    flipped["rs1"] = 2 - flipped["rs1"]
    other = twas.elastic_net_path(flipped, y, n_lambdas=20)
    sign = np.where(dosages.columns == "rs1", -1, 1)
    np.testing.assert_allclose(other.coefficients, path.coefficients * sign, atol=1e-7)
    fitted = [p.intercepts[-1] + x @ p.coefficients.iloc[-1] for p, x in ((path, dosages), (other, flipped))]
    np.testing.assert_allclose(fitted[0], fitted[1], atol=1e-7)


def test_units_of_expression_go_through():
    dosages, y = people(40, 60, np.random.default_rng(7))
    path, other = (twas.elastic_net_path(dosages, y * units, n_lambdas=10) for units in (1, 1e5))
    np.testing.assert_allclose(other.lambdas, 1e5 * path.lambdas, rtol=1e-10)
    np.testing.assert_allclose(other.coefficients, 1e5 * path.coefficients.to_numpy(), atol=1e-2)


def test_snps_in_perfect_ld_share_a_weight():
    dosages, y = people(40, 5, np.random.default_rng(8))
    dosages["twin"], dosages["mirror"] = dosages["rs0"], 2 - dosages["rs0"]
    b = twas.elastic_net_path(dosages, y, lambdas=[0.1]).coefficients.iloc[0]
    assert b["rs0"] == pytest.approx(b["twin"], abs=1e-8)
    assert b["rs0"] == pytest.approx(-b["mirror"], abs=1e-8)
    assert b["rs0"] > 0.1


@pytest.mark.parametrize("mixing", [0.5, 1.0])
def test_snps_that_are_sums_of_others_are_no_obstacle(mixing):
    dosages = simulate.genotypes(300, 160, spacing=500, rng=61).to_df()
    dosages = dosages.loc[:, dosages.std() > 0]
    assert np.linalg.matrix_rank(dosages - dosages.mean()) < 100 < dosages.shape[1]
    y = dosages.iloc[:, [3, 40]].sum(axis=1) + np.random.default_rng(18).normal(0, 1, 300)
    lambdas = np.geomspace(0.5, 1e-4, 30)
    path = twas.elastic_net_path(dosages, y, mixing=mixing, lambdas=lambdas)
    for b, b0, lambda_ in zip(path.coefficients.to_numpy(), path.intercepts, lambdas, strict=True):
        assert violation(dosages, y, b, b0, lambda_, mixing, True) < 1e-7


def test_weights_follow_lambda_without_jumps():
    dosages, y = people(50, 100, np.random.default_rng(9))
    path = twas.elastic_net_path(dosages, y, n_lambdas=2000, lambda_ratio=0.05)
    assert (path.df[0], path.deviance_ratio[0]) == (0, pytest.approx(0, abs=1e-12))
    assert np.abs(np.diff(path.coefficients, axis=0)).max() < 0.01
    assert (np.diff(path.deviance_ratio) > -1e-12).all()
    among = twas.elastic_net_path(dosages, y, lambdas=path.lambdas[1234:1235])  # cold, and far down
    np.testing.assert_allclose(among.coefficients.iloc[0], path.coefficients.iloc[1234], atol=1e-6)


def test_a_path_ends_early_only_when_lambdas_are_not_given():
    dosages, y = people(200, 4, np.random.default_rng(10))
    path = twas.elastic_net_path(dosages, y)
    assert len(path.lambdas) < 100
    full = path.lambdas[0] * 1e-4 ** (np.arange(100) / 99)
    assert len(twas.elastic_net_path(dosages, y, lambdas=full).lambdas) == 100


def test_containers_and_types_of_dosages_give_the_same():
    dosages, y = people(30, 10, np.random.default_rng(11))
    path = twas.elastic_net_path(dosages, y, n_lambdas=5)
    adata = anndata.AnnData(dosages.astype(np.float32))
    shuffled = y.sample(frac=1, random_state=1)  # people are matched by name
    genes = anndata.AnnData(y.to_frame())
    for other in (
        twas.elastic_net_path(adata, y, n_lambdas=5),
        twas.elastic_net_path(dosages, shuffled, n_lambdas=5),
        twas.elastic_net_path(dosages, y.to_numpy(), n_lambdas=5),
        twas.elastic_net_path(dosages, genes, n_lambdas=5),
    ):
        np.testing.assert_allclose(other.coefficients, path.coefficients, atol=1e-9)


def test_missing_dosages_become_the_mean_with_a_notice():
    dosages, y = people(30, 10, np.random.default_rng(12))
    holes = dosages.astype(float)
    holes.iloc[[1, 5], 2] = np.nan
    with pytest.warns(UserWarning, match="2 of 300 dosages are missing and take their SNP's mean"):
        path = twas.elastic_net_path(holes, y, n_lambdas=5)
    other = twas.elastic_net_path(holes.fillna(holes.mean()), y, n_lambdas=5)
    np.testing.assert_allclose(path.coefficients, other.coefficients, atol=1e-10)


def test_snps_that_do_not_vary_have_no_weight():
    dosages, y = people(30, 10, np.random.default_rng(13))
    dosages["rs4"], dosages["rs7"] = 2, 0
    for mixing in (0.0, 0.5):
        b = twas.elastic_net_path(dosages, y, mixing=mixing, n_lambdas=5).coefficients
        assert (b[["rs4", "rs7"]] == 0).all(axis=None)
    b = twas.elastic_net_path(dosages[["rs4", "rs7"]], y, n_lambdas=3)
    assert (b.coefficients == 0).all(axis=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x, y * 0 + 3), "expression of gene 'ENSG1' is 3 in all 20 people"),
        (
            lambda x, y: (x, y.where(y.index != "p3")),
            "'ENSG1' is missing for 1 of 20 people, the first is 'p3'",
        ),
        (lambda x, y: (x, y.where(y.index != "p3", np.inf)), "1 of 20 values is infinite"),
        (lambda x, y: (x.replace(1, 9), y), "person 'p.*' has 9 of SNP 'rs"),
        (lambda x, y: (x.to_numpy(), y), "dosages are an AnnData or a DataFrame"),
        (lambda x, y: (x, y.set_axis([f"q{i}" for i in range(20)])), "nobody is in both"),
        (lambda x, y: (x, pd.concat([y, y], axis=1)), "one column is needed"),
    ],
)
def test_what_cannot_be_fitted_is_named(change, message):
    with pytest.raises(InputError, match=message):
        twas.elastic_net_path(*change(*people(20, 6, np.random.default_rng(14))))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"mixing": 2}, "mixing is the share"),
        ({"lambdas": [0.1, 0]}, "lambdas are penalties, finite and above 0"),
        ({"lambdas": "many"}, "lambdas are penalties"),
        ({"n_lambdas": 0}, "n_lambdas is the number of penalties"),
        ({"lambda_ratio": 1}, "lambda_ratio is the smallest penalty"),
    ],
)
def test_settings_that_mean_nothing_are_named(setting, message):
    with pytest.raises(InputError, match=message):
        twas.elastic_net_path(*people(20, 6, np.random.default_rng(15)), **setting)


def test_weights_for_other_snps_are_no_weights_and_the_advice_works():
    dosages, y = people(20, 6, np.random.default_rng(16))
    b = twas.elastic_net_path(dosages, y, lambdas=[0.5]).coefficients.iloc[0]
    with pytest.raises(InputError, match="no weight for SNP 'rs"):
        twas.kkt_violation(dosages, y, b[b != 0], 0.0, 0.5)
    whole = b[b != 0].reindex(dosages.columns, fill_value=0.0)
    assert twas.kkt_violation(dosages, y, whole, 0.0, 0.5) == twas.kkt_violation(dosages, y, b, 0.0, 0.5)


def test_people_without_expression_can_be_left_out_as_the_message_says():
    dosages, y = people(20, 6, np.random.default_rng(17))
    with pytest.warns(UserWarning, match="19 people are in dosages and expression"):
        path = twas.elastic_net_path(dosages, y.where(y.index != "p3").dropna(), n_lambdas=3)
    other = twas.elastic_net_path(dosages.drop("p3"), y.drop("p3"), n_lambdas=3)
    np.testing.assert_allclose(path.coefficients, other.coefficients, atol=1e-12)


def test_three_people_are_enough_for_a_path():
    dosages = pd.DataFrame([[2, 1, 0], [0, 2, 1], [2, 0, 0]], columns=["rs1", "rs2", "rs3"])
    path = twas.elastic_net_path(dosages, [0.63, 0.45, 0.70])
    b = path.coefficients.iloc[-1]
    assert b["rs1"] == pytest.approx(-b["rs3"] / 2, abs=1e-9)  # rs1 = 2 − 2 rs3: perfect LD
    assert path.deviance_ratio[-1] > 0.99
