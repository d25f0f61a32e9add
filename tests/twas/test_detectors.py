"""What would be silently wrong is named, with both sides' names and a way out that works."""

import warnings

import numpy as np
import pandas as pd
import pytest
from fixtures import associations

from scomics_lite.twas.associations.detectors import CONTRADICTION, STRONG, sign_conflicts
from scomics_lite.twas.associations.summary_association import s_predixcan
from scomics_lite.twas.exchange.models import PredictionModel
from scomics_lite.validation import InputError


def run(gwas, model, matrices, **kwargs):
    return s_predixcan(gwas, model, associations.covariances(matrices), progress=False, **kwargs)


def without_varids(model):
    return PredictionModel(model.weights.drop(columns="varID"), model.extra)


def test_names_that_do_not_meet_are_an_error_with_examples_of_both_sides():
    gwas, model, matrices = associations.study()
    other = gwas.assign(snp=[f"ss{i}" for i in range(len(gwas))])
    with pytest.raises(InputError) as caught:
        run(other, model, matrices)
    message = str(caught.value)
    assert message.startswith("none of the model's 11 SNPs is in the GWAS (rsid 0%, varID 0%, position 0%).")
    assert "The model calls its SNPs rs1, rs2 or chr1_1000_" in message
    assert "the GWAS calls its own ss0, ss1." in message
    assert "read_gwas(path, columns={'snp': ...})" in message


def test_places_against_rsids_are_an_error_whose_advice_works():
    gwas, model, matrices = associations.study()
    right = run(gwas, model, matrices)
    by_place = gwas.assign(snp=[f"1:{1000 * i}" for i in range(1, len(gwas) + 1)])
    with pytest.raises(InputError, match=r"The GWAS names places, and the model does not: name .* by rsid, or give"):
        run(by_place, without_varids(model), matrices)
    pd.testing.assert_frame_equal(run(by_place, model, matrices), right)


def test_places_of_another_build_are_an_error_that_says_so():
    gwas, model, matrices = associations.study()
    lifted = gwas.assign(snp=[f"1:{1000 * i + 37}" for i in range(len(gwas))])
    with pytest.raises(InputError, match=r"GWAS calls its own 1:37, 1:1037\. Both name places: .* same build"):
        run(lifted, model, matrices)


def test_few_snps_in_common_are_a_warning():
    gwas, model, matrices = associations.study(sizes=(4,) * 10)
    with pytest.warns(UserWarning, match=r"only 7.5% of the model's 40 SNPs are in the GWAS \(rsid 7.5%"):
        table = run(associations.as_read(gwas.iloc[:3]), model, matrices)
    assert table["zscore"].notna().sum() == 1


def test_places_used_in_place_of_names_are_a_warning_unless_the_names_are_places():
    gwas, model, matrices = associations.study()
    right = run(gwas, model, matrices)
    places = {"chromosome": 1, "position": 1000 * np.arange(1, len(gwas) + 1)}
    renamed = gwas.assign(snp=[f"rs9{i}" for i in range(len(gwas))], **places)
    with pytest.warns(UserWarning, match=r"do not meet \(rsid 0%, varID 0%\), and chromosome and position do for 100%"):
        table = run(renamed, model, matrices)
    pd.testing.assert_frame_equal(table, right)


def test_many_other_alleles_are_a_warning_with_an_example():
    gwas, model, matrices = associations.study()
    other = gwas.astype({"effect_allele": object})
    other.loc[:3, "effect_allele"] = "ATTT"
    with pytest.warns(UserWarning, match=r"4 of the 11 SNPs that were found \(36%\) have other alleles in the GWAS"):
        table = run(other, model, matrices)
    assert table["n_other_alleles"].sum() == 4


def test_exchanged_columns_of_alleles_are_a_warning_where_frequencies_tell():
    gwas, model, matrices = associations.study(sizes=(6,) * 8)
    rng = np.random.default_rng(8)
    p = rng.uniform(0.05, 0.95, len(gwas))
    model = PredictionModel(model.weights.assign(frequency=p))
    gwas = gwas.assign(frequency=np.clip(p + rng.normal(0, 0.1, len(p)), 0, 1))
    right = run(gwas, model, matrices)  # no warning
    # The same file with the other allele for the effect allele: effect and frequency are told for the wrong one.
    names = ["effect_allele", "non_effect_allele"]
    exchanged = gwas.rename(columns=dict(zip(names, names[::-1], strict=True)))
    with pytest.warns(UserWarning, match=r"go against each other \(correlation -0.9"):
        wrong = run(exchanged, model, matrices)
    assert wrong["zscore"].tolist() == (-right["zscore"]).tolist()
    # A file that truly reports the other allele is no reason for a warning.
    run(exchanged.assign(zscore=-gwas["zscore"], beta=-gwas["beta"], frequency=1 - gwas["frequency"]), model, matrices)
    with pytest.warns(UserWarning, match="go against each other"):
        run(gwas.assign(frequency=1 - gwas["frequency"]), model, matrices)


