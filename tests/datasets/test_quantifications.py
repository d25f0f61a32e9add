"""Files of salmon, kallisto and RSEM: tximport's numbers, DESeq2's the whole way, words for files that do not fit."""

import gzip
import hashlib
import json
import shutil
from functools import cache

import numpy as np
import pandas as pd
import pytest
from fixtures.makers import FOLDER, maker

from scomics_lite import dispersion, glm
from scomics_lite.datasets import quantifications, read_quantifications
from scomics_lite.design import design_matrix
from scomics_lite.normalization import length_factors
from scomics_lite.validation import InputError, check_counts

PROVENANCE = json.loads((FOLDER / "quantification_provenance.json").read_text())
KINDS = {"counts": "estimated_counts", "abundance": "abundance", "length": "length"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The files of all tools, as tximport read them; the folder has the table of transcripts and genes."""
    folder = tmp_path_factory.mktemp("quantifications")
    paths, sha256 = maker("make_quantification_tables").write_files(folder)
    assert sha256 == PROVENANCE["files_sha256"]
    return folder, paths


@cache
def tximport(tool, kind):
    """Give tximport's numbers, samples x genes."""
    table = pd.read_csv(FOLDER / "quantification_genes.tsv.gz", sep="\t").groupby("tool").get_group(tool)
    return table.pivot_table(index="sample", columns="gene", values=kind)


def read(written, tool, **settings):
    folder, paths = written
    if tool != "rsem_genes":
        settings = {"ignore_version": True, "missing": "drop"} | settings
        settings.setdefault("transcripts_to_genes", folder / "genes.tsv")
    return read_quantifications(paths[tool], **settings)


def salmon(path, names=("t1", "t2"), counts=(5, 7), **others):
    """Write a small file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"Name": names, "Length": 900, "EffectiveLength": 700.0, "TPM": 1.5, "NumReads": counts} | others
    pd.DataFrame(columns).to_csv(path, sep="\t", index=False)
    return path


# --- tximport and DESeq2 ----------------------------------------------------------------------------------------------


def test_the_tables_are_the_ones_that_were_made():
    for name, sha256 in PROVENANCE["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("tool", ["salmon", "kallisto", "rsem_isoforms", "rsem_genes"])
def test_genes_are_tximport_s(written, tool):
    adata = read(written, tool)
    for kind, layer in KINDS.items():
        ours, theirs = adata.to_df(layer), tximport(tool, kind)
        assert ours.index.tolist() == theirs.index.tolist()
        assert sorted(ours.columns) == sorted(theirs.columns)
        np.testing.assert_allclose(ours[theirs.columns], theirs, rtol=1e-12, err_msg=kind)
    np.testing.assert_array_equal(adata.X, np.rint(adata.layers["estimated_counts"]))
    assert check_counts(adata).matrix.dtype == np.int64
    assert (adata.layers["length"] > 0).all()


def test_the_whole_way_of_deseq2(written):
    adata = read(written, "salmon")
    theirs = pd.read_csv(FOLDER / "quantification_deseq2.tsv.gz", sep="\t", index_col="gene")
    factors = length_factors(adata, adata.layers["length"])
    np.testing.assert_allclose(factors, theirs[adata.obs_names].T, rtol=1e-12)
    adata.obs["condition"] = adata.obs_names.str[0]
    design = design_matrix(adata.obs, "~ condition")
    found = dispersion.estimate(adata, design, factors, trend="mean")
    clear = (theirs["dispersion"] > 1e-7).to_numpy()
    np.testing.assert_allclose(found.final[clear], theirs["dispersion"][clear], rtol=1e-4)
    fit = glm.fit(adata, design, factors, theirs["dispersion"])
    ours = glm.wald_test(fit, ("condition", "b", "a"))
    for column, name in {"baseMean": "base_mean", "log2FoldChange": "lfc", "lfcSE": "se", "pvalue": "pvalue"}.items():
        keep = fit.status != "refitted"
        np.testing.assert_allclose(ours[column][keep], theirs[name][keep], rtol=1e-8, atol=1e-10, err_msg=name)


# --- forms of what is given -------------------------------------------------------------------------------------------


def test_packed_files_and_every_form_of_the_table(written, tmp_path):
    folder, paths = written
    expected = read(written, "salmon")
    packed = {}
    for sample, path in paths["salmon"].items():
        (tmp_path / sample).mkdir()
        packed[sample] = tmp_path / sample / "quant.sf.gz"
        packed[sample].write_bytes(gzip.compress(path.read_bytes()))
    known = pd.read_csv(folder / "genes.tsv", sep="\t", header=None)
    known.to_csv(tmp_path / "genes.csv", index=False, header=["transcript", "gene"])
    series = known.set_index(0)[1]
    for table in (known, known.assign(symbol="?"), series, series.to_dict(), str(tmp_path / "genes.csv")):
        adata = read_quantifications(packed, table, ignore_version=True, missing="drop")
        for layer in KINDS.values():
            np.testing.assert_array_equal(adata.to_df(layer), expected.to_df(layer))


def test_samples_are_called_as_their_folders_or_files(written, tmp_path):
    _, paths = written
    for tool in paths:
        expected = read(written, tool)
        folder, given = written[0], (written[0], paths | {tool: list(paths[tool].values())})
        assert read(given, tool).obs_names.tolist() == expected.obs_names.tolist()
        assert (read(given, tool).X == expected.X).all()
        renamed = (folder, paths | {tool: pd.Series(paths[tool]).rename(lambda name: f"new_{name}")})
        assert read(renamed, tool).obs_names.tolist() == [f"new_{name}" for name in expected.obs_names]
    both = [salmon(tmp_path / run / "s1" / "quant.sf") for run in ("one", "two")]
    with pytest.raises(InputError, match="two files would be called 's1' by their folders; give names"):
        read_quantifications(both, {"t1": "g", "t2": "g"})
    named = read_quantifications(dict(zip("ab", both, strict=True)), {"t1": "g", "t2": "g"})
    assert named.obs_names.tolist() == ["a", "b"]


def test_rsem_s_isoforms_know_their_genes(written):
    ours, by_table = read(written, "rsem_isoforms", transcripts_to_genes=None), read(written, "rsem_isoforms")
    assert set(ours.var_names) - set(by_table.var_names) == {"GENE011"}
    np.testing.assert_array_equal(ours[:, by_table.var_names].X, by_table.X)


def test_transcripts_in_another_order_are_put_in_order(tmp_path):
    first = salmon(tmp_path / "a" / "quant.sf", ["t1", "t2"], [5, 70])
    second = salmon(tmp_path / "b" / "quant.sf", ["t2", "t1"], [80, 6])
    assert read_quantifications([first, second], {"t1": "g", "t2": "h"}).X.tolist() == [[5, 70], [6, 80]]


def test_versions_are_ignored_on_both_sides_and_bars_too(tmp_path):
    files = [salmon(tmp_path / name / "quant.sf", ["t1.4|g|x", "t2.1|h|y"]) for name in "ab"]
    ours = read_quantifications(files, {"t1.2": "g", "t2.9": "h"}, ignore_version=True)
    assert ours.var_names.tolist() == ["g", "h"]
    ours = read_quantifications(files, {"t1.4": "g", "t2.1": "h"}, ignore_after_bar=True)
    assert ours.var_names.tolist() == ["g", "h"]


def test_lengths_of_genes_without_reads():
    """By hand: weighted where there are reads, the other samples' geometric mean where not, the plain mean if never."""
    abundance = np.array([[3.0, 0, 0], [1, 2, 0], [1, 8, 0]])
    lengths = np.array([[500.0, np.nan, np.nan], [700, 400, np.nan], [100, 900, np.nan]])
    found = quantifications._average_lengths(np.nan_to_num(abundance * lengths), abundance, np.array([1.0, 2, 333]))
    np.testing.assert_allclose(found, [[500, 600, 333], [700, 400, 333], [100, 900, 333]])


# --- words ------------------------------------------------------------------------------------------------------------


def test_missing_transcripts_are_named_and_dropping_them_is_a_way_out(written):
    folder, _ = written
    with pytest.raises(
        InputError, match=r"lacks 1 of the .* transcripts of .*quant.sf, with .*% of the counts; .*drop"
    ):
        read(written, "salmon", missing="error")
    some = pd.read_csv(folder / "genes.tsv", sep="\t", header=None).iloc[:40]
    few = read(written, "salmon", transcripts_to_genes=some, missing="drop")
    assert set(few.var_names) == set(some[1])


def test_transcripts_that_are_all_unknown_bring_a_hint_that_helps(written, tmp_path):
    with pytest.raises(InputError, match=r"'TX0000.*' there, 'TX0000' here. ignore_version=True would find"):
        read(written, "salmon", ignore_version=False)
    files = [salmon(tmp_path / name / "quant.sf", ["t1|g", "t2|h"]) for name in "ab"]
    with pytest.raises(InputError, match="ignore_after_bar=True would find 2 of 2"):
        read_quantifications(files, {"t1": "g", "t2": "h"})
    read_quantifications(files, {"t1": "g", "t2": "h"}, ignore_after_bar=True)
    with pytest.raises(InputError, match="same annotation"):
        read_quantifications(files, {"x": "g"})


def test_two_genes_for_a_transcript_are_refused(tmp_path):
    files = [salmon(tmp_path / name / "quant.sf") for name in "ab"]
    twice = pd.DataFrame({"transcript": ["t1", "t1", "t2"], "gene": ["g", "h", "h"]})
    with pytest.raises(InputError, match="two genes for 't1', 'g' and 'h'"):
        read_quantifications(files, twice)
    same = pd.DataFrame({"transcript": ["t1", "t1", "t2"], "gene": ["g", "g", "h"]})
    assert read_quantifications(files, same).n_vars == 2
    with pytest.raises(InputError, match="two genes for 't1', 'g' and 'h'"):
        read_quantifications(files, {"t1.1": "g", "t1.2": "h", "t2": "h"}, ignore_version=True)


def broken(tmp_path, change):
    """Two files, the second changed."""
    first, second = (salmon(tmp_path / name / "quant.sf", ["t1", "t2", "t3"], [1, 2, 3]) for name in "ab")
    second.write_text(change(second.read_text()))
    return [first, second]


TABLE = {"t1": "g", "t2": "g", "t3": "h"}
WRONG = {
    r"b/quant.sf has no column 'NumReads'.*Known": lambda text: text.replace("NumReads", "Reads"),
    r"b/quant.sf, line 3: NumReads is 'two', where a number": lambda text: text.replace("1.5\t2\n", "1.5\ttwo\n"),
    r"b/quant.sf, line 4: NumReads is '-3'": lambda text: text.replace("1.5\t3\n", "1.5\t-3\n"),
    r"b/quant.sf, line 2: TPM is '-nan'": lambda text: text.replace("1.5\t1\n", "-nan\t1\n"),
    r"b/quant.sf, line 4: NumReads is ''": lambda text: text.replace("1.5\t3\n", "1.5\n"),
    r"b/quant.sf, line 3: 't1' stands there a second time": lambda text: text.replace("t2", "t1"),
    r"b/quant.sf lacks transcript 't2' \(1 in all\)": lambda text: text.replace("t2", "t9"),
    r"b/quant.sf has more than the first file: transcript 't4'": lambda text: text + "t4\t900\t700\t1.5\t4\n",
    r"b/quant.sf cannot be read as a table": lambda text: text.replace("t2\t", "t2\t\t\t\t"),
}


@pytest.mark.parametrize("message", WRONG)
def test_broken_files_are_named_with_the_line(tmp_path, message):
    with pytest.raises(InputError, match=message):
        read_quantifications(broken(tmp_path, WRONG[message]), TABLE)


def test_files_that_are_none(written, tmp_path):
    path = salmon(tmp_path / "a" / "quant.sf")
    with pytest.raises(InputError, match=r"1 of 2 files are not there, the first is .*nowhere"):
        read_quantifications([path, tmp_path / "nowhere" / "quant.sf"], TABLE)
    with pytest.raises(InputError, match="there are no files"):
        read_quantifications([], TABLE)
    with pytest.raises(InputError, match="a file for each sample"):
        read_quantifications(str(path), TABLE)
    cut = tmp_path / "b" / "quant.sf.gz"
    cut.parent.mkdir()
    cut.write_bytes(gzip.compress(path.read_bytes() * 1_000)[:-20])
    with pytest.raises(InputError, match=r"quant.sf.gz cannot be read as a table"):
        read_quantifications([cut, path], TABLE)
    (tmp_path / "abundance.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)))
    with pytest.raises(InputError, match=r"read abundance.tsv"):
        read_quantifications([tmp_path / "abundance.h5"], TABLE)
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(InputError, match=r"empty.tsv cannot be read as a table"):
        read_quantifications([tmp_path / "empty.tsv"], TABLE)


def test_other_tools_and_tables(written, tmp_path):
    folder, paths = written
    path = salmon(tmp_path / "a" / "quant.sf")
    with pytest.raises(InputError, match=r"has columns Name, .*, where kallisto would have target_id, est_counts"):
        read_quantifications([path], TABLE, tool="kallisto")
    with pytest.raises(InputError, match="no tool 'salmonella'; did you mean 'salmon'"):
        read_quantifications([path], TABLE, tool="salmonella")
    with pytest.raises(InputError, match="missing is 'error' or 'drop'"):
        read_quantifications([path], TABLE, missing="ignore")
    with pytest.raises(InputError, match="transcripts_to_genes is needed"):
        read_quantifications([path])
    with pytest.raises(InputError, match="genes already, and need no transcripts_to_genes"):
        read_quantifications(paths["rsem_genes"], folder / "genes.tsv")
    with pytest.raises(InputError, match="needs two columns"):
        read_quantifications([path], pd.DataFrame({"gene": ["g"]}))
    with pytest.raises(InputError, match="transcripts_to_genes is empty"):
        read_quantifications([path], {})
    with pytest.raises(InputError, match=r"nowhere.tsv cannot be read as a table"):
        read_quantifications([path], tmp_path / "nowhere.tsv")
    mixed = paths["rsem_genes"] | {"b4": shutil.copy(path, tmp_path / "b4.genes.results")}
    with pytest.raises(InputError, match=r"b4.genes.results has no column 'gene_id'"):
        read_quantifications(mixed)
