"""What people get wrong in their calls, each slip turns a call into the one they made."""

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd

from scomics_lite.design import design_matrix
from scomics_lite.validation import InputError
from small_studies.calls import dense, layer_of, names_of, obs_of, with_obs

SLIPS = []  # functions of a call and a generator; None where a call gives no occasion


def slip(function):
    SLIPS.append(function)
    return function


def with_matrix(call, change):
    """Change the numbers of a container and keep its names."""
    counts = call.counts

    def changed_numbers(matrix):
        return change(np.array(dense(matrix), dtype=float))

    if isinstance(counts, anndata.AnnData):
        layer = layer_of(call)
        layers = {layer: changed_numbers(counts.layers[layer])} if layer else {}
        matrix = counts.X if layer else changed_numbers(counts.X)
        changed = anndata.AnnData(matrix, obs=counts.obs.copy(), var=counts.var.copy(), layers=layers)
    elif isinstance(counts, pd.DataFrame):
        changed = pd.DataFrame(changed_numbers(counts.to_numpy(float)), counts.index, counts.columns)
    else:
        changed = changed_numbers(counts)
    return replace(call, counts=changed)


def is_frame(call):
    return isinstance(call.counts, pd.DataFrame)


def formula_of(call):
    return call.design if isinstance(call.design, str) else None


# --- counts -----------------------------------------------------------------------------------------------------------


@slip
def transposed(call, rng):
    if isinstance(call.counts, list):
        return None
    counts = call.counts.copy() if isinstance(call.counts, anndata.AnnData) else call.counts  # no view can be turned
    return replace(call, counts=counts.T)


def _spoiled(value):
    def spoil(call, rng):
        def change(y):
            y[rng.integers(len(y)), rng.integers(y.shape[1])] = value
            return y

        return with_matrix(call, change)

    return spoil


for _value in (-3.0, np.nan, np.inf, 7.25):
    slip(_spoiled(_value))


def _transformed(change):
    return lambda call, rng: with_matrix(call, change)


def _per_million(y):
    return 1e6 * y / y.sum(axis=1, keepdims=True)


def _rounded_per_million(y):
    return np.rint(_per_million(y))


for _change in (np.log1p, lambda y: np.log2(y + 1), _per_million, _rounded_per_million, lambda y: y - y.mean()):
    slip(_transformed(_change))


@slip
def expected_counts(call, rng):
    return with_matrix(call, lambda y: y + np.where(rng.random(y.shape) < 0.2, 0.37, 0))


@slip
def a_sample_without_counts(call, rng):
    def change(y):
        y[rng.integers(len(y))] = 0
        return y

    return with_matrix(call, change)


@slip
def repeated_samples(call, rng):
    if is_frame(call):
        counts = call.counts.set_axis([*call.counts.index[:-1], call.counts.index[0]])
        if isinstance(call.counts.index, pd.RangeIndex):
            return None
        obs = call.settings["obs"].loc[call.counts.index]
        return replace(call, counts=counts).but(obs=obs.set_axis(counts.index))
    if not isinstance(call.counts, anndata.AnnData):
        return None
    counts = call.counts.copy()
    counts.obs_names = [*counts.obs_names[:-1], counts.obs_names[0]]
    return replace(call, counts=counts)


@slip
def repeated_genes(call, rng):
    if is_frame(call):
        return replace(call, counts=call.counts.set_axis([*call.counts.columns[:-1], call.counts.columns[0]], axis=1))
    if not isinstance(call.counts, anndata.AnnData):
        return None
    counts = call.counts.copy()
    counts.var_names = [*counts.var_names[:-1], counts.var_names[0]]
    return replace(call, counts=counts)


@slip
def row_numbers_as_a_gene(call, rng):
    if is_frame(call):
        numbered = call.counts.copy()
        numbered.insert(0, "Unnamed: 0", np.arange(len(numbered)))
        return replace(call, counts=numbered)
    return None


@slip
def names_as_a_column(call, rng):
    if is_frame(call) and call.counts.index.dtype == object:
        return replace(call, counts=call.counts.rename_axis("sample").reset_index())
    return None


@slip
def thousands_separators(call, rng):
    if is_frame(call):
        return replace(call, counts=call.counts.map(lambda y: f"{int(y):,}"))
    return None


@slip
def numbers_as_text(call, rng):
    return replace(call, counts=call.counts.astype(str)) if isinstance(call.counts, pd.DataFrame | np.ndarray) else None


@slip
def a_row_of_totals(call, rng):
    if not is_frame(call) or isinstance(call.counts.index, pd.RangeIndex):
        return None
    total = call.counts.sum(axis=0).astype(float).rename("Total")
    obs = call.settings["obs"].loc[call.counts.index]
    more = pd.concat([obs, obs.iloc[[0]].rename(index={obs.index[0]: "Total"})])
    return replace(call, counts=pd.concat([call.counts, total.to_frame().T])).but(obs=more, size_factors=None)


@slip
def one_sample(call, rng):
    if isinstance(call.counts, anndata.AnnData):
        return replace(call, counts=call.counts[:1].copy()).but(size_factors=None)
    return None