def test_correlations_in_place_of_covariances_are_a_warning_and_change_z():
    gwas, model, matrices = associations.study()
    right = run(gwas, model, matrices).set_index("gene")["zscore"]
    correlations = {
        gene: pd.DataFrame(associations.correlation(matrix), matrix.index, matrix.columns)
        for gene, matrix in matrices.items()
    }
    with pytest.warns(UserWarning, match="these look like correlations"):
        wrong = run(gwas, model, correlations).set_index("gene")["zscore"]
    assert wrong["g1"] == pytest.approx(right["g1"])  # of a single SNP
    assert abs(wrong["g2"] / right["g2"] - 1) > 0.01


def test_covariances_of_other_genes_are_an_error_and_versions_are_named():
    gwas, model, matrices = associations.study()
    with pytest.raises(
        InputError, match=r"none of the model's 4 genes. The model calls them g0, g1; the covariances x0"
    ):
        run(gwas, model, {f"x{i}": matrix for i, matrix in enumerate(matrices.values())})
    with pytest.raises(InputError, match="They differ by the version after the dot"):
        run(gwas, model, {f"{gene}.7": matrix for gene, matrix in matrices.items()})


def test_covariances_of_other_snps_are_an_error_whose_advice_works():
    gwas, model, matrices = associations.study()
    other = {gene: matrix.add_prefix("ss").add_prefix("ss", axis=0) for gene, matrix in matrices.items()}
    with pytest.raises(InputError, match=r"have none of the model's SNPs. The model calls them rs1, rs2 or chr1_1000"):
        run(gwas, model, other)


def test_many_snps_without_covariance_are_a_warning():
    gwas, model, matrices = associations.study()
    matrices["g2"] = matrices["g2"].iloc[2:, 2:]
    with pytest.warns(
        UserWarning, match=r"18% of the SNPs that model and GWAS share have no covariance, such as rs5 of g2"
    ):
        table = run(gwas, model, matrices)
    assert table.set_index("gene").loc["g2", ["n_snps_used", "n_snps_in_cov", "n_snps_in_model"]].tolist() == [3, 3, 5]


def test_a_clean_study_gives_no_warning():
    gwas, model, matrices = associations.study()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (run(gwas, model, matrices)["status"] == "ok").all()


def test_sign_conflicts_are_as_rare_as_promised_and_a_turned_allele_is_found():
    # Both SNPs right: -r z1 z2 > 5 has a probability below exp(-10 / (1 - r²)), 1e-12 at the least strong LD. So none.
    rng, b = np.random.default_rng(3), 100_000
    for r in (STRONG + 1e-9, 0.9, 0.99):
        z = rng.normal(size=(b, 2)) @ np.linalg.cholesky([[1, r], [r, 1]]).T
        right = np.broadcast_to(np.array([[1, r], [r, 1]]), (b, 2, 2))
        for effect in (0, 6, 30):  # of the first SNP; the second has it by LD
            real = z + effect * np.array([1, r])
            assert (sign_conflicts(real, right) < 0).all()
        turned = (z + 6 * np.array([1, r])) * [1, -1]
        found = np.mean(sign_conflicts(turned, right) == 1)
        assert found == pytest.approx(np.mean(-r * turned[:, 0] * turned[:, 1] > CONTRADICTION))
        assert found > 0.99


def test_weak_ld_is_never_in_conflict():
    assert sign_conflicts(np.array([[30.0, -30.0]]), np.array([[[1, 0.79], [0.79, 1]]])).tolist() == [-1]


def test_alleles_mixed_up_in_the_gwas_are_named_in_the_row_and_in_one_warning():
    gwas, model, matrices = associations.study(sizes=(6, 6, 6), near=0.95)
    strong = gwas.assign(zscore=np.where(gwas.index < 6, 8.0, gwas["zscore"]))
    assert (run(strong, model, matrices)["status"] == "ok").all()
    mixed = strong.assign(zscore=strong["zscore"].where(strong["snp"] != "rs3", -8.0))
    with pytest.warns(UserWarning, match=r"in 1 gene\(s\), z-scores of SNPs have the wrong signs for their LD.* in g0"):
        table = run(mixed, model, matrices).set_index("gene")
    assert "rs3" in table.loc["g0", "status"]
    assert np.isfinite(table.loc["g0", "zscore"])


def test_what_is_no_model_and_no_covariances_is_named_and_the_advice_works():
    gwas, model, matrices = associations.study()
    with pytest.raises(
        InputError, match=r"got DataFrame; a table of weights becomes one by PredictionModel\(weights\)"
    ):
        run(gwas, model.weights, matrices)
    with pytest.raises(InputError, match=r"got dict; matrices by gene become them by Covariances.from_matrices"):
        s_predixcan(gwas, model, matrices, progress=False)
    assert run(gwas, PredictionModel(model.weights), matrices)["zscore"].notna().all()


def test_nothing_on_one_side_is_an_error():
    gwas, model, matrices = associations.study()
    with pytest.raises(InputError, match="none of the model's 11 SNPs is in the GWAS"):
        run(associations.as_read(gwas.iloc[:0]), model, matrices)
    with pytest.raises(InputError, match="the covariances have none of the model's 4 genes"):
        run(gwas, model, {})
