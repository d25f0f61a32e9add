"""Dosages read from PLINK and VCF files are those that PLINK and bcftools give, of the allele that is named."""

import gzip
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scomics_lite import datasets
from scomics_lite.twas import genotype_counts, hardy_weinberg, read_plink, read_vcf, write_plink
from scomics_lite.twas.genotypes import vcf_files
from scomics_lite.validation import InputError

REFERENCE = Path(__file__).parents[1] / "reference"
VCF = REFERENCE / "genotypes.vcf.gz"
DATA = os.environ.get("SCOMICS_LITE_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SCOMICS_LITE_DATA is not set: the real data sets are not here")


def by_plink():
    """People × SNPs, and the counted allele and its frequency, as PLINK wrote them."""
    table = pd.read_csv(REFERENCE / "genotypes_plink.tsv.gz", sep="\t")
    table[["snp", "allele"]] = table["snp_allele"].str.split("_", expand=True)
    dosages = wide(table, "IID", "snp", "copies")
    return dosages, table.drop_duplicates("snp").set_index("snp")[["allele", "frequency"]]


def by_bcftools():
    table = pd.read_csv(REFERENCE / "genotypes_bcftools.tsv.gz", sep="\t", dtype=str)
    alleles = table["genotype"].str.split("[|/]", expand=True).replace(".", np.nan).astype(float)
    table["haplotype1"], table["haplotype2"], table["copies"] = (
        alleles[0],
        alleles[1],
        alleles.sum(axis=1, skipna=False),
    )
    return table


def wide(table, people, snps, column):
    """One row a person: what pivot does, and pivot_table, which leaves out the missing, does not."""
    return pd.concat({snp: part.set_index(people)[column] for snp, part in table.groupby(snps)}, axis=1)


# --- PLINK ------------------------------------------------------------------------------------------------------------


def test_plink_counts_the_same_allele_as_plink_itself():
    adata = read_plink(REFERENCE / "genotypes")
    dosages, counted = by_plink()
    assert adata.shape == (13, 40)
    assert adata.X.dtype == np.float32
    assert np.isnan(adata.X).sum() > 10
    pd.testing.assert_frame_equal(
        adata.to_df()[dosages.columns], dosages, check_names=False, check_dtype=False, check_index_type=False
    )
    assert adata.var["eff_allele"].to_dict() == counted["allele"].to_dict()
    frequency = genotype_counts(adata)["frequency"]
    np.testing.assert_allclose(frequency, counted.loc[frequency.index, "frequency"], atol=5.1e-5)
    assert frequency.max() <= 0.5  # PLINK makes the rarer one allele 1


def test_plink_and_vcf_tell_the_same_of_each_allele():
    plink, vcf = read_plink(REFERENCE / "genotypes"), read_vcf(VCF)
    assert plink.var_names.equals(vcf.var_names)
    same = (plink.var["eff_allele"] == vcf.var["eff_allele"]).to_numpy()
    assert 0 < same.sum() < 40
    turned = (plink.var["eff_allele"] == vcf.var["ref_allele"]).to_numpy()
    assert (same | turned).all()
    np.testing.assert_array_equal(plink.X, np.where(same, vcf.X, 2 - vcf.X))
    pd.testing.assert_frame_equal(plink.var[["chromosome", "position"]], vcf.var[["chromosome", "position"]])
    assert vcf.var["chromosome"].unique().tolist() == ["19", "20"]


def test_snps_and_people_come_in_the_order_that_was_asked_for():
    everything = read_plink(f"{REFERENCE}/genotypes.bed").to_df()
    some = read_plink(REFERENCE / "genotypes", snps=["rs7", "rs2"], people=["NA03", "NA01", "NA13"]).to_df()
    pd.testing.assert_frame_equal(some, everything.loc[["NA03", "NA01", "NA13"], ["rs7", "rs2"]])
    with pytest.warns(UserWarning, match=r"1 of 2 SNPs are not there, the first 'rs99'"):
        assert read_plink(REFERENCE / "genotypes", snps=["rs99", "rs1"]).var_names.tolist() == ["rs1"]
    with pytest.raises(
        InputError, match=r"none of the SNPs: '19:1000' is the first of 1 wanted, 'rs1' the first in the"
    ):
        read_plink(REFERENCE / "genotypes", snps="19:1000")
    with pytest.raises(InputError, match=r"the people to read name 'NA01' twice"):
        read_plink(REFERENCE / "genotypes", people=["NA01", "NA01"])


