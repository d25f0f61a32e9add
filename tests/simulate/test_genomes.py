"""Simulated genotypes: frequencies and linkage disequilibrium as in people, Hardy-Weinberg, F_ST as asked."""

import os
from itertools import pairwise

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scomics_lite import datasets
from scomics_lite.simulate import genes, genotypes
from scomics_lite.simulate.copying import draw_alleles, draw_copying
from scomics_lite.validation import InputError

SIGMAS = 4.5  # bounds are standard errors from the sizes of the simulation


def mean_r2(matrix, position):
    """Mean r² of pairs of SNPs about 1, 10 and 100 thousand base pairs apart."""
    r2 = np.corrcoef(np.asarray(matrix, dtype=float).T) ** 2
    distance = np.abs(position[:, None] - position[None, :])
    upper = np.triu(np.ones(r2.shape, dtype=bool), 1)
    windows = [(500, 2_000), (7_000, 14_000), (70_000, 140_000)]
    return np.array([r2[upper & (distance >= low) & (distance < high)].mean() for low, high in windows])


def rarer(frequency):
    return np.minimum(frequency, 1 - frequency)


def hudson_fst(dosages, snps):
    """Ratio of averages with its correction for sample sizes (Bhatia et al. 2013)."""
    sizes = 2 * dosages.obs["population"].value_counts(sort=False).to_numpy()
    groups = dosages.obs.groupby("population", observed=True).indices.values()
    p, q = (dosages.X[rows][:, snps].mean(axis=0, dtype=float) / 2 for rows in groups)
    within = p * (1 - p) / (sizes[0] - 1) + q * (1 - q) / (sizes[1] - 1)
    return ((p - q) ** 2 - within).sum() / (p * (1 - q) + q * (1 - p)).sum()


def hardy_weinberg_pvalues(matrix):
    """Chi-squared of three genotypes against the product of allele frequencies."""
    counts = np.array([(matrix == dosage).sum(axis=0) for dosage in range(3)], dtype=float)
    p = matrix.mean(axis=0, dtype=float) / 2
    expected = len(matrix) * np.array([(1 - p) ** 2, 2 * p * (1 - p), p**2])
    return stats.chi2.sf(((counts - expected) ** 2 / expected).sum(axis=0), 1)


def test_dosages_are_the_sum_of_two_haplotypes_and_snps_say_where_and_what_they_are():
    adata = genotypes(60, 300, chromosome="7", start=5_000, rng=1)
    first, second = adata.layers["haplotype1"], adata.layers["haplotype2"]
    assert adata.X.dtype == first.dtype == np.int8
    assert set(np.unique(first)) == set(np.unique(second)) == {0, 1}
    np.testing.assert_array_equal(adata.X, first + second)
    var = adata.var
    np.testing.assert_allclose(var["frequency"], adata.X.mean(axis=0) / 2)
    assert rarer(var["frequency"]).min() >= 0.01
    assert (var["position"].diff().dropna() > 0).all()
    assert var["position"].iloc[0] > 5_000
    assert adata.var_names.is_unique
    pieces = "chr7_" + var["position"].astype(str) + "_" + var["ref_allele"] + "_" + var["eff_allele"] + "_b38"
    assert (var["varID"] == pieces).all()
    assert (var["ref_allele"] != var["eff_allele"]).all()


