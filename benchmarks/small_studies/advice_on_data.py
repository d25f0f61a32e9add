"""What refusals and warnings say about counts, samples, size factors, too few data, and cells: done to the call."""

import re
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd

from scomics_lite import differential
from scomics_lite.validation import read_counts
from small_studies.calls import names_of, obs_of, with_obs
from small_studies.draw import word
from small_studies.handles import (
    comparisons,
    evaluated,
    formula_from,
    layer_of,
    matrix_of,
    more_samples,
    obs_in_order,
    only_genes,
    only_samples,
    samples_of,
    terms_of,
    with_formula,
)
from small_studies.rules import advice

# --- what is handed over as counts ------------------------------------------------------------------------------------


@advice(r"the counts have [\d,]+ rows and [\d,]+ columns, and there are .*transpose, (counts\.T)$")
@advice(r"the rows are named like genes.*transpose, ((?:adata|counts)\.T)$")
def transpose(call, found):
    yield replace(call, counts=evaluated(call, found[1]))


@advice(r"a design for \d+ samples has as many rows; got \d+")
def give_a_design_for_all_samples(call, found):
    meant = call.meant.design
    yield replace(call, design=getattr(meant, "formula", None) or meant if obs_of(call) is not None else meant)


@advice(r"counts must not be missing.*\(sample (.*), gene (.*)\)\. Drop those genes or samples")
def drop_what_is_missing(call, found):
    gaps = np.isnan(matrix_of(call))
    yield only_genes(call, ~gaps.any(axis=0))
    yield only_samples(call, ~gaps.any(axis=1))


@advice(r"counts must be whole numbers.*may be rounded first, (counts\.round\(\))")
def round_expected_counts(call, found):
    if isinstance(call.counts, pd.DataFrame | np.ndarray):
        yield replace(call, counts=evaluated(call, found[1]))
    yield replace(call, counts=call.raw)


@advice(r"(counts must be finite|the values look).*go back to the raw counts")
@advice(r"counts must not be negative.*Use the raw counts")
def go_back_to_the_raw_counts(call, found):
    yield replace(call, counts=call.raw)


@advice(r"sample names must be unique.*(adata\.obs_names_make_unique\(\)), or sum .*: (df\.groupby.*)$")
def make_sample_names_unique(call, found):
    if isinstance(call.counts, anndata.AnnData):
        counts = call.counts.copy()
        evaluated(call, found[1], adata=counts)
        yield replace(call, counts=counts)
    else:
        yield replace(call, counts=evaluated(call, found[2], df=call.counts))


@advice(r"gene names must be unique.*(adata\.var_names_make_unique\(\)), or sum .*: (df\.T\.groupby.*)$")
def make_gene_names_unique(call, found):
    if isinstance(call.counts, anndata.AnnData):
        counts = call.counts.copy()
        evaluated(call, found[1], adata=counts)
        yield replace(call, counts=counts)
    else:
        yield replace(call, counts=evaluated(call, found[2], df=call.counts)).but(size_factors=None)


@advice(r"'Unnamed: 0' is pandas' name for a column that had none.*index_col=0")
def make_the_first_column_the_index(call, found):
    counts = call.counts.iloc[:, 1:]
    yield replace(call, counts=counts)


@advice(r"[\d,]+ samples? ha(?:s|ve) no count at all.*[Dd]rop it$")
def drop_samples_without_counts(call, found):
    sizes = read_counts(call.counts, layer=layer_of(call)).library_sizes
    if (sizes > 0).any():
        yield only_samples(call, sizes > 0)
    more = more_samples(call, np.arange(len(sizes)))
    yield only_samples(more, more.counts.to_numpy().any(axis=1))


@advice(r"got 1 sample, at least 2 are needed")
def bring_more_samples(call, found):
    yield replace(call, counts=call.raw) if np.shape(call.raw)[0] > 1 else more_samples(call, np.zeros(4, dtype=int))


@advice(r"(?:sample|gene) .* is the sum of all others.*Leave (?:it|them) out: (.*)$")
def leave_sums_out(call, found):
    counts = evaluated(call, found[1])
    names = names_of(counts)[0]
    call = replace(call, counts=counts)
    yield call.but(obs=call.settings["obs"].loc[names]) if "obs" in call.settings else call


@advice(r"(?:sample|gene) .* is the sum of all others[^:]*Leave (?:it|them) out$")
def leave_sums_out_by_hand(call, found):
    twice = 2.0 * matrix_of(call)
    samples, genes = (2 * twice == twice.sum(axis=0)).all(axis=1), (twice.sum(axis=1) == 2 * twice.T).all(axis=1)
    yield only_samples(call, ~samples) if samples.any() else only_genes(call, ~genes)


@advice(r"the numbers are texts with thousands separators.*pd\.read_csv\(\.\.\., thousands=(.*)\)$")
def read_thousands(call, found):
    yield replace(call, counts=call.counts.map(lambda text: int(text.replace(found[1].strip("'"), ""))))


