"""What we write, MetaXcan reads: its own rules, expressed again, on our files.

The rules are those of MetaXcan 0.7.5: the SQL of its prediction models, the checks and the filling of its matrices of
covariances, and how it splits the lines of a GWAS. pytwas 0.1.0 follows the same rules.
"""

import os
import re
import sqlite3
from itertools import pairwise
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite.twas import Covariances, PredictionModel, covariances, read_covariance, read_gwas, read_model

REFERENCE = os.environ.get("SCOMICS_LITE_REFERENCE")
needs_reference = pytest.mark.skipif(not REFERENCE, reason="SCOMICS_LITE_REFERENCE is not set: no reference tables")
SNP = "SELECT rsid, gene, weight, ref_allele, eff_allele FROM weights;"
EXTRA = (
    "SELECT gene, genename, `n.snps.in.model`, `pred.perf.R2`, `pred.perf.pval`, `pred.perf.qval` FROM extra "
    "order by gene;"
)


def metaxcan_model(path, snp_key="rsid"):
    """The two queries of MetaXcan, as tuples."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(SNP.replace("rsid", snp_key)).fetchall(), connection.execute(EXTRA).fetchall()
    finally:
        connection.close()


def metaxcan_matrix(path, gene, whitelist):
    """A gene's SNPs and matrix by MetaXcan's rules: any whitespace, genes together, no row twice, NA passed over."""
    table = pd.read_csv(path, sep=r"\s+")
    genes = table["GENE"]
    assert (genes != genes.shift()).sum() == genes.nunique(), "genes must be contiguous"
    assert not table.duplicated().any(), "duplicated entries"
    rows = table[(genes == gene) & table["RSID1"].isin(whitelist) & table["RSID2"].isin(whitelist)].dropna()
    entries, snps = {}, []
    for _, one, two, value in rows.itertuples(index=False):
        entries[one, two] = entries[two, one] = float(value)
        if one not in snps:
            snps.append(one)
    return snps, np.array([[entries[a, b] for b in snps] for a in snps])


def study(seed=1, genes=3, size=5):
    """A model, dosages of its SNPs, and their covariances."""
    rng = np.random.default_rng(seed)
    snps = [f"rs{i}" for i in range(genes * size)]
    var = pd.DataFrame({"ref_allele": "A", "eff_allele": "G"}, index=snps)
    dosages = anndata.AnnData(rng.integers(0, 3, (40, len(snps))).astype(np.float32), var=var)
    weights = pd.DataFrame({"rsid": snps, "gene": np.repeat([f"ENSG{i:011}.{i}" for i in range(genes)], size)})
    weights = weights.assign(weight=rng.normal(size=len(snps)), ref_allele="A", eff_allele="G")
    model = PredictionModel(weights.assign(varID=[f"chr1_{i}_A_G_b38" for i in range(len(snps))]))
    return model, covariances(dosages, model)


def test_metaxcan_s_queries_find_our_models(tmp_path):
    model, _ = study()
    model.write(tmp_path / "model.db")
    weights, extra = metaxcan_model(tmp_path / "model.db")
    columns = ["rsid", "gene", "weight", "ref_allele", "eff_allele"]
    assert weights == list(model.weights[columns].itertuples(index=False, name=None))
    assert [row[:3] for row in extra] == [(gene, gene, 5) for gene in sorted(model.genes)]
    assert [row[3:] for row in extra] == [(None, None, None)] * 3  # NaN is what SQL calls NULL
    assert metaxcan_model(tmp_path / "model.db", "varID")[0][0][0] == "chr1_0_A_G_b38"


def test_the_schema_has_predictdb_s_types_and_indices(tmp_path):
    model, _ = study()
    model.write(tmp_path / "model.db")
    connection = sqlite3.connect(tmp_path / "model.db")
    kinds = {name: kind for _, name, kind, *_ in connection.execute("PRAGMA table_info(extra)")}
    indices = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    plan = connection.execute("EXPLAIN QUERY PLAN SELECT * FROM weights WHERE gene = 'a'").fetchall()
    connection.close()
    expected = {"gene": "TEXT", "genename": "TEXT", "n.snps.in.model": "INTEGER"}
    assert kinds == expected | dict.fromkeys(("pred.perf.R2", "pred.perf.pval", "pred.perf.qval"), "REAL")
    assert indices == {"weights_rsid", "weights_gene", "weights_rsid_gene", "extra_gene"}
    assert "weights_gene" in plan[0][-1]


@pytest.mark.parametrize("name", ["covariance.txt", "covariance.txt.gz"])
def test_metaxcan_s_rules_fill_the_same_matrices(name, tmp_path):
    model, known = study()
    known.write(tmp_path / name)
    for gene in model.genes:
        some = model.of(gene)["rsid"].tolist()[1:]
        snps, matrix = metaxcan_matrix(tmp_path / name, gene, some)
        assert snps == some
        np.testing.assert_allclose(matrix, known.matrix(gene, some), rtol=0, atol=1e-15)  # pandas misses bits


def test_covariances_that_are_not_known_are_passed_over_by_metaxcan(tmp_path):
    matrix = pd.DataFrame([[1, np.nan], [np.nan, np.nan]], index=["rs1", "rs2"], columns=["rs1", "rs2"])
    Covariances.from_matrices({"g": matrix}).write(tmp_path / "covariance.txt")
    assert metaxcan_matrix(tmp_path / "covariance.txt", "g", ["rs1", "rs2"])[0] == ["rs1"]


@needs_reference
@pytest.mark.parametrize("case", ["01_beta_se", "31_varid_nokeep", "70_gtex_v6p_wholeblood"])
def test_metaxcan_reads_the_same_from_its_own_files_and_from_our_copies(case, tmp_path):
    folder = Path(REFERENCE) / "twas" / case
    read_model(folder / "model.db").write(tmp_path / "model.db")
    assert metaxcan_model(tmp_path / "model.db") == metaxcan_model(folder / "model.db")
    read_covariance(folder / "cov.txt.gz").write(tmp_path / "cov.txt.gz")
    theirs, ours = (pd.read_csv(path, sep=r"\s+") for path in (folder / "cov.txt.gz", tmp_path / "cov.txt.gz"))
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


# --- every visible case of the reference ------------------------------------------------------------------------------

OPTIONS = {
    "--snp_column": "snp",
    "--effect_allele_column": "effect_allele",
    "--non_effect_allele_column": "non_effect_allele",
    "--beta_column": "beta",
    "--se_column": "se",
    "--or_column": "odds_ratio",
    "--pvalue_column": "pvalue",
    "--zscore_column": "zscore",
    "--beta_sign_column": "sign",
}
REFUSED = {"31_varid_nokeep": "keep_non_rsid=True", "50_beta_only": "a z-score needs"}
SAID = {
    "26_gwas_dup_snp": "5 that a later line of the same SNP and alleles replaces",
    "27_gwas_na": "7 without a z-score",
    "29_p_extreme_nofix": "2 p-value.s. of 0 are too small to give a z-score",
    "47_malformed_lines": r"line 6, 'rs1004.*decimal comma.*line 10, rs1008",
}


def cases():
    if not REFERENCE:
        return []
    folders = sorted((Path(REFERENCE) / "twas").iterdir())
    return [folder.name for folder in folders if (folder / "command.txt").exists() and list(folder.glob("gwas*"))]


def read_as_asked(case):
    """Read a case's GWAS with the options that its command gave to MetaXcan."""
    folder = Path(REFERENCE) / "twas" / case
    words = (folder / "command.txt").read_text().split()
    columns = {OPTIONS[word]: after for word, after in pairwise(words) if word in OPTIONS}
    separator = "," if "--separator" in words else None
    smallest = 0 if "--input_pvalue_fix" in words else 1e-50
    return read_gwas(
        next(folder.glob("gwas*")),
        columns=columns,
        separator=separator,
        keep_non_rsid="--keep_non_rsid" in words,
        smallest_pvalue=smallest,
    )


@needs_reference
@pytest.mark.parametrize("case", cases())
def test_every_gwas_of_the_reference_is_read_or_refused_for_a_reason(case):
    if case in REFUSED:
        with pytest.raises(ValueError, match=re.escape(REFUSED[case])):
            read_as_asked(case)
        return
    if case in SAID:
        with pytest.warns(UserWarning, match=SAID[case]):
            table = read_as_asked(case)
    else:
        table = read_as_asked(case)
    assert len(table) > 50
    assert np.isfinite(table["zscore"]).all()


@needs_reference
@pytest.mark.parametrize("case", ["02_beta_p", "03_or_p", "04_or_se", "05_zscore_only", "06_sign_p", "39_gwas_folder"])
def test_every_way_to_give_effects_leads_to_the_same_z_scores(case):
    plain, other = read_as_asked("01_beta_se"), read_as_asked(case)
    both = plain.merge(other, on=["snp", "effect_allele", "non_effect_allele"], suffixes=("", "_other"))
    assert len(both) == len(plain) == len(other)
    np.testing.assert_allclose(both["zscore_other"], both["zscore"], rtol=1e-7, atol=1e-9)