def test_the_same_seed_gives_the_same_people_and_another_seed_gives_others():
    one, same, other = (genotypes(30, 50, populations=["A", "B"], rng=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.layers["haplotype1"], same.layers["haplotype1"])
    pd.testing.assert_frame_equal(one.var, same.var)
    assert (one.X != other.X).any()
    np.testing.assert_array_equal(genotypes(30, 50, populations=["A", "B"], rng=np.random.default_rng(3)).X, one.X)


def test_two_thirds_of_the_snps_are_transitions_and_one_in_six_is_palindromic():
    var = genotypes(3, 20_000, rng=2).var
    pairs = var["ref_allele"] + var["eff_allele"]
    for letters, share in ((["AG", "GA", "CT", "TC"], 0.68), (["AT", "TA", "CG", "GC"], 0.16)):
        assert abs(pairs.isin(letters).mean() - share) < SIGMAS * np.sqrt(share * (1 - share) / len(pairs))


def test_new_alleles_have_the_neutral_spectrum_one_over_x():
    # 400 haplotypes; SNPs so far apart that each has a tree of its own, but for its youngest branches
    generator = np.random.default_rng(5)
    counts = []
    for _ in range(20):
        copying = draw_copying(1, [400], np.arange(200) * 300.0, generator)
        counts += [alleles.sum(axis=1) for alleles, _ in draw_alleles(copying, 200, 0.05, generator)]
    counts = np.concatenate(counts)
    # the density 1 / x between 0.05 and 0.95, in the sample as 1 / count
    expected = 1 / np.arange(20, 381)
    cuts = [20, 24, 30, 40, 60, 100, 200, 381]
    observed = np.histogram(counts, cuts)[0]
    shares = np.array([expected[low - 20 : high - 20].sum() for low, high in pairwise(cuts)])
    assert stats.chisquare(observed, shares / shares.sum() * len(counts)).pvalue > 1e-3


@pytest.mark.skipif(not os.environ.get("SCOMICS_LITE_DATA"), reason="SCOMICS_LITE_DATA is not set: no real genotypes")
def test_linkage_disequilibrium_fades_as_in_real_genotypes():
    real = datasets.load("susie_n3", progress=False)
    expected = mean_r2(real.X, real.var["position"].to_numpy())
    drawn = []
    for seed in range(4):
        adata = genotypes(574, 1_001, spacing=199, min_frequency=0.007, rng=seed)
        drawn.append(mean_r2(adata.X, adata.var["position"].to_numpy()))
    ratio = np.mean(drawn, axis=0) / expected
    assert ((ratio > 0.5) & (ratio < 2)).all()
    spectrum = np.quantile(rarer(real.var["frequency"]), [0.25, 0.5, 0.75])
    np.testing.assert_allclose(np.quantile(rarer(adata.var["frequency"]), [0.25, 0.5, 0.75]), spectrum, rtol=0.5)


def test_recombination_and_hotspots_break_haplotypes_up():
    def far(**options):
        return np.mean(
            [
                mean_r2(adata.X, adata.var["position"].to_numpy())[2]
                for seed in range(3)
                for adata in [genotypes(300, 500, spacing=500, rng=seed, **options)]
            ]
        )

    assert far(recombination=1e-4) > 2 * far(recombination=1e-3)
    adata = genotypes(50, 3_000, hotspots=1.0, spacing=100, rng=1)
    # all recombination in hotspots: between them no two SNPs can show all four combinations of alleles
    rows = np.vstack([adata.layers["haplotype1"], adata.layers["haplotype2"]])
    combinations = np.array([len(np.unique(rows[:, j] * 2 + rows[:, j + 1])) for j in range(2_999)])
    assert 0 < (combinations == 4).mean() < 0.02


def test_without_recombination_no_two_snps_show_all_four_combinations_of_alleles():
    adata = genotypes(40, 60, recombination=0, rng=1)
    haplotypes = np.vstack([adata.layers["haplotype1"], adata.layers["haplotype2"]]).astype(int)
    for one in range(60):
        for other in range(one):
            assert len(np.unique(haplotypes[:, one] * 2 + haplotypes[:, other])) < 4


def test_hardy_weinberg_holds_within_a_population_and_heterozygotes_are_rare_in_the_mixture():
    adata = genotypes(2_000, 2_000, populations=["A", "B"], fst=0.1, spacing=20_000, rng=1)
    common = rarer(adata.var["frequency"]) > 0.1
    within = adata[adata.obs["population"] == "A"][:, common].X
    within = within[:, rarer(within.mean(axis=0) / 2) > 0.1]
    calls = (hardy_weinberg_pvalues(within) < 0.05).mean()
    assert abs(calls - 0.05) < SIGMAS * np.sqrt(0.05 * 0.95 / within.shape[1])
    mixed = adata[:, common].X
    assert (hardy_weinberg_pvalues(mixed) < 0.05).mean() > 0.25
    # Wahlund: with equal halves the mixture lacks 2 (p - q)² / 4 heterozygotes
    frequencies = [adata[rows].X[:, common].mean(axis=0) / 2 for rows in np.split(np.arange(2_000), 2)]
    p = np.mean(frequencies, axis=0)
    lacking = (2 * p * (1 - p) - (mixed == 1).mean(axis=0)).mean()
    expected = ((frequencies[0] - frequencies[1]) ** 2 / 2).mean()
    assert lacking == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("fst", [0.02, 0.1, 0.2])
def test_fst_of_old_alleles_is_what_was_asked_for(fst):
    found = []
    for seed in range(6):
        adata = genotypes(1_000, 1_500, populations=["A", "B"], fst=fst, spacing=20_000, rng=seed)
        found.append(hudson_fst(adata, (adata.var["origin"] == "ancestors").to_numpy()))
    assert adata.uns["truth"]["fst"] == pytest.approx(fst, rel=0.02)
    assert abs(np.mean(found) - adata.uns["truth"]["fst"]) < SIGMAS * np.std(found, ddof=1) / np.sqrt(6)


def test_young_alleles_are_found_in_their_population_alone_and_distant_populations_share_less_disequilibrium():
    adata = genotypes(600, 1_500, populations={"A": 400, "B": 200}, spacing=300, rng=2)
    assert adata.obs["population"].value_counts().to_dict() == {"A": 400, "B": 200}
    in_a, in_b = (adata[adata.obs["population"] == name].X for name in "AB")
    of_b = (adata.var["origin"] == "B").to_numpy()
    assert of_b.sum() > 100
    assert (np.ptp(in_a[:, of_b], axis=0) == 0).all()
    assert (np.ptp(in_b[:, of_b], axis=0) > 0).all()
    both = (rarer(in_a.mean(axis=0) / 2) > 0.05) & (rarer(in_b.mean(axis=0) / 2) > 0.05)
    upper = np.triu_indices(both.sum(), 1)
    r_a, r_a2, r_b = (np.corrcoef(part[:, both].T.astype(float))[upper] for part in (in_a[:200], in_a[200:], in_b))
    assert np.corrcoef(r_a, r_a2)[0, 1] > np.corrcoef(r_a, r_b)[0, 1] + 0.1


def test_chromosomes_of_the_same_people_can_be_put_together():
    parts = [genotypes(20, 30, chromosome=name, rng=int(name)) for name in ("1", "2")]
    both = anndata.concat(parts, axis=1, merge="same")
    assert both.shape == (20, 60)
    assert both.var_names.is_unique
    assert "population" in both.obs
    with pytest.raises(InputError, match="chromosomes 1, 2; give those of one at a time"):
        genes(both, 3)
    tables = [genes(part, 3, rng=1) for part in parts]
    assert not set(tables[0].index) & set(tables[1].index)


def test_genes_lie_inside_what_the_snps_span_and_in_the_loci_asked_for():
    adata = genotypes(4, 5_000, rng=1)
    first, last = adata.var["position"].iloc[[0, -1]]
    table = genes(adata, 500, rng=1)
    assert ((table["start"] >= first) & (table["end"] <= last) & (table["end"] > table["start"])).all()
    assert table["start"].is_monotonic_increasing
    assert 15_000 < (table["end"] - table["start"]).median() < 35_000
    table = genes(adata, 11, loci=4, locus_width=100_000, rng=1)
    assert table["locus"].value_counts(sort=False).to_list() == [3, 3, 3, 2]
    middles = table.groupby("locus")[["start", "end"]].mean().mean(axis=1)
    np.testing.assert_allclose(middles.diff().dropna(), (last - first) / 4, atol=120_000)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_people": 1}, "n_people must be a whole number, 2 at least"),
        ({"n_snps": 0.5}, "n_snps must be a whole number"),
        ({"populations": "AB"}, r"give a list of names, such as \['AB', 'B'\]"),
        ({"populations": ["A", "A"]}, "a name twice"),
        ({"populations": []}, "no population"),
        ({"populations": {"A": 3, "B": 4}}, "7 people together and n_people is 10"),
        ({"populations": {"A": 10, "B": 0}}, "every population needs"),
        ({"populations": ["ancestors", "B"]}, "cannot be called 'ancestors'"),
        ({"fst": 0}, "fst must be above 0"),
        ({"chromosome": "chr1"}, "chromosome must be '1' to '22'"),
        ({"chromosome": "X"}, "chromosome must be '1' to '22'"),
        ({"spacing": 0}, "spacing must be a number from 1"),
        ({"min_frequency": 0.4}, "min_frequency must be a number from 0 to 0.05"),
        ({"recombination": -1}, "recombination must be"),
        ({"hotspots": 2}, "hotspots is a fraction"),
        ({"start": 999_999_000}, "ask for fewer SNPs, an earlier start or a spacing below 1000"),
        ({"rng": None}, "rng must be"),
    ],
)
def test_settings_that_cannot_be_are_named(changed, message):
    with pytest.raises(InputError, match=message):
        genotypes(**{"n_people": 10, "n_snps": 20, **changed})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_genes": 0}, "n_genes must be at least 1"),
        ({"loci": 9}, "loci must be 1 to n_genes, 5"),
        ({"locus_width": -1}, "locus_width is in base pairs"),
        ({"dosages": np.zeros((3, 2))}, r"dosages need var\['chromosome'\]"),
    ],
)
def test_genes_that_cannot_be_placed_are_refused(changed, message):
    with pytest.raises(InputError, match=message):
        genes(**{"dosages": genotypes(10, 20), "n_genes": 5, **changed})