@slip
def a_series(call, rng):
    return replace(call, counts=call.counts.iloc[0]) if is_frame(call) else None


@slip
def another_layer(call, rng):
    return call.but(layer="raw count" if "layer" in call.settings else "counts")


@slip
def adata_raw(call, rng):
    if not isinstance(call.counts, anndata.AnnData) or "layer" in call.settings:
        return None
    counts = call.counts.copy()
    counts.raw = counts
    return replace(call, counts=counts.raw).but(obs=counts.obs)


# --- samples' columns -------------------------------------------------------------------------------------------------


def _column_of_the_formula(call, rng):
    """Choose a column that the formula uses."""
    formula, obs = formula_of(call), obs_of(call)
    used = [] if formula is None or obs is None else [name for name in obs if str(name) in formula]
    return str(rng.choice(used)) if used else None


@slip
def another_name_in_the_formula(call, rng):
    name = _column_of_the_formula(call, rng)
    if name is None or not name.isidentifier() or len(name) < 4:
        return None
    return replace(call, design=call.design.replace(name, str(rng.choice([name[:-1], name.upper(), name + "s"]))))


@slip
def a_name_without_backticks(call, rng):
    return replace(call, design=call.design.replace("`", "")) if "`" in (formula_of(call) or "") else None


@slip
def a_value_that_is_missing(call, rng):
    name = _column_of_the_formula(call, rng)
    if name is None:
        return None
    obs = obs_of(call).copy()
    column = obs[name].astype(object)
    column.iloc[int(rng.integers(len(column)))] = None
    kind = "float64" if pd.api.types.is_float_dtype(obs[name]) else object
    return with_obs(call, obs.assign(**{name: column.astype(kind)}))


@slip
def a_level_without_samples(call, rng):
    name = _column_of_the_formula(call, rng)
    if name is None or pd.api.types.is_numeric_dtype(obs_of(call)[name]):
        return None
    texts = obs_of(call)[name].astype(str)
    return with_obs(call, obs_of(call).assign(**{name: pd.Categorical(texts, [*pd.unique(texts), "none left"])}))


@slip
def lists_in_a_column(call, rng):
    name = _column_of_the_formula(call, rng)
    if name is None or isinstance(call.counts, anndata.AnnData):
        return None
    lists = pd.Series([[value] for value in obs_of(call)[name].astype(object)], obs_of(call).index)
    return with_obs(call, obs_of(call).assign(**{name: lists}))


@slip
def two_columns_of_one_name(call, rng):
    name = _column_of_the_formula(call, rng)
    if name is None or isinstance(call.counts, anndata.AnnData):
        return None
    return with_obs(call, pd.concat([obs_of(call), obs_of(call)[[name]]], axis=1))


@slip
def no_obs(call, rng):
    return call.but(obs=None) if "obs" in call.settings else None


@slip
def obs_beside_an_anndata(call, rng):
    return call.but(obs=call.counts.obs) if isinstance(call.counts, anndata.AnnData) else None


@slip
def obs_as_a_dict(call, rng):
    return call.but(obs=call.settings["obs"].to_dict("list")) if "obs" in call.settings else None


@slip
def too_few_rows_of_obs(call, rng):
    return call.but(obs=call.settings["obs"].iloc[:-1]) if "obs" in call.settings else None


@slip
def samples_called_otherwise_in_obs(call, rng):
    if not is_frame(call) or isinstance(call.counts.index, pd.RangeIndex):
        return None
    obs = call.settings["obs"].loc[call.counts.index]
    return call.but(obs=obs.set_axis([f"{name}.bam" for name in obs.index]))


# --- formula and design -----------------------------------------------------------------------------------------------


FORMULAS = ("counts ~ {}", "~ {} + (1|batch)", "~ .", "~ {} +", "", "~ 0", "~ {} + log(x)", "~ {} + nothing")
FORMULAS += ("{}) + 1", "~ {0} + {0}")
for _formula in FORMULAS:

    @slip
    def another_formula(call, rng, _formula=_formula):
        formula = formula_of(call)
        return None if formula is None else replace(call, design=_formula.format(formula.lstrip("~ ")))


def _design_of(call):
    """Give the design as a table, with the samples' names."""
    if call.sum_by is not None:
        return None
    if not isinstance(call.design, str):
        return call.design if isinstance(call.design, pd.DataFrame) else None
    try:
        return design_matrix(obs_of(call), call.design)
    except InputError:
        return None


def _of_design(change):
    def changed(call, rng):
        design = _design_of(call)
        return None if design is None else replace(call, design=change(pd.DataFrame(design), obs_of(call), rng))

    return changed


@slip
@_of_design
def too_few_rows_of_a_design(design, obs, rng):
    return design.iloc[:-1]


@slip
@_of_design
def a_design_in_another_order(design, obs, rng):
    return design.iloc[::-1]


@slip
@_of_design
def a_design_with_a_gap(design, obs, rng):
    gap = design.astype(float)
    gap.iloc[int(rng.integers(len(gap))), -1] = np.nan
    return gap


