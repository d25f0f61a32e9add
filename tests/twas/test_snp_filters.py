"""The exact Hardy-Weinberg test agrees with enumeration and with PLINK; filters give every reason."""

import math
from fractions import Fraction
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, special

from scomics_lite.twas import filter_snps, genotype_counts, hardy_weinberg
from scomics_lite.validation import InputError

PLINK = Path(__file__).parents[1] / "reference" / "plink_hardy.tsv.gz"


def enumerated(hom, het, other):
    """The p-value by whole numbers: ways to put n people into genotypes, 2^h for the two orders of a heterozygote."""
    n, copies = hom + het + other, 2 * hom + het
    ways = {}
    for h in range(copies % 2, min(copies, 2 * n - copies) + 1, 2):
        ways[h] = math.comb(n, h) * math.comb(n - h, (copies - h) // 2) * 2**h
    assert sum(ways.values()) == math.comb(2 * n, copies)
    return float(Fraction(sum(one for one in ways.values() if one <= ways[het]), sum(ways.values())))


def by_gamma(hom, het, other):
    """The same by logarithms of factorials, for numbers of people that whole numbers are too slow for."""
    n, copies = hom + het + other, 2 * hom + het
    h = np.arange(copies % 2, min(copies, 2 * n - copies) + 1, 2)
    first = (copies - h) // 2
    logs = special.gammaln(n + 1) - special.gammaln(first + 1) - special.gammaln(h + 1)
    logs += h * math.log(2) - special.gammaln(n - h - first + 1)
    logs -= special.gammaln(2 * n + 1) - special.gammaln(copies + 1) - special.gammaln(2 * n - copies + 1)
    return np.exp(logs[logs <= logs[h == het] + 1e-6]).sum()


def test_all_genotypes_of_a_few_people_agree_with_enumeration():
    cases = [(hom, het, n - hom - het) for n in (1, 2, 5, 13, 30) for hom in range(n + 1) for het in range(n - hom + 1)]
    np.testing.assert_allclose(
        hardy_weinberg(*np.array(cases).T), [enumerated(*case) for case in cases], rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("frequency", [0.001, 0.02, 0.3, 0.5])
def test_thousands_of_people_agree_with_enumeration(frequency):
    n = 3_000
    draws = np.random.default_rng(1).multinomial(
        n, [(1 - frequency) ** 2, 2 * frequency * (1 - frequency), frequency**2], 6
    )
    # the last ones lack heterozygotes, or have too many
    shifted = draws + np.outer([0, 0, 0, 1, 20, -1], [1, -2, 1])
    cases = [case for case in shifted.tolist() if min(case) >= 0]
    np.testing.assert_allclose(hardy_weinberg(*np.array(cases).T), [enumerated(*case) for case in cases], rtol=1e-10)


@pytest.mark.parametrize("frequency", [0.00001, 0.001, 0.1, 0.5])
@pytest.mark.parametrize("lack", [0, 0.004, -0.004])
def test_half_a_million_people(frequency, lack):
    expected = 2 * frequency * (1 - frequency)
    n = 500_000
    hom = round(n * max(frequency - expected * (1 - lack) / 2, 0))
    het = round(2 * n * frequency) - 2 * hom
    case = n - het - hom, het, hom
    p = hardy_weinberg(*case)
    assert p == pytest.approx(by_gamma(*case), rel=2e-7)
    assert hardy_weinberg(*case[::-1]) == p


def test_the_ends_of_the_range():
    assert hardy_weinberg([100, 0, 0], [0, 0, 0], [0, 500_000, 0]).tolist() == [1, 1, 1]  # one allele, or nobody
    assert hardy_weinberg(99, 1, 0) == 1
    n = 500_000
    assert 0 <= hardy_weinberg(n // 2, 0, n // 2) < 1e-300
    assert 0 <= hardy_weinberg(0, n, 0) < 1e-300
    p = hardy_weinberg(1_000, 0, 1)  # one person with both copies: three or one of 2,001 choose 2
    assert p == pytest.approx(1 / (2 * 1_001 - 1), rel=1e-12)


def test_a_null_test_is_not_too_often_positive():
    draws = np.random.default_rng(2).multinomial(2_000, [0.36, 0.48, 0.16], size=20_000)
    p = hardy_weinberg(*draws.T)
    for level in (0.05, 0.01, 0.001):
        assert (p <= level).mean() < level + 3 * np.sqrt(level / 20_000)
    assert (p <= 0.05).mean() > 0.04


def test_plink_gives_the_same_p_values():
    table = pd.read_csv(PLINK, sep="\t")
    genotypes = table["genotypes"].str.split("/", expand=True).astype(int)
    assert genotypes.sum(axis=1).max() == 100_000
    # PLINK writes four digits, and 0 where we give an upper bound
    np.testing.assert_allclose(hardy_weinberg(*genotypes.to_numpy().T), table["p"], rtol=5.1e-4, atol=1e-300)
    assert (table["p"] < 1e-10).any()


def test_series_keep_their_names_and_what_is_no_count_is_refused():
    counts = pd.DataFrame({"AA": [5, 1], "AB": [1, 0], "BB": [0, 4]}, index=["rs1", "rs2"])
    p = hardy_weinberg(counts["AA"], counts["AB"], counts["BB"])
    assert p.index.tolist() == ["rs1", "rs2"]
    for bad in (-1, 0.5, np.nan):
        with pytest.raises(InputError, match=r"whole numbers, 0 or more; got"):
            hardy_weinberg([5], [bad], [1])
    with pytest.raises(InputError, match=r"as many counts each; got shapes \(2,\), \(3,\)"):
        hardy_weinberg([5, 1], [1, 2, 3], [1, 2])


# --- filters ----------------------------------------------------------------------------------------------------------


def study():
    """A hundred people: a good SNP, and one for each rule."""
    X = np.tile([[1.0]], (100, 6)).astype(np.float32)
    good = np.repeat([0, 1, 2], [49, 42, 9])
    X[:, 0], X[:, 4], X[:, 5] = good, good, good
    X[:, 1] = np.repeat([0, 1], [98, 2])  # frequency 0.01 exactly
    X[:, 2] = np.repeat([0, 2], [60, 40])  # no heterozygote
    X[:, 3] = 2
    X[:5, 4] = np.nan
    var = pd.DataFrame({"ref_allele": list("AAAAAA"), "eff_allele": ["C", "G", "C", "AT", "g", "t"]})
    var.index = ["good", "rare", "unbalanced", "constant", "unknown", "ambiguous"]
    return anndata.AnnData(X, obs=pd.DataFrame(index=[f"p{i}" for i in range(100)]), var=var)


def test_each_rule_is_named():
    table = filter_snps(study())
    assert table.columns.tolist() == ["frequency", "hwe_pvalue", "missing", "keep", "reason"]
    assert table.index[table["keep"]].tolist() == ["good"]
    assert table["reason"].to_dict() == {
        "good": "",
        "rare": "rare: its rarer allele has frequency 0.01",
        "unbalanced": "out of Hardy-Weinberg equilibrium: p = 8.3e-30",
        "constant": "all people have the same allele",
        "unknown": "missing in 5% of people",
        "ambiguous": "ambiguous strand: its alleles are complements",
    }
    assert table.loc["good", "frequency"] == pytest.approx(0.3)
    assert table.loc["unbalanced", "hwe_pvalue"] == hardy_weinberg(60, 0, 40)


def test_all_reasons_are_given():
    dosages = study()
    dosages.X[:10, 1] = np.nan
    dosages.var.loc["rare", "eff_allele"] = "T"
    reason = filter_snps(dosages).loc["rare", "reason"]
    assert reason == "missing in 10% of people; ambiguous strand: its alleles are complements"


def test_rules_can_be_left_out_and_a_snp_on_the_line_is_dropped():
    everything = filter_snps(study(), maf=None, hwe=None, missing=None, ambiguous=False)
    assert everything["keep"].all()
    assert filter_snps(study(), maf=0.0099)["keep"].tolist() == [True, True, False, False, False, False]
    assert filter_snps(study(), missing=0.0501)["keep"].tolist() == [True, False, False, False, True, False]


def test_without_alleles_the_rule_about_them_is_refused_and_the_way_out_works():
    table = study().to_df()
    with pytest.raises(InputError, match=r"ambiguous=False"):
        filter_snps(table)
    assert filter_snps(table, ambiguous=False)["keep"].sum() == 2
    dosages = study()
    dosages.var["eff_allele"] = None
    with pytest.raises(InputError, match=r"without alleles nobody can tell"):
        filter_snps(dosages)
    dosages.var.loc["good", "eff_allele"] = "C"
    table = filter_snps(dosages)
    assert table.loc["ambiguous", "reason"] == "its alleles are not known"
    assert table.index[table["keep"]].tolist() == ["good"]


def test_small_integers_sparse_matrices_and_tables_give_the_same():
    X = study().X[:, [0, 1, 2, 3, 5]]
    forms = [X, X.astype(np.int8), sparse.csr_matrix(X), np.asfortranarray(X.astype(np.float64))]
    tables = [genotype_counts(anndata.AnnData(form)) for form in forms]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0])
    assert tables[0][["no_copy", "one_copy", "two_copies", "missing"]].to_numpy().tolist()[:2] == [
        [49, 42, 9, 0],
        [98, 2, 0, 0],
    ]


def test_imputed_dosages_are_counted_as_the_nearest_genotype_and_their_frequency_is_not_rounded():
    table = genotype_counts(pd.DataFrame({"rs1": [0.4, 0.6, 1.4, 1.6, 2.0]}))
    assert table.loc["rs1"].tolist() == [1, 2, 2, 0, pytest.approx(0.6)]


def test_a_snp_of_nobody():
    table = filter_snps(pd.DataFrame({"rs1": [np.nan, np.nan], "rs2": [0.0, 1.0]}), ambiguous=False)
    assert table.loc["rs1", "reason"] == "no genotype is known; missing in 100% of people"


def test_what_is_no_dosage_is_named():
    X = study().to_df()
    centred = X - X.mean()
    with pytest.raises(InputError, match=r"person 'p0' has -0\.6 of SNP 'good'.*twice the allele frequency"):
        genotype_counts(centred)
    np.testing.assert_allclose(genotype_counts(centred + X.mean())["frequency"], X.mean() / 2)
    with pytest.raises(InputError, match=r"people x SNPs, which names both; got a ndarray"):
        genotype_counts(X.to_numpy())
    with pytest.raises(InputError, match=r"column 'name' is not.*table\.set_index\('name'\)"):
        genotype_counts(X.assign(name="x"))
    with pytest.raises(InputError, match=r"each SNP has one id, but 'good' comes 2 times \(1 such ids\)"):
        genotype_counts(X.iloc[:, [0, 0, 1]])


@pytest.mark.parametrize(
    ("name", "value"), [("maf", 0.6), ("maf", "0.01"), ("hwe", -1), ("missing", 5), ("missing", 0)]
)
def test_thresholds_that_mean_nothing_are_refused(name, value):
    with pytest.raises(InputError, match=rf"{name}"):
        filter_snps(study(), **{name: value})


def test_a_mixture_of_populations_fails_the_test_that_each_of_them_passes():
    rng = np.random.default_rng(4)
    parts = [pd.DataFrame({"rs1": rng.binomial(2, q, 500).astype(float)}) for q in (0.1, 0.9)]
    assert all(filter_snps(part, ambiguous=False)["keep"].all() for part in parts)
    mixed = filter_snps(pd.concat(parts, ignore_index=True), ambiguous=False)
    assert "equilibrium" in mixed.loc["rs1", "reason"]
