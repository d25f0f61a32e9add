"""Covariances: computed as numpy does, read as they stand in a file whatever its layout, written without loss."""

import gzip
import os
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scomics_lite.twas import Covariances, PredictionModel, covariances, read_covariance
from scomics_lite.validation import InputError

REFERENCE = os.environ.get("SCOMICS_LITE_REFERENCE")
LINES = """GENE RSID1 RSID2 VALUE
g1 rs1 rs1 0.5
g1 rs1 rs2 -0.1
g1 rs2 rs2 0.4
g2 rs3 rs3 0.30000000000000004
"""


def written(folder, text, name="cov.txt"):
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def same(a, b):
    assert list(a.genes) == list(b.genes)
    for gene in a.genes:
        pd.testing.assert_frame_equal(a.of(gene), b.of(gene), check_exact=True)


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_gene_s_matrix_is_symmetric_and_in_the_order_of_the_file(tmp_path):
    known = read_covariance(written(tmp_path, LINES))
    assert known.genes.tolist() == ["g1", "g2"]
    assert known.snps("g1").tolist() == ["rs1", "rs2"]
    assert known.of("g1").to_numpy().tolist() == [[0.5, -0.1], [-0.1, 0.4]]
    assert known.of("g2").to_numpy().tolist() == [[0.30000000000000004]]
    assert "g1" in known
    assert "g3" not in known
    assert len(known) == 2
    assert repr(known) == "Covariances: 2 genes (g1, g2), 4 pairs of 3 SNPs"


def test_snps_may_be_asked_for_in_any_order_and_unknown_ones_are_nan(tmp_path):
    known = read_covariance(written(tmp_path, LINES))
    np.testing.assert_array_equal(known.matrix("g1", ["rs2", "rs1"]), [[0.4, -0.1], [-0.1, 0.5]])
    np.testing.assert_array_equal(known.matrix("g1", ["rs9", "rs2"]), [[np.nan, np.nan], [np.nan, 0.4]])
    np.testing.assert_array_equal(known.matrix("g9", ["rs1"]), [[np.nan]])
    assert known.matrix("g1", []).shape == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace(" ", "   "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("GENE RSID1 RSID2 VALUE", "gene rsid1 rsid2 value"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: text + "g1 rs2 rs1 -0.1\n",  # the other triangle, far from the gene's rows
        lambda text: text + "g1 rs1 rs1 0.5\n",  # a row twice
    ],
    ids=["tabs", "spaces", "returns", "small header", "no last newline", "empty lines", "both triangles", "repeated"],
)
@pytest.mark.parametrize("name", ["cov.txt", "cov.txt.gz"])
def test_layouts_mean_the_same(tmp_path, change, name):
    plain = read_covariance(written(tmp_path, LINES, "plain.txt"))
    same(read_covariance(written(tmp_path, change(LINES), name)), plain)


def test_rows_of_a_gene_may_stand_in_two_places(tmp_path):
    head, *rows = LINES.splitlines()
    moved = [rows[0], rows[3], rows[1], rows[2]]
    same(read_covariance(written(tmp_path, "\n".join([head, *moved]))), read_covariance(written(tmp_path, LINES, "b")))


def test_what_is_not_available_is_nan(tmp_path):
    text = LINES.replace("g1 rs1 rs2 -0.1\n", "").replace("0.4", "NA")
    known = read_covariance(written(tmp_path, text))
    np.testing.assert_array_equal(known.of("g1"), [[0.5, np.nan], [np.nan, np.nan]])
    assert known.problems == {}


def test_two_values_of_one_pair_are_not_known_and_said(tmp_path):
    path = written(tmp_path, LINES + "g1 rs2 rs1 0.2\ng2 rs3 rs3 0.3\n")
    with pytest.warns(UserWarning, match="two different values for SNPs rs1 and rs2 of gene g1"):
        known = read_covariance(path)
    np.testing.assert_array_equal(known.of("g1"), [[0.5, np.nan], [np.nan, 0.4]])
    assert list(known.problems) == ["g1"]  # 0.3 and 0.30000000000000004 are one number, rounded twice


@pytest.mark.skipif(not REFERENCE, reason="SCOMICS_LITE_REFERENCE is not set: no reference tables")
@pytest.mark.parametrize("case", ["20_cov_dup_row", "21_cov_noncontiguous", "22_cov_full_square"])
def test_files_that_metaxcan_refuses_or_reads_twice_hold_the_same_covariances(case):
    folder = Path(REFERENCE) / "twas"
    plain, other = (read_covariance(folder / name / "cov.txt.gz") for name in ("01_beta_se", case))
    for gene in plain.genes:
        np.testing.assert_array_equal(other.matrix(gene, plain.snps(gene)), plain.of(gene))
    assert len(other.first) == len(plain.first)
    assert not other.problems


