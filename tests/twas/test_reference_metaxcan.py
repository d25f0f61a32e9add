"""MetaXcan 0.7.5 on four synthetic cases that this repository holds (reference/metaxcan_*): z, effect, variance, p."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scomics_lite.twas import Covariances, PredictionModel, read_gwas, s_predixcan

FOLDER = Path(__file__).parents[1] / "reference"
PROVENANCE = json.loads((FOLDER / "metaxcan_provenance.json").read_text())
COLUMNS = {"snp": "rsid", "effect_allele": "A1", "non_effect_allele": "A2", "beta": "BETA", "se": "SE"}


def table(name):
    return pd.read_csv(FOLDER / f"metaxcan_{name}.tsv.gz", sep="\t")


@pytest.fixture(scope="module")
def covariances():
    rows = table("covariances")
    both = pd.concat([rows, rows.rename(columns={"RSID1": "RSID2", "RSID2": "RSID1"})]).drop_duplicates()
    matrices = {gene: own.pivot_table("VALUE", "RSID1", "RSID2") for gene, own in both.groupby("GENE")}
    return Covariances.from_matrices(matrices)


@pytest.mark.parametrize("name", PROVENANCE["sha256"])
def test_the_tables_are_those_that_were_made(name):
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == PROVENANCE["sha256"][name]


@pytest.mark.parametrize("case", PROVENANCE["cases"])
def test_numbers_are_metaxcan_s(case, covariances):
    rows = table("snps").query("case == @case")
    model = PredictionModel(rows[["rsid", "gene", "weight", "ref_allele", "eff_allele"]])
    known = rows.dropna(subset="BETA").drop_duplicates("rsid")
    ours = s_predixcan(read_gwas(known, columns=COLUMNS), model, covariances, progress=False)
    expected = table("results").query("case == @case").reset_index(drop=True)
    ours = ours[ours["zscore"].notna()]
    assert ours["gene"].tolist() == expected["gene"].tolist()
    # MetaXcan holds z-scores of SNPs in single precision, 6e-8: 1e-6 of a gene's, where they cancel.
    near = {"rel": 1e-6, "abs": 0}
    assert ours["zscore"].to_numpy() == pytest.approx(expected["zscore"].to_numpy(), **near)
    assert np.log(ours["pvalue"]).to_numpy() == pytest.approx(np.log(expected["pvalue"]).to_numpy(), **near)
    for name in ("effect_size", "var_g"):
        assert ours[name].to_numpy() == pytest.approx(expected[name].to_numpy(), rel=1e-12, abs=0)
    for name in ("n_snps_used", "n_snps_in_cov", "n_snps_in_model"):
        assert ours[name].tolist() == expected[name].tolist()