@advice(r".*convert them: (counts\.astype\(float\))$")
def convert_to_numbers(call, found):
    yield replace(call, counts=evaluated(call, found[1]))


@advice(r"\d+ of \d+ columns hold no numbers, the first is .*Make names the index \((df\.set_index\(.*?\))\)")
def make_names_the_index(call, found):
    yield replace(call, counts=evaluated(call, found[1], df=call.counts))


@advice(r"counts must be a table of samples x genes, got a Series.*One sample is (series\.to_frame\(\)\.T),")
def make_a_table_of_a_series(call, found):
    yield replace(call, counts=evaluated(call, found[1], series=call.counts))


@advice(r"the AnnData has no layer '.*'; did you mean '(.*)'\? Known")
def take_the_layer_that_is_meant(call, found):
    yield call.but(layer=found[1])


@advice(r"the AnnData has no layer .*Known: none|layer=.* was given, but only an AnnData has layers")
def name_no_layer(call, found):
    yield call.but(layer=None)


@advice(r"adata\.raw is a part of an AnnData; make it one: (adata\.raw\.to_adata\(\))")
def make_raw_an_anndata(call, found):
    yield replace(call, counts=call.counts.to_adata())


# --- samples' columns -------------------------------------------------------------------------------------------------


@advice(r"an AnnData has its own obs: .*leave obs out")
def leave_obs_out(call, found):
    yield call.but(obs=None)


@advice(r"a formula needs the samples' columns: an AnnData's obs, or obs=…")
@advice(r"reduced=.* is a formula over the samples' columns, which nobody gave: obs=….*reduced=(.*)$")
def give_obs(call, found):
    yield call.but(obs=obs_of(call.meant))
    if found.groups():
        yield call.but(reduced=evaluated(call, found[1]))


@advice(r"obs is a DataFrame with a row for each sample; got dict")
def make_obs_a_dataframe(call, found):
    yield call.but(obs=pd.DataFrame(call.settings["obs"]).set_axis(obs_of(call.meant).index))


@advice(r"obs has [\d,]+ rows for [\d,]+ samples: one row for each sample")
def give_a_row_for_each_sample(call, found):
    obs = call.settings["obs"]
    yield call.but(obs=obs[~obs.index.duplicated()]) if obs.index.has_duplicates else call.but(obs=obs_of(call.meant))


@advice(r"the names of the obs are not those of the counts: .*is not among them$")
def call_the_samples_the_same(call, found):
    yield call.but(obs=call.settings["obs"].set_axis(call.counts.index))


@advice(r"the formula '(.*)' names '(.*?)', which obs has not; (?:did you mean '(.*?)'\? )?Known: ")
def write_the_name_of_the_column(call, found):
    formula, name, meant = found.groups()
    for column in map(str, obs_of(call)):
        if not column.isidentifier() and name in re.split(r"\W", column):
            yield with_formula(call, formula, formula.replace("`", "").replace(column, f"`{column}`"))
    if meant:
        yield with_formula(call, formula, re.sub(rf"\b{re.escape(name)}\b", word(meant), formula))
    yield with_formula(call, formula, formula_from([term for term in terms_of(formula) if name not in term]))


@advice(r"\d+ of \d+ samples have no value in column '(.*)', the first is .*Leave these samples out, or the column out")
def leave_out_samples_without_a_value(call, found):
    missing = obs_in_order(call)[found[1]].isna().to_numpy()
    yield only_samples(call, ~missing)


@advice(r"no sample has level .* of '(.*)', so its effect .*Drop unused levels first: (obs\[.*\]\.cat\..*\(\))$")
def drop_unused_levels(call, found):
    obs = obs_of(call).copy()
    obs[found[1]] = evaluated(call, found[2], obs=obs)
    yield with_obs(call, obs)


@advice(r"factor '(.*)' has one level only, .*Leave it out of the formula")
def leave_the_factor_out(call, found):
    for formula in (call.design, call.settings.get("reduced")):
        if isinstance(formula, str):
            terms = [term for term in terms_of(formula) if found[1] not in term.replace("`", "")]
            call = with_formula(call, formula, formula_from(terms))
    yield call


@advice(r"obs has two columns '(.*)'; rename one or drop it")
def drop_one_of_two_columns(call, found):
    obs = obs_of(call)
    yield with_obs(call, obs.loc[:, ~obs.columns.duplicated()])


@advice(r"column '(.*)' holds a list, .*every row needs one label or number")
def take_the_labels_out_of_lists(call, found):
    obs = obs_of(call)
    yield with_obs(call, obs.assign(**{found[1]: obs[found[1]].map(lambda items: items[0])}))


# --- size factors -----------------------------------------------------------------------------------------------------