def test_flat_rows_give_the_variance_of_a_weighted_sum(tmp_path):
    known = read_covariance(written(tmp_path, LINES))
    w = np.array([2.0, 3.0])
    i = known.genes.get_loc("g1")
    rows = slice(known.row_starts[i], known.row_starts[i + 1])
    first, second = known.first[rows], known.second[rows]
    values = known.values[rows]  # noqa: PD011 (of no DataFrame)
    flat = (w[first] * w[second] * values * np.where(first == second, 1, 2)).sum()
    assert flat == pytest.approx(w @ known.of("g1").to_numpy() @ w)
    names = known.snp_names[known.snp_codes[known.snp_starts[i] : known.snp_starts[i + 1]]]
    assert names.tolist() == known.snps("g1").tolist()


# --- writing ----------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=3, max_size=3))
def test_numbers_come_back_to_the_last_bit(tmp_path_factory, values):
    a, b, c = values
    matrix = pd.DataFrame([[a, b], [b, c]], index=["rs1", "rs2"], columns=["rs1", "rs2"])
    known = Covariances.from_matrices({"g1": matrix})
    path = tmp_path_factory.mktemp("written") / "cov.txt.gz"
    known.write(path)
    same(read_covariance(path), known)


def test_the_same_covariances_give_the_same_bytes(tmp_path):
    known = read_covariance(written(tmp_path, LINES))
    known.write(tmp_path / "a.txt.gz")
    time.sleep(1.1)  # gzip keeps whole seconds, if it keeps the time
    known.write(tmp_path / "b.txt.gz")
    assert (tmp_path / "a.txt.gz").read_bytes() == (tmp_path / "b.txt.gz").read_bytes()
    known.write(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == LINES


def test_a_file_is_replaced_only_on_request(tmp_path):
    path = written(tmp_path, LINES)
    known = read_covariance(path)
    with pytest.raises(InputError, match="overwrite=True"):
        known.write(path)
    known.write(path, overwrite=True)
    same(read_covariance(path), known)


def test_matrices_have_to_be_symmetric_tables():
    matrix = pd.DataFrame([[1.0, 0.1], [0.2, 1.0]], index=["rs1", "rs2"], columns=["rs1", "rs2"])
    with pytest.raises(InputError, match=r"gene g1 are not symmetric: 0\.1 for rs1 and rs2, 0\.2 for rs2 and rs1"):
        Covariances.from_matrices({"g1": matrix})
    with pytest.raises(InputError, match="gene g1 are no DataFrame with the same SNPs"):
        Covariances.from_matrices({"g1": matrix.rename(columns={"rs2": "rs3"})})
    with pytest.raises(InputError, match="have SNP rs1 twice"):
        Covariances.from_matrices({"g1": matrix.set_axis(["rs1", "rs1"]).set_axis(["rs1", "rs1"], axis=1)})


def test_a_gene_that_is_not_there_is_answered_with_the_nearest(tmp_path):
    known = read_covariance(written(tmp_path, LINES.replace("g1", "ENSG1.1")))
    with pytest.raises(InputError, match=r"no covariances of gene 'ENSG1\.2'; it has 'ENSG1\.1', another version"):
        known.of("ENSG1.2")


# --- files that cannot be read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("GENE RSID1 RSID2 VALUE\n", "no lines below it"),
        ("GENE RSID1 VALUE\ng1 rs1 0.5\n", "line 1: 'GENE RSID1 VALUE' stands where the header should be"),
        (LINES + "g2 rs3 rs4\n", "line 6: 'g2 rs3 rs4' has 3 field"),
        (LINES + "g2 rs3 rs4 0.1 0.2\n", "line 6: 'g2 rs3 rs4 0.1 0.2' has 5 field"),
        (LINES + "g2 rs3 rs4 abc\n", "line 6: VALUE is 'abc', where a number should be"),
        (LINES + "g2 rs3 rs4 0,1\n", "line 6: VALUE is '0,1', where a number should be"),
    ],
)
def test_a_broken_line_is_named_and_without_it_the_file_is_read(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_covariance(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    if text.startswith(LINES):
        assert len(read_covariance(written(tmp_path, LINES))) == 2


def test_a_file_that_breaks_off_is_refused(tmp_path):
    path = written(tmp_path, LINES, "cov.txt.gz")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match="breaks off or is damaged"):
        read_covariance(path)


# --- computing --------------------------------------------------------------------------------------------------------


def panel(rng, people=60, snps=6):
    var = pd.DataFrame({"ref_allele": "A", "eff_allele": "G"}, index=[f"rs{i}" for i in range(snps)])
    return anndata.AnnData(rng.integers(0, 3, (people, snps)).astype(np.float32), var=var)


def model_of(rsids, gene="g", ref="A", eff="G"):
    return PredictionModel(
        pd.DataFrame({"rsid": rsids, "gene": gene, "weight": 0.1, "ref_allele": ref, "eff_allele": eff})
    )


def test_covariances_are_numpy_s():
    dosages = panel(np.random.default_rng(1))
    known = covariances(dosages, model_of(["rs4", "rs0", "rs2"]))
    assert known.snps("g").tolist() == ["rs4", "rs0", "rs2"]
    expected = np.cov(dosages.X[:, [4, 0, 2]].astype(float), rowvar=False)
    np.testing.assert_allclose(known.of("g"), expected, rtol=1e-12)


def test_a_snp_coded_the_other_way_changes_the_sign():
    dosages = panel(np.random.default_rng(2))
    same_way = covariances(dosages, model_of(["rs0", "rs1"])).of("g").to_numpy()
    other_way = covariances(dosages, model_of(["rs0", "rs1"], ref=["A", "g"], eff=["G", "a"])).of("g").to_numpy()
    np.testing.assert_allclose(other_way, same_way * [[1, -1], [-1, 1]])
    other_strand = covariances(dosages, model_of(["rs0", "rs1"], ref=["A", "T"], eff=["G", "C"])).of("g").to_numpy()
    np.testing.assert_allclose(other_strand, same_way)


def test_a_table_of_dosages_counts_the_model_s_alleles():
    dosages = panel(np.random.default_rng(3))
    a = covariances(dosages, model_of(["rs0", "rs1"])).of("g")
    b = covariances(dosages.to_df(), model_of(["rs0", "rs1"], ref="C", eff="T")).of("g")
    pd.testing.assert_frame_equal(a, b)


def test_the_weighted_sum_is_the_variance_of_predicted_expression_where_dosages_are_missing():
    rng = np.random.default_rng(4)
    dosages = panel(rng)
    dosages.X[rng.random(dosages.shape) < 0.1] = np.nan
    known = covariances(dosages, model_of(["rs0", "rs1", "rs2"])).of("g").to_numpy()
    filled = np.where(np.isnan(dosages.X), np.nanmean(dosages.X, axis=0), dosages.X)[:, :3]
    w = np.array([1.0, -2.0, 0.5])
    assert w @ known @ w == pytest.approx((filled @ w).var(ddof=1), rel=1e-5)
    assert np.linalg.eigvalsh(known).min() > 0


def test_a_snp_without_variation_stays_with_zeros():
    dosages = panel(np.random.default_rng(5))
    dosages.X[:, 1] = 2
    dosages.X[:, 2] = np.nan
    known = covariances(dosages, model_of(["rs0", "rs1", "rs2"])).of("g").to_numpy()
    assert known[0, 0] > 0
    assert (known[1, :2] == 0).all()
    assert np.isnan(known[2]).all()  # one whose dosages are all missing is not known


def test_snps_that_the_panel_lacks_are_counted():
    dosages = panel(np.random.default_rng(6))
    model = model_of(["rs0", "rs8", "rs1", "rs9"], ["g1", "g1", "g2", "g3"], eff=["G", "G", "T", "G"])
    with pytest.warns(UserWarning, match=r"of 4 SNPs.*2 are not among the dosages \(rs8, rs9\).*1 have other alleles"):
        known = covariances(dosages, model)
    assert known.genes.tolist() == ["g1"]
    with pytest.raises(InputError, match=r"none of the model's 1 SNPs.*rs9 there, rs0, rs1, rs2 here"):
        covariances(dosages, model_of(["rs9"]))
    with pytest.raises(InputError, match="at least two people"):
        covariances(dosages[:1], model_of(["rs1"]))


def test_several_models_share_the_snps_of_a_gene():
    dosages = panel(np.random.default_rng(7))
    models = {"liver": model_of(["rs0", "rs1"]), "blood": model_of(["rs1", "rs2", "rs3"], ["g", "g", "h"])}
    known = covariances(dosages, models)
    assert known.snps("g").tolist() == ["rs0", "rs1", "rs2"]
    expected = np.cov(dosages.X[:, :3].astype(float), rowvar=False)
    np.testing.assert_allclose(known.matrix("g", ["rs0", "rs1", "rs2"]), expected, rtol=1e-12)
    same(covariances(dosages, list(models.values())), known)


def test_models_that_count_opposite_alleles_are_named_and_can_be_brought_in_line():
    dosages = panel(np.random.default_rng(8))
    models = {"liver": model_of(["rs0", "rs1"]), "blood": model_of(["rs1"], ref="G", eff="A")}
    with pytest.raises(InputError, match=r"gene g, SNP rs1: 'blood' counts allele A, 'liver' allele G.*exchange"):
        covariances(dosages, models)
    swapped = models["blood"].weights.rename(columns={"ref_allele": "eff_allele", "eff_allele": "ref_allele"})
    models["blood"] = PredictionModel(swapped.assign(weight=-swapped["weight"]))
    assert covariances(dosages, models).snps("g").tolist() == ["rs0", "rs1"]


def test_many_rows_are_read_and_found(tmp_path):
    genes, size = 1000, 20
    i, j = np.triu_indices(size)
    values = np.random.default_rng(9).normal(size=len(i)).tolist()
    parts = [
        "".join(
            f"ENSG{g:011}.1 rs{g * size + a} rs{g * size + b} {v!r}\n" for a, b, v in zip(i, j, values, strict=True)
        )
        for g in range(genes)
    ]
    path = written(tmp_path, "GENE RSID1 RSID2 VALUE\n" + "".join(parts))
    known = read_covariance(path)
    matrices = [known.matrix(gene, known.snps(gene)) for gene in known.genes]
    assert matrices[7][i, j].tolist() == values
