"""Tables as people bring them: what a file, a spreadsheet or a quantifier left in them, and the ways out.

The file that is meant is `TABLE`, genes in rows and samples in columns, as most are. Each message is followed.
"""

import io
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite import datasets
from scomics_lite.normalization import size_factors
from scomics_lite.validation import CountsError, check_counts
from scomics_lite.validation.transformed import scaled_and_rounded

SAMPLES = ["s1", "s2", "s3", "s4", "s5", "s6"]
GENES = [f"gene{i}" for i in range(30)]
TABLE = pd.DataFrame(
    np.random.default_rng(1).negative_binomial(2, 0.001, (30, 6)) + 1000,
    index=pd.Index(GENES, name="gene"),
    columns=SAMPLES,
)
COUNTS = TABLE.T


def refusal(counts):
    with pytest.raises(CountsError) as error:
        check_counts(counts)
    return str(error.value)


def accepted(counts):
    """Check counts that are those of `TABLE`, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked = check_counts(counts)
    assert checked.samples.tolist() == SAMPLES
    assert checked.genes.tolist() == GENES
    assert (np.asarray(checked.matrix) == COUNTS.to_numpy()).all()


def read(text, **settings):
    return pd.read_csv(io.StringIO(text), **settings)


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("separator", "shown"), [(";", ";"), ("\t", "\\t")])
@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("with_index", [True, False])
def test_the_wrong_separator(separator, shown, transposed, with_index):
    text = TABLE.to_csv(sep=separator)
    wrong = read(text, **({"index_col": 0} if with_index else {}))
    message = refusal(wrong.T if transposed and with_index else wrong)
    assert f"the names hold '{shown}'" in message
    assert message.endswith(f"pd.read_csv(..., sep='{shown}')")
    accepted(read(text, sep=separator, index_col=0).T)


def test_commas_read_with_tabs():
    text = TABLE.to_csv()
    assert refusal(read(text, sep="\t", index_col=0).T).endswith("pd.read_csv(..., sep=',')")
    accepted(read(text, sep=",", index_col=0).T)


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("mark", [",", "'"])
def test_thousands_separators(mark, transposed):
    text = TABLE.map(lambda count: f"{count:,}".replace(",", mark)).to_csv(sep=";")
    wrong = read(text, sep=";", index_col=0)
    message = refusal(wrong.T if transposed else wrong)
    assert message.startswith("the numbers are texts with thousands separators, such as ")
    assert message.endswith(f"pd.read_csv(..., thousands={mark!r})")
    accepted(read(text, sep=";", index_col=0, thousands=mark).T)


def test_decimal_commas():
    text = (TABLE / 2).to_csv(sep=";", decimal=",")
    message = refusal(read(text, sep=";", index_col=0).T)
    assert message.startswith("the numbers are texts with decimal commas, such as '")
    right = read(text, sep=";", index_col=0, decimal=",").T  # the way out: read, halves are refused as such
    assert "counts must be whole numbers" in refusal(right)
    accepted((2 * right).astype(int))


@pytest.mark.parametrize("missing", [True, False])
def test_a_column_of_symbols_left_in(missing):
    table = TABLE.assign(symbol=[f"SYM{i}" for i in range(30)], chromosome=[*"123456789" * 3, "X", "Y", "MT"])
    if missing:
        table.loc["gene3", "symbol"] = None
    sideways = refusal(table.T)
    assert sideways.startswith("2 of 8 rows hold no numbers, the first is 'symbol': annotation, a column until")
    assert sideways.endswith("counts.drop(index=['symbol', 'chromosome']).astype(float)")
    accepted(table.T.drop(index=["symbol", "chromosome"]).astype(float))
    upright = refusal(table)
    assert upright.startswith("2 of 8 columns hold no numbers, the first is 'symbol'. Make names the index")
    assert upright.endswith("(df.drop(columns=['symbol', 'chromosome']))")
    accepted(table.drop(columns=["symbol", "chromosome"]).T)


def test_names_left_in_a_column():
    table = TABLE.reset_index()
    message = refusal(table)
    assert "Make names the index (df.set_index('gene'))" in message
    accepted(table.set_index("gene").T)


def test_numbers_as_texts():
    assert refusal(COUNTS.astype(str)) == "30 of 30 columns hold numbers as texts; convert them: counts.astype(float)"
    accepted(COUNTS.astype(str).astype(float))


def test_a_text_for_a_missing_value():
    table = COUNTS.astype(object)
    table.loc["s2", "gene5"] = "n/a"
    message = refusal(table)
    assert message.startswith("1 of 180 values is no number, the first 'n/a' (row 's2', column 'gene5')")
    assert message.endswith("drop its gene or its sample, then counts.astype(float)")
    assert check_counts(table.drop(columns="gene5").astype(float)).library_sizes.size == 6
    assert check_counts(table.drop(index="s2").astype(float)).library_sizes.size == 5


def test_row_numbers_saved_along():
    text = COUNTS.reset_index(drop=True).to_csv()
    for wrong in (read(text), read(text).T):
        message = refusal(wrong)
        assert message.startswith("'Unnamed: 0' is pandas' name for a column that had none in the file")
        assert message.endswith("pd.read_csv(..., index_col=0)")
    assert check_counts(read(text, index_col=0)).genes.tolist() == GENES


# --- rows and columns that are no samples or genes --------------------------------------------------------------------


def annotated(kind, counts):
    return counts if kind == "frame" else anndata.AnnData(counts.astype(float))


def follow(message, counts):
    """Do what the message says after its last colon."""
    name = "adata" if isinstance(counts, anndata.AnnData) else "counts"
    return eval(message.rsplit(": ", 1)[1], {name: counts})


def values_of(counts):
    return counts.to_df() if isinstance(counts, anndata.AnnData) else counts


@pytest.mark.parametrize("kind", ["frame", "AnnData"])
@pytest.mark.parametrize("name", ["Length", "length", "EffLength", "gene_length"])
def test_the_lengths_of_the_genes(name, kind):
    table = TABLE.assign(**{name: np.arange(30) * 37 + 500})  # as featureCounts writes them
    counts = annotated(kind, table.T)
    message = refusal(counts)
    assert message.startswith(f"sample {name!r} holds the lengths of the genes. Leave it out: ")
    accepted(values_of(follow(message, counts)))


@pytest.mark.parametrize("kind", ["frame", "AnnData"])
@pytest.mark.parametrize("name", ["TOTAL", "all"])
def test_a_sum_over_samples(name, kind):
    counts = annotated(kind, pd.concat([COUNTS, COUNTS.sum().to_frame(name).T]))
    message = refusal(counts)
    assert message.startswith(f"sample {name!r} is the sum of all others. Leave it out: ")
    accepted(values_of(follow(message, counts)))


@pytest.mark.parametrize("kind", ["frame", "AnnData"])
def test_a_sum_over_genes(kind):
    counts = annotated(kind, COUNTS.assign(TOTAL=COUNTS.sum(axis=1)))
    message = refusal(counts)
    assert message.startswith("gene 'TOTAL' is the sum of all others in every sample. Leave it out: ")
    accepted(values_of(follow(message, counts)))


def test_sums_of_sparse_counts_and_of_counts_without_names():
    with_total = np.vstack([COUNTS, COUNTS.sum()])
    for form in (np.asarray, sparse.csr_array):
        assert refusal(form(with_total)) == "sample 6 is the sum of all others. Leave it out"
        with_gene = np.column_stack([COUNTS, COUNTS.sum(axis=1)])
        assert refusal(form(with_gene)) == "gene 30 is the sum of all others in every sample. Leave it out"


def test_sums_that_are_none():
    base = np.arange(1, 31)
    check_counts(np.outer([1, 2, 3], base))  # made up: every sample is a multiple of the others
    check_counts(np.vstack([COUNTS.iloc[0], COUNTS.iloc[0]]))
    check_counts([[5, 3, 2], [6, 2, 4], [8, 5, 3]])  # small tables are sums by chance
    near = np.vstack([COUNTS, COUNTS.sum()])
    near[-1, 3] += 1
    near[-1, 4] -= 1
    check_counts(near)


@pytest.mark.parametrize("kind", ["frame", "AnnData"])
@pytest.mark.parametrize(
    "names", [["__no_feature", "__ambiguous", "__too_low_aQual"], ["N_unmapped", "N_multimapping", "N_noFeature"]]
)
def test_reads_of_no_gene(names, kind):
    extra = pd.DataFrame(np.arange(18).reshape(6, 3) + 10_000, COUNTS.index, names)  # as HTSeq and STAR count them
    counts = annotated(kind, pd.concat([COUNTS, extra], axis=1))
    message = refusal(counts)
    assert message.startswith(
        f"gene {names[0]!r} is none, but counts the reads that belong to no gene. Leave them out: "
    )
    accepted(values_of(follow(message, counts)))


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dates", [["2-Mar", "9-Sep", "1-Dec"], ["Mar-02", "Sep-09", "Dec-01"], ["2024-03-02"]])
def test_dates_for_genes(dates):
    renamed = COUNTS.rename(columns=dict(zip(GENES, dates, strict=False)))
    with pytest.warns(
        UserWarning, match=rf"{len(dates)} gene names? (are dates|is a date), '{dates[0]}', which a spread"
    ):
        checked = check_counts(renamed)
    assert checked.genes[0] == dates[0]
    twice = renamed.rename(columns={GENES[-1]: dates[0]})
    message = refusal(twice)
    assert message.startswith(
        f"gene names must be unique: '{dates[0]}' stands 2 times (1 name repeated). It is a date, "
    )
    assert "sum" not in message.split("repeated).")[1]
    accepted(renamed.set_axis(GENES, axis=1))  # the names of a catalogue


def test_names_that_only_look_odd():
    names = ["dec-7", "sep-1", "unc-13", "HLA-A", "NKX2-1", "MARCHF2", "1-8D", "7SK", "2-5A", "Sept9", "mar-02"]
    accepted(COUNTS.rename(columns=dict(zip(GENES, names, strict=False))).set_axis(GENES, axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_counts(COUNTS.rename(columns=dict(zip(GENES, names, strict=False))))
        bam = COUNTS.set_axis([f"/data/{name}.sorted.bam" for name in SAMPLES])  # featureCounts names samples so
        assert size_factors(bam).index.equals(bam.index)


@pytest.mark.parametrize("identifier", ["ENSG{:011d}", "ENSMUSG{:011d}.3", "FBgn{:07d}", "AT1G{:05d}", "WBGene{:08d}"])
def test_genes_in_rows(identifier):
    names = [identifier.format(i) for i in range(30)]
    for counts, way_out in ((TABLE.set_axis(names), "counts.T"), (anndata.AnnData(TABLE.set_axis(names)), "adata.T")):
        message = refusal(counts)
        assert message == (
            f"the rows are named like genes, the first {names[0]!r}, and should be samples: transpose, {way_out}"
        )
        assert check_counts(counts.T).genes.tolist() == names


# --- scaled and rounded -----------------------------------------------------------------------------------------------

REAL = ["pasilla", "airway", "pickrell", "islam_esmef", "pollen", "kang_muscat", "her2st_A1", "bigsnpr_example"]
SETS = datasets.available().drop("mouseKO_simulated")
BUNDLED = SETS.index[SETS["bundled"] & ~SETS["modality"].str.contains("genotypes")].tolist()
every_set = pytest.mark.parametrize("name", BUNDLED)


def dense(name):
    matrix = datasets.load(name, progress=False).X
    return (matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)).astype(float)


def judged(totals):
    what, sure = scaled_and_rounded(np.asarray(totals, dtype=float))
    return "refused" if sure else "warned of" if what else "accepted"


@every_set
def test_rounded_cpm_and_tpm_are_recognised(name):
    counts = dense(name)
    lengths = np.exp(np.random.default_rng(1).normal(7.5, 1, counts.shape[1]))
    for values in (counts, counts / lengths):
        rounded = np.rint(values / values.sum(axis=1, keepdims=True) * 1e6)
        assert judged(rounded.sum(axis=1)) != "accepted"
    if np.median(counts.sum(axis=1)) > 100_000:
        rounded = np.rint(counts / counts.sum(axis=1, keepdims=True) * np.median(counts.sum(axis=1)))
        assert judged(rounded.sum(axis=1)) != "accepted"


def test_the_two_messages():
    totals = pd.Series([999_914, 1_000_117, 999_987, 1_000_052, 1_000_010, 999_950], SAMPLES)
    counts = COUNTS.mul((totals / COUNTS.sum(axis=1)), axis=0).astype(int)
    counts["gene0"] += totals - counts.sum(axis=1)
    message = refusal(counts)
    assert message.startswith(
        "the values look scaled to one total and rounded, as CPM or TPM are (samples sum to 999,914"
    )
    assert message.endswith("go back to the raw counts")
    counts["gene0"] -= 300  # all below a million: drawn down to it and filtered, perhaps
    with pytest.warns(UserWarning, match="If they were drawn at random down to one depth, .* they are counts"):
        check_counts(counts)


@every_set
@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_counts_and_thinned_counts_are_no_scaled_ones(name, share):
    counts = dense(name)[:100]
    assert judged(counts.sum(axis=1)) == "accepted"
    rng = np.random.default_rng(1)
    thinned = rng.binomial(counts.astype(int), share)  # each read kept with this probability
    assert judged(thinned.sum(axis=1)) == "accepted"
    depth = int(counts.sum(axis=1).min() * share)
    drawn = np.array([rng.multivariate_hypergeometric(row.astype(int), depth, method="marginals") for row in counts])
    assert judged(drawn.sum(axis=1)) == "accepted"  # to one depth, exactly
    expressed = drawn[:, drawn.sum(axis=0) > 3]
    assert judged(expressed.sum(axis=1)) in ("accepted", "warned of")  # the totals fall short by a few reads
    if counts.sum() > 1e8:
        to_million = np.array(
            [rng.multivariate_hypergeometric(row.astype(int), 1_000_000, method="marginals") for row in counts]
        )
        assert judged(to_million[:, to_million.sum(axis=0) > 10].sum(axis=1)) != "refused"


@pytest.mark.parametrize("n", [3, 6, 20, 200])
@pytest.mark.parametrize("total", [1e4, 1e6, 2e7])
def test_counts_that_fell_around_one_total_are_seldom_taken_for_scaled_ones(n, total):
    totals = np.random.default_rng(1).poisson(total, (4000, n)).astype(float)
    wrong = np.mean([judged(row) != "accepted" for row in totals])
    assert wrong < 0.003  # one in a thousand, by construction


def test_small_tables_are_left_alone():
    for totals in ([60, 60, 61], [4000, 4001, 4002], [10_000, 10_001], [1e6, 1e6, 1e6]):
        assert judged(totals) == "accepted"
