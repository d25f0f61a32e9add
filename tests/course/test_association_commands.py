"""The commands of chapter 6: they give what the functions give, take MetaXcan's options, and end plainly."""

import gzip
import os
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bed_reader import to_bed

import scomics_lite
from scomics_lite import twas
from scomics_lite.course import association_commands, cli, command_files
from scomics_lite.validation import InputError

REFERENCE = os.environ.get("SCOMICS_LITE_REFERENCE")
CASES = Path(REFERENCE or ".") / "twas"
TOOLS = {"SPrediXcan.py": "s-predixcan", "PrediXcanAssociation.py": "predixcan", "MulTiXcan.py": "multixcan"}
GENES, SNPS, PEOPLE = [f"ENSG0000000000{i}.{i}" for i in range(1, 4)], [f"rs{i}" for i in range(12)], 60
S_PREDIXCAN = "s-predixcan --model model.db --covariance cov.txt.gz --gwas gwas.txt --out out.csv"

needs_reference = pytest.mark.skipif(not REFERENCE, reason="SCOMICS_LITE_REFERENCE names no folder")


def make_study(folder):
    """Write genotypes of 60 people, a model of three genes, its covariances, a GWAS, and a table of the people."""
    rng = np.random.default_rng(11)
    dosages = rng.binomial(2, rng.uniform(0.2, 0.5, 12), (PEOPLE, 12)).astype(float)
    weights = pd.DataFrame({"rsid": SNPS, "gene": np.repeat(GENES, 4), "weight": rng.normal(0, 0.3, 12)})
    model = twas.PredictionModel(weights.assign(ref_allele="A", eff_allele="C"))
    model.write(folder / "model.db")
    table = pd.DataFrame(dosages, [f"p{i}" for i in range(PEOPLE)], SNPS)
    twas.covariances(table, model).write(folder / "cov.txt.gz")
    properties = {"fid": [f"f{i}" for i in range(PEOPLE)], "iid": table.index, "sid": SNPS, "chromosome": ["1"] * 12}
    properties |= {"bp_position": np.arange(1, 13) * 1000, "allele_1": ["C"] * 12, "allele_2": ["A"] * 12}
    to_bed(folder / "study.bed", dosages, properties=properties)
    gwas = pd.DataFrame(
        {"SNP": SNPS, "effect_allele": "C", "other_allele": "A", "BETA": rng.normal(0, 0.1, 12), "SE": 0.03}
    )
    gwas.loc[:2, ["effect_allele", "other_allele"]] = ["A", "C"]
    gwas.to_csv(folder / "gwas.txt", sep="\t", index=False)
    people = pd.DataFrame({"FID": properties["fid"], "IID": table.index, "age": rng.normal(50, 9, PEOPLE)})
    people["trait"] = dosages @ weights["weight"].to_numpy() + rng.normal(size=PEOPLE)
    people["case"] = (people["trait"] > people["trait"].median()).astype(int)
    people.sample(frac=1, random_state=1).to_csv(folder / "people.txt", sep="\t", index=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    make_study(folder)
    return folder


@pytest.fixture
def study(made, tmp_path, monkeypatch):
    """A copy of the study, as the current folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(line):
    """Run a command in this process; give its exit status."""
    try:
        return cli.main(shlex.split(line))
    except SystemExit as end:
        return end.code


def shell(line, folder, **settings):
    """Start a command as a user does, with the Python of these tests."""
    environ = os.environ | {"SCOMICS_LITE_PYTHON": "current", "PYTHONPATH": str(Path(scomics_lite.__file__).parents[1])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "scomics_lite", *shlex.split(line)]
    return subprocess.Popen(command, cwd=folder, **{"env": environ} | pipes | settings)


def same(table, expected):
    expected = expected.astype(object).where(expected.notna(), np.nan).infer_objects()  # None and nan are one in a file
    pd.testing.assert_frame_equal(table.reset_index(drop=True), expected.reset_index(drop=True), check_dtype=False)


# --- S-PrediXcan ------------------------------------------------------------------------------------------------------


def test_s_predixcan_gives_the_function_s_table_from_a_shell(study):
    running = shell(S_PREDIXCAN + " --ledger snps.txt.gz", study)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (0, "")
    table, ledger = twas.s_predixcan("gwas.txt", "model.db", "cov.txt.gz", ledger=True, progress=False)
    same(pd.read_csv("out.csv"), table)
    same(pd.read_csv("snps.txt.gz", sep="\t", keep_default_na=False, na_values="NA"), ledger)
    assert "SNPs: 12 of 12 used (100.0%), found by rsid; 3 turned to the model's effect allele" in err
    assert "genes: 3 of 3 tested" in err
    assert "s-predixcan: done in" in err
    assert not [line for line in err.splitlines() if "%|" in line]  # no bar where nobody watches


def test_a_bar_is_drawn_on_a_terminal(study, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert call(S_PREDIXCAN) == 0
    assert "3/3" in capsys.readouterr().err


def test_it_works_where_only_the_package_is_installed(study, tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(Path(scomics_lite.__file__).parent, site / "scomics_lite")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SCOMICS_LITE")}
    running = shell(S_PREDIXCAN, study, env=environ | {"PYTHONPATH": str(site)})
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert len(pd.read_csv("out.csv")) == 3


def test_missing_numbers_are_na_and_gz_goes_by_the_suffix(study):
    gwas = pd.read_csv("gwas.txt", sep="\t")
    gwas[~gwas["SNP"].isin(SNPS[:4])].to_csv("gwas.txt", sep="\t", index=False)
    assert call(S_PREDIXCAN + ".gz") == 0
    lines = gzip.decompress(Path("out.csv.gz").read_bytes()).decode().splitlines()
    assert lines[0].startswith("gene,gene_name,zscore,effect_size,pvalue,var_g,pred_perf_r2,pred_perf_pval")
    (lost,) = (line for line in lines if line.startswith(GENES[0]))
    assert lost.split(",")[2:5] == ["NA", "NA", "NA"]


def test_a_dash_is_the_standard_output(study, capsys):
    assert call(S_PREDIXCAN.replace("out.csv", "-")) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].startswith("gene,gene_name,zscore")
    assert len(shown.out.splitlines()) == 4
    assert "genes: 3 of 3 tested" in shown.err


def test_a_file_that_is_there_is_kept_unless_told_otherwise(study, capsys):
    Path("out.csv").write_text("precious")
    assert call(S_PREDIXCAN) == 1
    assert "out.csv is there already and is left as it is; --overwrite replaces it" in capsys.readouterr().err
    assert Path("out.csv").read_text() == "precious"
    assert call(S_PREDIXCAN + " --overwrite") == 0
    assert len(pd.read_csv("out.csv")) == 3


def test_folders_of_the_output_are_made(study):
    assert call(S_PREDIXCAN.replace("out.csv", "results/liver/out.csv")) == 0
    assert [path.name for path in Path("results/liver").iterdir()] == ["out.csv"]


def test_a_command_that_fails_leaves_no_file(study, monkeypatch, capsys):
    def full(*place, **settings):
        Path(place[1]).write_text("half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    before = sorted(study.iterdir())
    assert call(S_PREDIXCAN) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert sorted(study.iterdir()) == before


def test_metaxcan_s_options_for_columns_and_folders(study):
    gwas = pd.read_csv("gwas.txt", sep="\t").rename(columns={"SNP": "id", "effect_allele": "ea", "other_allele": "oa"})
    gwas = gwas.assign(p2=1.0, z=gwas.pop("BETA") / gwas.pop("SE"))
    Path("gwas").mkdir()
    gwas.iloc[:5].to_csv("gwas/a.txt.gz", sep="\t", index=False)
    gwas.iloc[5:].to_csv("gwas/b.txt.gz", sep="\t", index=False)
    Path("gwas/readme").write_text("no table")
    line = (
        "s-predixcan --model_db_path model.db --covariance cov.txt.gz --gwas_folder gwas --gwas_file_pattern '.*gz' "
        "--snp_column id --effect_allele_column ea --non_effect_allele_column oa --zscore_column z "
        "--output_file out.csv --additional_output --remove_ens_version --model_db_snp_key rsid"
    )
    assert call(line) == 0
    table = pd.read_csv("out.csv")
    expected, ledger = twas.s_predixcan("gwas.txt", "model.db", "cov.txt.gz", ledger=True, progress=False)
    np.testing.assert_allclose(table["zscore"], expected["zscore"])
    assert list(table["gene"]) == [gene.split(".")[0] for gene in expected["gene"]]
    assert list(table.columns[11:14]) == ["n_snps_in_model", "best_gwas_p", "largest_weight"]
    largest = ledger.groupby("gene")["weight"].agg(lambda w: w.abs().max())
    np.testing.assert_allclose(table["largest_weight"], largest[expected["gene"]])


def test_columns_that_are_not_told_of_are_those_of_metaxcan(study, capsys):
    gwas = pd.read_csv("gwas.txt", sep="\t").rename(columns={"effect_allele": "A1", "other_allele": "A2"})
    gwas.to_csv("gwas.txt", sep="\t", index=False)
    assert call(S_PREDIXCAN + " --beta-column BETA --se-column SE") == 0
    assert call(S_PREDIXCAN + " --overwrite --beta-column BETA") == 1
    assert "As options: --snp-column NAME, --effect-allele-column NAME" in capsys.readouterr().err
    assert call(S_PREDIXCAN + " --overwrite --zscore_column Z") == 1
    assert "no column 'Z' for zscore" in capsys.readouterr().err


def test_options_that_change_nothing_are_answered_by_name(study, capsys):
    assert (
        call(S_PREDIXCAN + " --verbosity 9 --throw --keep_non_rsid --stream_covariance --model_db_snp_key varID") == 0
    )
    err = capsys.readouterr().err
    for name in ("--verbosity (there", "--throw (an", "--keep_non_rsid (SNPs", "--stream_covariance (cov"):
        assert name in err
    assert "--model_db_snp_key varID: SNPs were found by rsid" in err


@pytest.mark.parametrize(
    "option", ["--snp_map_file x", "--skip_until_header SNP", "--MAX_R 3", "--input_gwas_format_json x"]
)
def test_options_that_cannot_be_had_stop_the_command_with_a_way_out(study, capsys, option):
    assert call(f"{S_PREDIXCAN} {option}") == 2
    assert f"{option.split()[0]} is not known here: " in capsys.readouterr().err
    assert not Path("out.csv").exists()


def test_options_that_nobody_knows_or_that_are_missing_stop_the_command(study, capsys):
    assert call(S_PREDIXCAN + " --gwsa x") == 2
    assert "does not know --gwsa x; see: s-predixcan --help" in capsys.readouterr().err
    for option in ("--model model.db", "--covariance cov.txt.gz", "--gwas gwas.txt", "--out out.csv"):
        assert call(S_PREDIXCAN.replace(option, "")) == 2
        assert f"{option.split()[0]} " in capsys.readouterr().err.splitlines()[-1]
    assert call(S_PREDIXCAN + " --gwas-folder .") == 2
    assert "--gwas or --gwas-folder: give one, not both" in capsys.readouterr().err


def test_polygenicity_needs_both_numbers_and_a_phi(study, capsys):
    assert call(S_PREDIXCAN + " --gwas_N 1000") == 1
    assert "both gwas_n and heritability" in capsys.readouterr().err
    model = twas.read_model("model.db")
    phi = pd.DataFrame({"gene": GENES, "genename": GENES, "n.snps.in.model": 4, "phi": 1e-5})
    perf = {f"pred.perf.{name}": 0.1 for name in ("R2", "pval", "qval")}
    twas.PredictionModel(model.weights, phi.assign(**perf)).write("phi.db")
    assert call(S_PREDIXCAN.replace("model.db", "phi.db") + " --gwas_N 300000 --gwas_h2 0.5") == 0
    table = pd.read_csv("out.csv")
    np.testing.assert_allclose(table["zscore"], table["uncalibrated_zscore"] / np.sqrt(1 + 1e-5 * 300000 * 0.5))


def test_a_model_of_single_snps_needs_no_covariances(study, capsys):
    line = S_PREDIXCAN.replace("--covariance cov.txt.gz", "--single_snp_model")
    assert call(line) == 1
    assert f"--single_snp_model: gene '{GENES[0]}' has 4 SNPs; give --covariance" in capsys.readouterr().err
    weights = twas.read_model("model.db").weights.drop_duplicates("gene")
    twas.PredictionModel(weights).write("single.db")
    assert call(line.replace("model.db", "single.db")) == 0
    table, gwas = pd.read_csv("out.csv").set_index("gene"), twas.read_gwas("gwas.txt").set_index("snp")
    sign = np.sign(weights["weight"]) * np.where(gwas.loc[weights["rsid"], "effect_allele"] == "C", 1, -1)
    expected = sign.to_numpy() * gwas.loc[weights["rsid"], "zscore"].to_numpy()
    np.testing.assert_allclose(table.loc[weights["gene"], "zscore"], expected)


# --- people -----------------------------------------------------------------------------------------------------------


def test_predict_gives_people_with_their_families(study, capsys):
    assert call("predict --model model.db --plink study --out predicted.txt.gz --report snps.csv") == 0
    table = pd.read_csv("predicted.txt.gz", sep="\t")
    expected, report = twas.predict_expression(twas.read_plink("study"), "model.db", report=True)
    assert list(table.columns) == ["FID", "IID", *GENES]
    assert list(table["FID"][:2]) == ["f0", "f1"]
    np.testing.assert_allclose(table.set_index("IID")[GENES], expected)
    assert list(pd.read_csv("snps.csv")["n_snps_used"]) == list(report["n_snps_used"])
    assert "SNPs: 12 of 12 used (100.0%)" in capsys.readouterr().err


def test_predict_reads_vcf_files(study):
    head = ["##fileformat=VCFv4.2", '##FORMAT=<ID=GT,Number=1,Type=String,Description="">', "##contig=<ID=1>"]
    names = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "ann", "bo"]
    rows = [["1", str(1000 + i), snp, "A", "C", ".", ".", ".", "GT", "0|1", "1|1"] for i, snp in enumerate(SNPS)]
    Path("two.vcf").write_text("\n".join([*head, *("\t".join(row) for row in [names, *rows])]) + "\n")
    assert call("predict --model_db_path model.db --vcf_genotypes two.vcf --prediction_output two.txt") == 0
    table, weights = pd.read_csv("two.txt", sep="\t"), twas.read_model("model.db").weights
    assert table[["FID", "IID"]].to_numpy().tolist() == [["ann", "ann"], ["bo", "bo"]]
    np.testing.assert_allclose(table.loc[1, GENES].astype(float), 2 * weights.groupby("gene")["weight"].sum()[GENES])


def test_predict_says_which_genotypes_it_reads(study, capsys):
    assert call("predict --model model.db --out x.txt") == 2
    assert "--plink or --vcf is needed" in capsys.readouterr().err
    assert call("predict --model model.db --text_genotypes a.txt b.txt --out x.txt") == 2
    assert "--text_genotypes is not known here: genotypes are read from PLINK files" in capsys.readouterr().err


def test_predixcan_matches_people_by_name(study):
    call("predict --model model.db --plink study --out predicted.txt")
    line = "predixcan --expression predicted.txt --phenotype people.txt --phenotype-column trait --out out.txt"
    assert call(line) == 0
    expression = pd.read_csv("predicted.txt", sep="\t", index_col="IID")[GENES]
    people = pd.read_csv("people.txt", sep="\t", index_col="IID")  # in another order
    same(pd.read_csv("out.txt", sep="\t"), twas.predixcan(expression, people["trait"]))
    assert call(line + " --overwrite --covariates-file people.txt --covariates age") == 0
    same(pd.read_csv("out.txt", sep="\t"), twas.predixcan(expression, people["trait"], people[["age"]]))
    assert call(line.replace("trait", "case") + " --overwrite --mode logistic") == 0
    same(pd.read_csv("out.txt", sep="\t"), twas.predixcan(expression, people["case"], family="logistic"))


def test_tables_without_individual_ids_are_matched_by_family(study):
    call("predict --model model.db --plink study --out predicted.txt")
    pd.read_csv("people.txt", sep="\t")[["FID", "age"]].to_csv("age.csv", index=False)
    line = "predixcan --expression predicted.txt --phenotype people.txt --phenotype-column trait --covariates-file "
    assert call(f"{line} age.csv --out by_family.txt") == 0
    assert call(f"{line} people.txt --covariates age --out by_person.txt") == 0
    same(pd.read_csv("by_family.txt", sep="\t"), pd.read_csv("by_person.txt", sep="\t"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns=["FID", "IID"]), "people are matched by a column IID, or FID, that all tables have"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "people.txt: IID 'p"),
        (lambda t: t.drop(columns="trait"), "people.txt has no column 'trait'; Known: age, case"),
        (lambda t: t.iloc[:0, :0], "people.txt is no table: "),
    ],
)
def test_tables_of_people_that_do_not_fit_are_named(study, capsys, change, message):
    call("predict --model model.db --plink study --out predicted.txt")
    change(pd.read_csv("people.txt", sep="\t")).to_csv("people.txt", sep="\t", index=False)
    assert (
        call("predixcan --expression predicted.txt --phenotype people.txt --phenotype-column trait --out out.txt") == 1
    )
    assert message in capsys.readouterr().err


def test_covariates_without_a_file_stop_the_command(study, capsys):
    call("predict --model model.db --plink study --out predicted.txt")
    line = "predixcan --expression predicted.txt --phenotype people.txt --phenotype-column trait --out out.txt"
    assert call(line + " --covariates age") == 2
    assert "--covariates names columns of --covariates-file" in capsys.readouterr().err


def test_train_gives_the_function_s_model_and_goes_on_where_it_was(study, capsys):
    dosages = twas.read_plink("study")
    noise = np.random.default_rng(3).normal(0, 0.3, (PEOPLE, 3))
    expression = pd.DataFrame(dosages.X[:, [0, 5, 9]] + noise, dosages.obs_names, GENES)
    expression.rename_axis("IID").to_csv("measured.txt", sep="\t")
    genes = pd.DataFrame({"gene": GENES, "chromosome": 1, "start": [1000, 5000, 9000], "end": [4000, 8000, 12000]})
    genes.to_csv("genes.csv", index=False)
    line = (
        "train --plink study --expression measured.txt --genes genes.csv --out new.db --covariance-out new.txt.gz "
        "--window 2000 --folds 5 --seed 1 --resume finished"
    )
    assert call(line) == 0
    err = capsys.readouterr().err
    assert "SNPs: 12 of 12 pass the filters" in err
    assert "genes: 3 kept" in err
    places = genes.set_index("gene").astype({"chromosome": str})
    model, covariances = twas.train_models(dosages, expression, places, window=2000, folds=5, rng=1, progress=False)
    same(twas.read_model("new.db").weights, model.weights)
    for gene in GENES:
        same(twas.read_covariance("new.txt.gz").of(gene), covariances.of(gene))
    before = Path("finished").read_bytes()
    assert call(line + " --overwrite --maf 0.001") == 0
    assert Path("finished").read_bytes() == before  # nothing was computed again
    assert call(line.replace("finished", "other") + " --overwrite --maf 0.3") == 0
    assert " others is rs" in capsys.readouterr().err
    assert call(line.replace("genes.csv", "people.txt") + " --overwrite") == 1
    assert "people.txt has no column 'gene'" in capsys.readouterr().err


@pytest.fixture
def tissues(study):
    """Two tissues: models, their predictions, S-PrediXcan's tables, and covariances of the SNPs of both."""
    for folder in ("models", "predicted", "results"):
        Path(folder).mkdir()
    weights = twas.read_model("model.db").weights
    for tissue, kept in {"liver": weights.index % 4 < 3, "lung": weights.index % 4 > 0}.items():
        twas.PredictionModel(weights[kept]).write(f"models/en_{tissue}.db")
        assert call(f"predict --model models/en_{tissue}.db --plink study --out predicted/{tissue}.txt") == 0
        line = S_PREDIXCAN.replace("model.db", f"models/en_{tissue}.db")
        assert call(line.replace("out.csv", f"results/height__{tissue}.csv")) == 0
    return study


def test_multixcan_gives_the_function_s_tables(tissues):
    line = "multixcan --expression_folder predicted --expression_pattern '(.*).txt' --input_phenos_file people.txt"
    more = "--input_phenos_column trait --output out.txt --coefficient_output coef.txt --loadings_output load.txt"
    assert call(f"{line} {more} --standardize_expression --pc_condition_number 30") == 0
    people = pd.read_csv("people.txt", sep="\t", index_col="IID")
    predicted = {
        name: pd.read_csv(f"predicted/{name}.txt", sep="\t", index_col="IID")[GENES] for name in ("liver", "lung")
    }
    for path, table in zip(
        ("out.txt", "coef.txt", "load.txt"), twas.multixcan(predicted, people["trait"], details=True), strict=True
    ):
        same(pd.read_csv(path, sep="\t"), table)


def test_s_multixcan_gives_the_function_s_table(tissues, capsys):
    line = (
        "s-multixcan --models_folder models --models_name_pattern 'en_(.*).db' --metaxcan_folder results "
        "--metaxcan_file_name_parse_pattern '(.*)__(.*).csv' --snp_covariance cov.txt.gz --gwas_file gwas.txt "
        "--cutoff_condition_number 30 --output out.txt"
    )
    assert call(line) == 0
    assert "tested across 2 tissues" in capsys.readouterr().err
    names = ("liver", "lung")
    results = {name: pd.read_csv(f"results/height__{name}.csv") for name in names}
    models = {name: twas.read_model(f"models/en_{name}.db") for name in names}
    gwas = twas.read_gwas("gwas.txt")
    expected = twas.s_multixcan(results, models, twas.read_covariance("cov.txt.gz"), gwas=gwas)
    same(pd.read_csv("out.txt", sep="\t"), expected)
    assert call(line.replace("en_(.*).db", "en_(.*)").replace("out.txt", "two.txt")) == 1
    assert "is of 'liver', for which there is no model; did you mean 'liver.db'?" in capsys.readouterr().err


def test_files_that_cannot_be_named_or_found_are_told_of(tissues):
    with pytest.raises(InputError, match="there is no folder nowhere"):
        command_files.files_in("nowhere")
    with pytest.raises(InputError, match=r"no file in models fits '.*txt'; there is en_liver.db, en_lung.db"):
        command_files.files_in("models", ".*txt")
    with pytest.raises(InputError, match="is no regular expression"):
        command_files.files_in("models", "(")
    files = command_files.files_in("models")
    with pytest.raises(InputError, match=r"are both called 'en'; a pattern with a group"):
        command_files.named_files(files, "(en)_.*")


# --- how commands end -------------------------------------------------------------------------------------------------


def test_whoever_stops_reading_ends_the_command_plainly(study):
    with shell(S_PREDIXCAN.replace("out.csv", "-"), study) as running:
        running.stdout.close()
        err = running.stderr.read()
    assert running.returncode == 141
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_control_c_ends_the_command_and_leaves_no_file(study, monkeypatch, capsys):
    def interrupt(*place, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(twas, "s_predixcan", interrupt)
    before = sorted(study.iterdir())
    assert call(S_PREDIXCAN) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "scomics_lite s-predixcan: interrupted"
    assert sorted(study.iterdir()) == before


def test_warnings_are_lines_and_no_places_in_code(study, capsys):
    gwas = pd.read_csv("gwas.txt", sep="\t")
    pd.concat([gwas, gwas.iloc[:1]]).to_csv("gwas.txt", sep="\t", index=False)
    assert call(S_PREDIXCAN) == 0
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "rs0" in line)
    assert line.startswith("scomics_lite s-predixcan: ")
    assert "UserWarning" not in line


def test_nothing_of_twas_is_imported_before_a_command_runs():
    code = "import sys; from scomics_lite.course import cli; cli._parser(); print('scomics_lite.twas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("command", [function.__name__ for function, *_ in association_commands.COMMANDS])
def test_help_has_three_examples_that_are_understood(command, capsys):
    name = command.replace("_", "-")
    assert call(f"{name} --help") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 120
    examples = text.split("examples\n")[1].split("\n\n")[0].replace("\\\n", "").splitlines()
    assert len(examples) == 3
    for example in examples:
        arguments = cli._parser().parse_args(shlex.split(example))
        assert arguments.command == name


# --- MetaXcan's command lines -----------------------------------------------------------------------------------------


def read_result(path):
    return pd.read_csv(path, sep="," if path.suffix == ".csv" else "\t").set_index("gene")


@needs_reference
@pytest.mark.parametrize(
    "case", ["01", "05", "06", "08", "37", "38", "39", "40", "45", "49", "61", "62", "63", "64", "70"]
)
def test_command_lines_of_metaxcan_give_its_numbers(case, tmp_path, monkeypatch):
    (folder,) = CASES.glob(f"{case}_*")
    words = shlex.split((folder / "command.txt").read_text())
    outputs = {"--output_file", "--output", "--coefficient_output", "--loadings_output"}
    words = [str(tmp_path / word) if before in outputs else word for before, word in pairwise(words)]
    more = ["--adjust", "phenotype"] if case == "63" else []  # MetaXcan's rule for covariates
    monkeypatch.chdir(folder)
    assert cli.main([TOOLS[words[0]], *words[1:], *more]) == 0
    (path,) = folder.glob("out.*")
    theirs, ours = read_result(path), read_result(tmp_path / path.name)
    assert list(ours.columns[: theirs.shape[1]]) == list(theirs.columns)
    numbers = theirs.select_dtypes("number").columns.drop("status", errors="ignore")  # there NA where all is well
    tolerance = 1e-6 if path.suffix == ".txt" else 2e-5  # of p-values: MetaXcan's z-scores are of single precision
    np.testing.assert_allclose(ours.loc[theirs.index, numbers], theirs[numbers], rtol=tolerance)


@needs_reference
def test_a_command_line_of_metaxcan_that_fails_there_says_why_here(tmp_path, monkeypatch, capsys):
    (folder,) = CASES.glob("13_*")
    monkeypatch.chdir(folder)
    words = shlex.split((folder / "command.txt").read_text().replace("out.csv", str(tmp_path / "out.csv")))
    assert cli.main(["s-predixcan", *words[2:]]) == 1
    err = capsys.readouterr().err
    assert "none of the model's 493 SNPs is in the GWAS" in err
    assert "As options: --snp-column NAME" in err