@slip
@_of_design
def a_design_with_a_column_twice(design, obs, rng):
    return pd.concat([design, design.iloc[:, -1:]], axis=1)


@slip
@_of_design
def a_design_with_all_levels(design, obs, rng):
    return design.assign(others=1.0 - design.iloc[:, -1].astype(float))


@slip
@_of_design
def obs_for_a_design(design, obs, rng):
    return design if obs is None else obs.set_axis(design.index)


@slip
@_of_design
def a_design_without_rows(design, obs, rng):
    return design.iloc[:0]


@slip
@_of_design
def one_column_for_a_design(design, obs, rng):
    return design.iloc[:, -1].to_numpy()


# --- contrast ---------------------------------------------------------------------------------------------------------


def _instead(contrast):
    return lambda call, rng: replace(call, contrast=contrast)


WRONG = (("condition", "B"), ("conditon", "B", "A"), ("condition", "b", "a"), ("condition", "A", "A"), ("x", "1", "0"))
WRONG += (("B", "A", "condition"), ["B", "A"], "condition[b]", "B - A", "condition[B] * condition[C]", "condition", "2")
WRONG += ("", "condition_B_vs_A", "condition[B] vs condition[A]", [0, 0], [1, np.nan], [[1, 0], [0, 1]], None, 7)
WRONG += ({"condition[B]": "one"}, {"x": 1}, {"condition[Q]": 1})
for _contrast in WRONG:
    slip(_instead(_contrast))


# --- settings ---------------------------------------------------------------------------------------------------------


def _set(**settings):
    return lambda call, rng: call.but(**settings)


SETTINGS = [
    *({"method": name} for name in ("deseq2", "edgeR", "limma", "LRT", "Wald", "t-test")),
    *({"shrink": name, "prior_scale": None} for name in ("apeglm", "ashr", True)),
    {"shrink": "cauchy", "prior_scale": -1.0},
    {"shrink": "ash", "prior_scale": 0.5},
    {"shrink": "cauchy", "prior_scale": "auto"},
    *({"alpha": value} for value in (5, 0, "0.1", -0.1)),
    *({"lfc_threshold": value} for value in (-1, "1", np.nan)),
    *({"trend": name} for name in ("loess", "local")),
    *({"min_mean": value} for value in (-1, "0.5", 0.1)),
    *({name: value} for name in ("cooks", "filter_genes", "robust") for value in ("no", 1)),
    {"robust": True},
    {"cooks": False},
    *({"alternative": name} for name in ("two-sided", "less", "less_abs", "greater")),
    *({"reduced": value} for value in ("~ 1", "~ nothing", ["Intercept"], ["intercept"], [], 5, "~ condition")),
    {"method": "lrt", "reduced": None},
    {"method": "lrt", "lfc_threshold": 1, "reduced": "~ 1"},
    {"key_added": "found"},
    *({"size_factors": value} for value in ("poscounts", [1.0, 2.0], 1.0, [], ["a", "b"])),
]
for _settings in SETTINGS:
    slip(_set(**_settings))


def _of_size_factors(change):
    def changed(call, rng):
        counts = call.counts
        n = counts.shape[0] if hasattr(counts, "shape") else len(counts)
        return call.but(size_factors=change(np.exp(rng.normal(0, 0.3, n)), counts))

    return changed


@slip
@_of_size_factors
def a_size_factor_of_zero(s, counts):
    return s * (np.arange(len(s)) > 0)


@slip
@_of_size_factors
def a_size_factor_too_few(s, counts):
    return s[1:]


@slip
@_of_size_factors
def library_sizes(s, counts):
    return 1e6 * s


@slip
@_of_size_factors
def size_factors_in_another_order(s, counts):
    names = names_of(counts)[0]
    return s if names is None else pd.Series(s, names).iloc[::-1]


@slip
@_of_size_factors
def size_factors_of_others(s, counts):
    names = names_of(counts)[0]
    return s if names is None else pd.Series(s, [f"other {name}" for name in names])


# --- cells ------------------------------------------------------------------------------------------------------------


def _of_cells(change):
    def changed(call, rng):
        return change(call, rng) if call.sum_by is not None else None

    return changed


@slip
@_of_cells
def another_column_to_sum_by(call, rng):
    return replace(call, sum_by=str(rng.choice(["sample", "sample_nam"])))


@slip
@_of_cells
def a_column_twice_to_sum_by(call, rng):
    return replace(call, sum_by=["sample_name", "sample_name"])


@slip
@_of_cells
def cells_of_no_sample(call, rng):
    counts = call.counts.copy()
    counts.obs["sample_name"] = counts.obs["sample_name"].astype(object).where(np.arange(len(counts)) > 0, None)
    return replace(call, counts=counts)


@slip
@_of_cells
def no_column_to_sum_by(call, rng):
    return replace(call, sum_by=[])


@slip
@_of_cells
def cells_in_a_table(call, rng):
    return replace(call, counts=call.counts.to_df())