@advice(
    r"size factors are numbers, one for each sample; got '.*Methods are names for (scomics_lite\..*\(adata, '.*'\))"
)
@advice(
    r"no gene is counted in all samples, .*size_factors=(scomics_lite\.normalization\.size_factors\(adata, '.*'\))$"
)
def bring_size_factors(call, found):
    counts = read_counts(call.counts, layer=layer_of(call))
    yield call.but(size_factors=evaluated(call, found[1], adata=counts))


@advice(r"\d+ samples need as many size factors, got shape|size factors are numbers, one for each sample; got")
@advice(r"size factors must be positive and finite")
def give_one_number_for_each_sample(call, found):
    yield call.but(size_factors=np.ones(len(samples_of(call))))


@advice(r"the size factors of gene .* have a geometric mean of .*of each gene by theirs: (size_factors / .*)$")
def divide_those_of_each_gene(call, found):
    yield call.but(size_factors=evaluated(call, found[1], size_factors=call.settings["size_factors"]))


@advice(r"the size factors have a geometric mean of (.*); .*divide the size factors by it")
def divide_by_the_geometric_mean(call, found):
    s = call.settings["size_factors"]
    yield call.but(size_factors=np.asarray(s) / np.exp(np.log(np.asarray(s)).mean()))


@advice(r"this takes one size factor for each sample, got a table of shape .*method='(wald)' or 'lrt'")
def take_wald_for_a_table_of_size_factors(call, found):
    yield call.but(method=found[1], robust=None)


# --- too little to go by ----------------------------------------------------------------------------------------------


@advice(r"[\d,]+ of [\d,]+ genes have some 10 counts .* cannot be compared\. method='(wald)' looks at all genes")
def look_at_all_genes(call, found):
    yield call.but(method="lrt" if "reduced" in call.settings else found[1], robust=None)


@advice(r"sample (.*) has no count in the [\d,]+ genes that enough samples have: leave it out")
def leave_the_sample_out(call, found):
    shown = [f"'{name}'" if isinstance(name, str) else str(name) for name in samples_of(call)]
    yield only_samples(call, np.array([name != found[1].strip('"') for name in shown]))


@advice(r"no gene \(of [\d,]+\) varies more than Poisson.*method='(ql)'\) takes them, and glm\.fit with dispersions=0")
def take_ql_or_no_dispersion(call, found):
    yield call.but(method=found[1])
    yield replace(call, how="glm")


@advice(r"the trend of variance over mean falls to .*Leave out samples that repeat .*method='(ql)'\) takes them$")
def leave_repeated_samples_out_or_take_ql(call, found):
    table = pd.DataFrame(matrix_of(call))
    if table.duplicated().any():
        yield only_samples(call, ~table.duplicated())
    yield call.but(method=found[1])


@advice(r"without its only column the design is empty, .*add to the formula what is to be compared, '~ condition'$")
def add_what_is_to_be_compared(call, found):
    yield from comparisons(call)


@advice(r"no (?:smooth )?curve fits the dispersions of these [\d,]+ genes.*trend='(mean)'")
def take_the_mean_trend(call, found):
    yield call.but(trend=found[1])


@advice(r"the scale of the prior is learned from many genes, .*: give it, prior_scale=(0\.5) say, in log2")
def give_the_scale_of_the_prior(call, found):
    yield call.but(prior_scale=float(found[1]))


@advice(r"more than half of the variances are zero: too many to tell outliers by\. Use robust=False")
def do_without_robust(call, found):
    yield call.but(robust=False)


# --- cells ------------------------------------------------------------------------------------------------------------


@advice(r"obs has no column '(.*)'; did you mean '(.*?)'\? Known: ")
def sum_by_the_column_that_is_meant(call, found):
    yield replace(call, sum_by=found[2])


@advice(r"obs has no column '.*'; Known: none$")
def turn_the_cells_upright(call, found):
    yield replace(call, counts=call.counts.T)


@advice(r"column '(.*)' is named twice: by sample and group together, each once")
def name_the_column_once(call, found):
    yield replace(call, sum_by=found[1])


@advice(r"sample names no column of obs: name one that says which sample a cell is from")
def name_a_column_to_sum_by(call, found):
    yield replace(call, sum_by="sample_name")


@advice(r"[\d,]+ of [\d,]+ cells have no value in column .*Leave these cells out: (adata\[adata\.obs\[.*\])$")
def leave_cells_out(call, found):
    yield replace(call, counts=evaluated(call, found[1]))


@advice(r"pseudobulk needs an AnnData, whose obs says which cell is whose; got \w+")
def make_an_anndata_of_the_cells(call, found):
    yield replace(call, counts=call.raw)


@advice(r"none of the [\d,]+ sums has \d+ cells and \d+ counts: .*Ask for fewer$")
def ask_for_fewer(call, found):
    yield replace(call, counts=differential.pseudobulk(call.counts, call.sum_by, min_counts=0), sum_by=None)