def study(n=9, m=5, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.binomial(2, 0.3, (n, m)).astype(np.float32)
    X[rng.random((n, m)) < 0.2] = np.nan
    var = pd.DataFrame({"chromosome": "1", "position": np.arange(m) * 10 + 5, "ref_allele": "A", "eff_allele": "G"})
    obs = pd.DataFrame({"family": pd.Categorical([f"f{i % 3}" for i in range(n)]), "father": "0", "mother": "0"})
    obs["sex"] = pd.Categorical.from_codes(np.resize([0, 1, -1], n), ["male", "female"])
    obs["phenotype"] = rng.normal(size=n).round(4)
    return anndata.AnnData(
        X, obs=obs.set_axis([f"p{i}" for i in range(n)]), var=var.set_axis([f"rs{i}" for i in range(m)])
    )


@pytest.mark.parametrize("n", [1, 4, 5, 9, 64])
def test_what_is_written_is_read_again(n, tmp_path):
    before = study(n)
    write_plink(before, tmp_path / "study.bed")
    after = read_plink(tmp_path / "study")
    np.testing.assert_array_equal(after.X, before.X)
    pd.testing.assert_frame_equal(after.var, before.var)
    pd.testing.assert_frame_equal(after.obs, before.obs, check_categorical=n > 2)


def test_plink_reads_what_is_written(tmp_path):
    if shutil.which("plink1.9") is None:
        pytest.skip("plink1.9 is not installed")
    before = study()
    write_plink(before, tmp_path / "study")
    subprocess.run(["plink1.9", "--bfile", "study", "--recode", "A"], cwd=tmp_path, check=True, capture_output=True)
    table = pd.read_csv(tmp_path / "plink.raw", sep=" ", index_col="IID")
    np.testing.assert_array_equal(table[[f"rs{i}_G" for i in range(5)]], before.X)
    np.testing.assert_allclose(table["PHENOTYPE"], before.obs["phenotype"])


def test_what_the_format_cannot_hold_is_refused_and_the_advice_works(tmp_path):
    imputed = study()
    imputed.X[2, 1] = 0.25
    with pytest.raises(InputError, match=r"person 'p2' has 0\.25 of SNP 'rs1'.*dosages\.X\.round\(\)"):
        write_plink(imputed, tmp_path / "study")
    imputed.X = imputed.X.round()
    write_plink(imputed, tmp_path / "study")
    with pytest.raises(InputError, match=r"whose var has chromosome, position, ref_allele and eff_allele"):
        write_plink(imputed.to_df(), tmp_path / "study")
    spaced = study()
    spaced.obs_names = [f"person {i}" for i in range(9)]
    with pytest.raises(InputError, match=r"none can be in iid 'person 0'"):
        write_plink(spaced, tmp_path / "study")
    unknown = study()
    unknown.var["eff_allele"] = None
    write_plink(unknown, tmp_path / "study")
    assert set(read_plink(tmp_path / "study").var["eff_allele"]) == {"0"}


def fam(tmp_path, phenotypes, families="abc", people="xyz"):
    X = study(3)
    write_plink(X, tmp_path / "study")
    lines = [f"{family} {who} 0 0 0 {value}" for family, who, value in zip(families, people, phenotypes, strict=True)]
    (tmp_path / "study.fam").write_text("\n".join(lines) + "\n")
    return tmp_path / "study"


def test_phenotypes_are_read_by_plink_s_rule(tmp_path):
    def read(*phenotypes):
        return read_plink(fam(tmp_path, phenotypes)).obs["phenotype"].fillna(-99).tolist()

    assert read(1, 2, 0) == [1, 2, -99]
    assert read(1, 2, -9) == [1, 2, -99]
    assert read(0.0, 1.5, -9) == [0, 1.5, -99]  # a quantitative trait may be 0
    assert read("NA", "nan", "2") == [-99, -99, 2]
    assert read(-9, -9, -9) == read(0, 0, 0) == [-99] * 3
    with pytest.warns(UserWarning, match=r"phenotypes are 0 and 1 and are kept so"):
        assert read(0, 1, -9) == [0, 1, -99]
    with pytest.raises(InputError, match=r"study\.fam, line 2: phenotype 'case' is no number"):
        read(1, "case", 2)


def test_people_of_the_same_name_are_told_apart_by_family_or_refused(tmp_path):
    with pytest.warns(UserWarning, match=r"person 'x' is in several families; people are called family_person"):
        adata = read_plink(fam(tmp_path, "121", people="xyx"))
    assert adata.obs_names.tolist() == ["a_x", "b_y", "c_x"]
    with pytest.raises(InputError, match=r"lines 1 and 3 name the same person of the same family, 'x'"):
        read_plink(fam(tmp_path, "121", families="aba", people="xyx"))


def bim(tmp_path, *lines):
    write_plink(study(4, len(lines)), tmp_path / "study")
    (tmp_path / "study.bim").write_text("\n".join(lines) + "\n")
    return tmp_path / "study"


def test_snps_without_an_id_or_with_a_shared_one_are_called_by_place_and_alleles(tmp_path):
    lines = ["chr1 rs1 0 10 A C", "1 . 0 20 G T", "1 rs5 0 30 A G", "1 rs5 0 30 A T"]
    said = r"study\.bim: 1 variants have no id and 2 share theirs with another, the first 'rs5'.*such as '1:20:T:G'"
    with pytest.warns(UserWarning, match=said):
        adata = read_plink(bim(tmp_path, *lines))
    assert adata.var_names.tolist() == ["rs1", "1:20:T:G", "1:30:G:A", "1:30:T:A"]
    assert adata.var["id_in_file"].tolist() == ["rs1", ".", "rs5", "rs5"]
    with pytest.warns(UserWarning, match="share"):
        assert read_plink(tmp_path / "study", snps=["1:30:T:A"]).shape == (4, 1)
    with pytest.raises(InputError, match=r"variant '1:20:T:G' comes more than once, variants 2 and 4 of the file"):
        read_plink(bim(tmp_path, *lines[:3], lines[1]))


@needs_data
def test_the_real_example_is_read_as_the_data_set_and_tested_as_by_plink(tmp_path):
    prefix = Path(DATA) / "bigsnpr_example" / "example"
    adata = read_plink(prefix)
    np.testing.assert_array_equal(adata.X, datasets.load("bigsnpr_example").X)
    assert adata.obs["phenotype"].unique().tolist() == [1, 2]
    if shutil.which("plink1.9") is None:
        pytest.skip("plink1.9 is not installed")
    subprocess.run(
        ["plink1.9", "--bfile", str(prefix), "--hardy", "--freq", "--out", "x"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    table, counts = pd.read_csv(tmp_path / "x.hwe", sep=r"\s+").set_index("SNP"), genotype_counts(adata)
    table = table[table["TEST"].str.startswith("ALL")]
    p = hardy_weinberg(counts["two_copies"], counts["one_copy"], counts["no_copy"])
    np.testing.assert_allclose(p, table.loc[p.index, "P"], rtol=5.1e-4)
    frequency = pd.read_csv(tmp_path / "x.frq", sep=r"\s+").set_index("SNP").loc[counts.index, "MAF"]
    np.testing.assert_allclose(counts["frequency"], frequency, rtol=5.1e-4)


# --- VCF --------------------------------------------------------------------------------------------------------------


def test_a_vcf_file_gives_the_genotypes_that_bcftools_gives():
    adata, table = read_vcf(VCF), by_bcftools()
    pd.testing.assert_frame_equal(
        adata.to_df(),
        wide(table, "person", "id", "copies").loc[adata.obs_names, adata.var_names],
        check_names=False,
        check_dtype=False,
    )
    sites = table.drop_duplicates("id").set_index("id")
    for ours, theirs in (("ref_allele", "ref"), ("eff_allele", "alt")):
        assert adata.var[ours].to_dict() == sites[theirs].to_dict()
    assert (adata.var["position"] == sites["position"].astype(int)).all()
    assert "ACT" in set(adata.var["ref_allele"])
    assert adata.uns["field"] == "GT"
    assert not adata.layers  # not all are phased


def test_a_region_needs_an_index_and_gives_its_variants(tmp_path):
    part = read_vcf(VCF, region="chr19:3000-5000")
    assert part.var_names.tolist() == ["rs3", "rs4", "rs5"]
    np.testing.assert_array_equal(part.X, read_vcf(VCF)[:, part.var_names].X)
    assert read_vcf(VCF, region="chr20").n_vars == 15
    with pytest.raises(InputError, match=r"no chromosome '19'; did you mean 'chr19'\? Known: chr19, chr20"):
        read_vcf(VCF, region="19:3000-5000")
    with pytest.raises(InputError, match=r"no record in region 'chr19:1-2'; are its positions of another genome build"):
        read_vcf(VCF, region="chr19:1-2")
    with pytest.raises(InputError, match=r"region is a text such as '19'"):
        read_vcf(VCF, region="chr19 3000 5000")
    plain = unpacked(tmp_path)
    with pytest.raises(InputError, match=r"needs an index.*bcftools index --tbi .*The file has to be packed.*bgzip"):
        read_vcf(plain, region="chr19")


def unpacked(tmp_path, change=lambda text: text):
    path = tmp_path / "study.vcf"
    path.write_text(change(gzip.decompress(VCF.read_bytes()).decode()))
    return path


def test_plain_gzipped_and_bgzipped_files_give_the_same(tmp_path):
    plain, expected = unpacked(tmp_path), read_vcf(VCF)
    (tmp_path / "study.vcf.gz").write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, tmp_path / "study.vcf.gz"):
        adata = read_vcf(path)
        np.testing.assert_array_equal(adata.X, expected.X)
        pd.testing.assert_frame_equal(adata.var, expected.var)


def test_the_binary_form_gives_the_same(tmp_path):
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    subprocess.run(["bcftools", "view", "-Ob", "-o", str(tmp_path / "study.bcf"), str(VCF)], check=True)
    np.testing.assert_array_equal(read_vcf(tmp_path / "study.bcf").X, read_vcf(VCF).X)


def test_chunks_do_not_show(monkeypatch):
    whole = read_vcf(VCF)
    monkeypatch.setattr(vcf_files, "CHUNK", 13 * 7)
    np.testing.assert_array_equal(read_vcf(VCF).X, whole.X)


HEADER = ["##fileformat=VCFv4.2", "##contig=<ID=1>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="">']
HEADER += ['##FORMAT=<ID=DS,Number=A,Type=Float,Description="">', "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT A B C"]


def vcf(tmp_path, *records):
    """A file of three people; records come as ``id ref alt format genotypes``."""
    lines = list(HEADER)
    for number, record in enumerate(records, start=1):
        name, ref, alt, rest = record.split(maxsplit=3)
        lines.append(f"1 {100 * number} {name} {ref} {alt} . . . {rest}")
    path = tmp_path / "small.vcf"
    path.write_text("\n".join(lines).replace(" ", "\t") + "\n")
    return path


def test_haplotypes_are_layers_where_all_are_phased(tmp_path, monkeypatch):
    records = ["rs1 A G GT 0|1 1|1 0|0", "rs2 C T GT 1|0 0|1 1|1"]
    monkeypatch.setattr(vcf_files, "CHUNK", 1)
    adata = read_vcf(vcf(tmp_path, *records))
    assert adata.layers["haplotype1"].tolist() == [[0, 1], [1, 0], [0, 1]]
    assert adata.layers["haplotype2"].tolist() == [[1, 0], [1, 1], [0, 1]]
    np.testing.assert_array_equal(adata.layers["haplotype1"] + adata.layers["haplotype2"], adata.X)
    for genotype in ("0/1", ".|.", "./."):
        adata = read_vcf(vcf(tmp_path, *records, f"rs3 A G GT 0|1 1|1 {genotype}"))
        assert not adata.layers
        assert adata.shape == (3, 3)


def test_homozygous_genotypes_need_no_phase(tmp_path, monkeypatch):
    monkeypatch.setattr(vcf_files, "CHUNK", 1)
    adata = read_vcf(vcf(tmp_path, "rs1 A G GT 0/0 1/1 0|1", "rs2 C T GT 1|0 0/0 1/1"))
    assert adata.layers["haplotype1"].tolist() == [[0, 1], [1, 0], [0, 1]]
    assert adata.layers["haplotype2"].tolist() == [[0, 0], [1, 0], [1, 1]]


def test_dosages_are_read_where_they_are_and_genotypes_on_request(tmp_path):
    path = vcf(tmp_path, "rs1 A G GT:DS 0/0:0.1 0/1:1.25 ./.:.", "rs2 A G GT:DS 0/1:1 1/1:2 0/0:0")
    adata = read_vcf(path)
    np.testing.assert_allclose(adata.X, [[0.1, 1], [1.25, 2], [np.nan, 0]], rtol=1e-6)
    assert adata.uns["field"] == "DS"
    np.testing.assert_array_equal(read_vcf(path, field="GT").X, [[0, 1], [1, 2], [np.nan, 0]])
    with pytest.raises(InputError, match=r"line 7, 'rs2': has no DS.*field='GT'"):
        read_vcf(vcf(tmp_path, "rs1 A G GT:DS 0/0:0 0/0:0 0/0:0", "rs2 A G GT 0/0 0/0 0/0"))
    with pytest.raises(InputError, match=r"no FORMAT field DS; read called genotypes with field='GT'"):
        read_vcf(VCF, field="DS")
    with pytest.raises(InputError, match=r"field is 'GT' .* or 'DS'"):
        read_vcf(path, field="GP")


def test_records_of_several_alternatives_are_left_out_and_told(tmp_path):
    path = vcf(tmp_path, "rs1 A G,T GT 0/1 1/2 0/0", "rs2 A G GT 0/1 1/1 0/0", ". A C,G GT 0/0 0/0 0/0")
    said = r"2 records of several alternative alleles are left out, the first 'rs1', '1:300'. bcftools norm -m-"
    with pytest.warns(UserWarning, match=said):
        assert read_vcf(path).var_names.tolist() == ["rs2"]
    if shutil.which("bcftools") is None:
        return
    subprocess.run(["bcftools", "norm", "-m-", "-o", str(tmp_path / "split.vcf"), str(path)], check=True)
    with pytest.warns(UserWarning, match="2 variants have no id and 2 share theirs"):
        split = read_vcf(tmp_path / "split.vcf")
    assert split.n_vars == 5
    assert split[:, "1:100:A:G"].X.ravel().tolist() == [1, 1, 0]
    assert split[:, "1:100:A:T"].X.ravel().tolist() == [0, 1, 0]


def test_half_a_genotype_is_missing_and_told(tmp_path):
    path = vcf(tmp_path, "rs1 A G GT 0/. 1/1 .", "rs2 A G GT ./1 ./. 0/0")
    with pytest.warns(UserWarning, match=r"2 genotypes lack one of two .* person 'A' at 'rs1'"):
        adata = read_vcf(path)
    np.testing.assert_array_equal(adata.X, [[np.nan, np.nan], [2, np.nan], [np.nan, 0]])


def test_a_site_without_an_alternative_has_no_copies_of_it(tmp_path):
    adata = read_vcf(vcf(tmp_path, "rs1 A . GT 0/0 0/0 ./."))
    np.testing.assert_array_equal(adata.X, [[0], [0], [np.nan]])
    assert adata.var["eff_allele"].tolist() == ["."]


def test_without_cyvcf2_the_message_names_another_way(monkeypatch):
    monkeypatch.setitem(sys.modules, "cyvcf2", None)
    with pytest.raises(ImportError, match=r"none for Windows.*plink2 --vcf FILE --make-bed"):
        read_vcf(VCF)


def test_dosages_survive_being_stored(tmp_path):
    for number, adata in enumerate([read_vcf(VCF), study()]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            adata.write_h5ad(tmp_path / f"{number}.h5ad")
        np.testing.assert_array_equal(anndata.read_h5ad(tmp_path / f"{number}.h5ad").X, adata.X)
