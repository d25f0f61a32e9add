"""Correlations across genes and across people against scipy, and the share of right signs against statsmodels."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from scomics_lite.twas.sequence_models.gene_correlations import across_genes
from scomics_lite.twas.sequence_models.people_correlations import across_people, sign_share
from scomics_lite.validation import InputError


def gene_tables(n=60, seed=0):
    rng = np.random.default_rng(seed)
    observed = pd.DataFrame(rng.random((n, 2)), [f"g{i}" for i in range(n)], ["T", "B"])
    predicted = observed * [1.0, -0.5] + rng.normal(0, 0.3, (n, 2))
    split = pd.Series(np.resize(["train", "validation", "test"], n), observed.index)
    return predicted, observed, split


def people_tables(n=40, g=12, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    people, genes = [f"p{i}" for i in range(n)], [f"g{i}" for i in range(g)]
    layers = {}
    for what in ("predicted", "observed"):
        layers[what] = {name: rng.normal(size=(n, g)) for name in ("T", "B")}
    for name in ("T", "B"):
        layers["observed"][name] += np.linspace(-1, 1, g) * layers["predicted"][name]
        layers["observed"][name][rng.random((n, g)) < missing] = np.nan
    obs, var = pd.DataFrame(index=people), pd.DataFrame(index=genes)
    return [anndata.AnnData(None, obs, var, layers=layers[what], shape=(n, g)) for what in ("predicted", "observed")]


def test_correlations_across_genes_are_scipy_s():
    predicted, observed, _ = gene_tables()
    observed.iloc[3, 1] = np.nan
    table = across_genes(predicted, observed)
    for name, row in table.iterrows():
        known = observed[name].notna()
        x, y = predicted[name][known], observed[name][known]
        peer = stats.pearsonr(x, y)
        interval = peer.confidence_interval(0.95)
        wanted = [known.sum(), peer.statistic, interval.low, interval.high, stats.spearmanr(x, y).statistic]
        got = row[["n", "pearson", "pearson_low", "pearson_high", "spearman"]].astype(float)
        np.testing.assert_allclose(got, wanted, rtol=1e-9)
        assert row["spearman_low"] < row["spearman"] < row["spearman_high"]


def test_intervals_of_spearman_s_correlation_cover_the_truth():
    # of a binormal pair with correlation 0.6, Spearman's is 6/π asin(0.3)
    rng, covered, truth = np.random.default_rng(1), [], 6 / np.pi * np.arcsin(0.3)
    for _ in range(400):
        x = rng.normal(size=100)
        pair = [pd.DataFrame({"T": values}) for values in (x, 0.6 * x + 0.8 * rng.normal(size=100))]
        row = across_genes(*pair).loc["T"]
        covered.append(row["spearman_low"] < truth < row["spearman_high"])
    assert 0.92 < np.mean(covered) < 0.98


def test_genes_are_matched_by_name_and_chosen_by_the_split():
    predicted, observed, split = gene_tables()
    table = across_genes(predicted.iloc[::-1], observed[["B", "T"]], split)
    test = split == "test"
    np.testing.assert_allclose(table.loc["T", "pearson"], stats.pearsonr(predicted["T"][test], observed["T"][test])[0])
    assert (table["n"] == 20).all()
    assert across_genes(predicted, observed, split, part="train")["n"].tolist() == [20, 20]


def test_what_does_not_vary_has_no_correlation_across_genes():
    predicted, observed, _ = gene_tables()
    table = across_genes(predicted.assign(T=0.5), observed)
    assert table.loc["T"].drop("n").isna().all()
    assert across_genes(predicted[:3], observed)["pearson"].isna().all()
    assert across_genes(observed, observed)["pearson_low"].tolist() == pytest.approx([1, 1])


def test_tables_of_other_genes_are_refused():
    predicted, observed, split = gene_tables()
    with pytest.raises(InputError, match=r"no gene is in both tables: predicted has 'g0'.*observed 'x0'"):
        across_genes(predicted, observed.set_axis([f"x{i}" for i in range(60)]))
    with pytest.raises(InputError, match="no cell type is in both tables: predicted has 'T', 'B', observed 'NK'"):
        across_genes(predicted, observed[["T"]].set_axis(["NK"], axis=1))
    with pytest.raises(InputError, match="none of the 60 genes compared has the label 'test'"):
        across_genes(predicted, observed, split.replace("test", "train"))
    with pytest.raises(InputError, match="did you mean 'test'"):
        across_genes(predicted, observed, split, part="tests")
    with pytest.raises(InputError, match="observed is a DataFrame"):
        across_genes(predicted, observed.to_numpy())


def test_correlations_across_people_are_scipy_s():
    predicted, observed = people_tables()
    table = across_people(predicted, observed[::-1])
    assert len(table) == 24
    for row in table.itertuples():
        x, y = (one.to_df(layer=row.cell_type)[row.gene] for one in (predicted, observed))
        known = y.notna()
        peer = stats.linregress(x[known], y[known])
        wanted = [known.sum(), peer.rvalue, peer.pvalue, x[known].std(), y[known].std()]
        got = [row.n, row.correlation, row.pvalue, row.sd_predicted, row.sd_observed]
        np.testing.assert_allclose(got, wanted, rtol=1e-9)
        np.testing.assert_allclose(row.se, np.sqrt((1 - peer.rvalue**2) / (known.sum() - 2)), rtol=1e-9)
        assert row.right_sign == (peer.rvalue > 0)
        assert row.status == "ok"


def test_a_table_without_layers_is_compared_with_every_layer():
    predicted, observed = people_tables()
    table = across_people(predicted, observed.to_df(layer="T"))
    whole = across_people(predicted, observed)
    assert table["cell_type"].unique().tolist() == ["T", "B"]
    pd.testing.assert_frame_equal(table[:12], whole[:12])
    alone = across_people(predicted.to_df(layer="T"), observed.to_df(layer="T"))
    assert alone["cell_type"].isna().all()
    pd.testing.assert_series_equal(alone["correlation"], whole["correlation"][:12])


def test_genes_that_cannot_be_correlated_are_rows_with_a_status():
    predicted, observed = people_tables(missing=0)
    predicted.layers["T"][:, 0] = 1 / 3
    observed.layers["T"][:, 1] = 7.1
    observed.layers["T"][2:, 2] = np.nan
    table = across_people(predicted, observed).query("cell_type == 'T'")
    assert table["status"][:4].tolist() == ["constant prediction", "constant expression", "too few people", "ok"]
    assert table.loc[:2, ["correlation", "se", "pvalue", "right_sign"]].isna().all(axis=None)
    assert sign_share(table).loc["T", "genes"] == 9


def test_people_genes_and_cell_types_are_matched_by_name():
    predicted, observed = people_tables()
    with pytest.raises(InputError, match="nobody is in both"):
        across_people(predicted, observed.to_df(layer="T").set_axis([f"x{i}" for i in range(40)]))
    with pytest.raises(InputError, match="no gene is in both: predicted has 'g0', 'g1', 'g2' …, observed 'x0'"):
        across_people(predicted, observed.to_df(layer="T").set_axis([f"x{i}" for i in range(12)], axis=1))
    del observed.layers["T"]
    with pytest.warns(UserWarning, match="1 cell types are in one of predicted and observed only and left out: 'T'"):
        assert across_people(predicted, observed)["cell_type"].unique().tolist() == ["B"]
    del predicted.layers["B"]
    with pytest.raises(InputError, match="no cell type is in both: predicted has layers 'T', observed 'B'"):
        across_people(predicted, observed)


def test_the_share_of_right_signs_has_wilson_s_interval_and_a_binomial_test():
    table = across_people(*people_tables(g=60))
    shares = sign_share(table, pvalue=0.1)
    for name, row in shares.iterrows():
        judged = table[(table["cell_type"] == name) & (table["pvalue"] <= 0.1)]
        right = int((judged["correlation"] > 0).sum())
        assert (row["genes"], row["judged"], row["right"]) == (60, len(judged), right)
        low, high = proportion_confint(right, len(judged), method="wilson")
        peer = stats.binomtest(right, len(judged))
        np.testing.assert_allclose(
            row[["share", "low", "high", "pvalue"]].astype(float), [right / len(judged), low, high, peer.pvalue]
        )
        np.testing.assert_allclose(tuple(peer.proportion_ci(method="wilson")), (low, high))


def test_genes_of_low_heritability_are_not_judged():
    table = across_people(*people_tables())
    heritability = pd.Series(np.linspace(0, 0.11, 12), [f"g{i}" for i in range(12)])
    shares = sign_share(table, heritability=heritability, least=0.055)
    chosen = table[table["gene"].isin([f"g{i}" for i in range(6, 12)])]
    assert shares["judged"].tolist() == [6, 6]
    assert shares["right"].sum() == (chosen["correlation"] > 0).sum()
    by_cell_type = pd.DataFrame({"T": heritability, "B": heritability[::-1].to_numpy()})
    assert sign_share(table, heritability=by_cell_type, least=0.055)["judged"].tolist() == [6, 6]
    with pytest.raises(InputError, match="heritability has no column 'T'"):
        sign_share(table, heritability=by_cell_type[["B"]])
    with pytest.raises(InputError, match="no gene of the table has a heritability"):
        sign_share(table, heritability=heritability.add_prefix("x"))


def test_shares_of_nothing_are_missing_and_other_tables_are_refused():
    table = across_people(*people_tables())
    none = sign_share(table, pvalue=1e-300)
    assert none["judged"].tolist() == [0, 0]
    assert none[["share", "low", "high", "pvalue"]].isna().all(axis=None)
    with pytest.raises(InputError, match="the table has no column 'right_sign'"):
        sign_share(table.drop(columns="right_sign"))
    with pytest.raises(InputError, match="pvalue is above 0 and at most 1; got 5"):
        sign_share(table, pvalue=5)
