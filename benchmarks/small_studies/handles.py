"""What advice does to a call: samples left out and added, terms left out, other contrasts, code that messages quote."""

from dataclasses import replace
from itertools import product

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

import scomics_lite
from scomics_lite import differential
from scomics_lite.design import design_matrix
from scomics_lite.validation import InputError, read_counts
from small_studies.calls import dense, layer_of, names_of, obs_of, with_obs
from small_studies.draw import word

MOST_ADDED = 24  # samples


def summed(call):
    """Sum cells first, where that can be done, so that what follows is about samples."""
    if call.sum_by is None:
        return call
    try:
        sums = differential.pseudobulk(call.counts, call.sum_by)
    except InputError:
        return call
    raw = sums if call.raw is call.counts else differential.pseudobulk(call.raw, call.sum_by)
    return replace(call, counts=sums, raw=raw, sum_by=None)


def matrix_of(call):
    """Give the counts as an array."""
    return dense(read_counts(call.counts, layer=layer_of(call)).matrix)


def samples_of(call):
    return read_counts(call.counts, layer=layer_of(call)).samples


def obs_in_order(call):
    """Give the samples' columns, in the order of the counts."""
    obs = obs_of(call)
    names = names_of(call.counts)[0]
    if obs is None or names is None or isinstance(obs.index, pd.RangeIndex) or not obs.index.isin(names).all():
        return obs
    return obs.loc[names]


def design_of(call):
    """Give the design as a table."""
    if isinstance(call.design, str):
        return design_matrix(obs_in_order(call), call.design)
    if isinstance(call.design, pd.DataFrame):
        return call.design
    return pd.DataFrame(call.design, columns=[f"x{j}" for j in range(np.shape(call.design)[1])])


def taken(counts, rows=slice(None), columns=slice(None)):
    """Take rows and columns of any container."""
    if isinstance(counts, pd.DataFrame):
        return counts.iloc[rows, columns]
    if isinstance(counts, anndata.AnnData):
        return counts[rows, :][:, columns].copy()
    counts = counts.tocsr() if sparse.issparse(counts) else np.asarray(counts)
    return counts[rows, :][:, columns]


def only_samples(call, rows):
    """Leave samples out, everywhere."""
    rows, design, settings = np.flatnonzero(rows), call.design, dict(call.settings)
    if not isinstance(design, str):
        design = design.iloc[rows] if isinstance(design, pd.DataFrame) else np.asarray(design)[rows[rows < len(design)]]
    if "obs" in settings:
        settings["obs"] = obs_in_order(call).iloc[rows]
    if "size_factors" in settings:
        s = settings["size_factors"]
        settings["size_factors"] = s.iloc[rows] if isinstance(s, pd.Series | pd.DataFrame) else np.asarray(s)[rows]
    raw = taken(call.raw, rows) if np.shape(call.raw) == np.shape(call.counts) else call.raw
    return replace(call, counts=taken(call.counts, rows), raw=raw, design=design, settings=settings)


def only_genes(call, columns):
    """Leave genes out."""
    columns, settings = np.flatnonzero(columns), dict(call.settings)
    if np.ndim(settings.get("size_factors")) == 2:
        s = settings["size_factors"]
        settings["size_factors"] = s.iloc[:, columns] if isinstance(s, pd.DataFrame) else np.asarray(s)[:, columns]
    return replace(call, counts=taken(call.counts, columns=columns), settings=settings)


def evaluated(call, code, **names):
    """Evaluate what a message quotes."""
    known = {"counts": call.counts, "adata": call.counts, "obs": obs_in_order(call), "design": call.design}
    known |= {"pd": pd, "np": np, "scomics_lite": scomics_lite, "design_matrix": design_matrix}
    return eval(code, known | names)


def terms_of(formula):
    """Split a formula into its terms."""
    depth, terms, last = 0, [], ""
    for sign in formula.lstrip("~ "):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(sign, 0)
        if sign == "+" and depth == 0:
            terms, last = [*terms, last.strip()], ""
        else:
            last += sign
    return [term for term in [*terms, last.strip()] if term]


def formula_from(terms):
    return "~ " + (" + ".join(terms) if [term for term in terms if term != "0"] else "1")


def with_formula(call, old, new):
    """Change the formula of the design, or of the smaller one, whichever is meant."""
    reduced = call.settings.get("reduced")
    changed = replace(call, design=new) if isinstance(call.design, str) and call.design == old else call
    return changed.but(reduced=new) if isinstance(reduced, str) and reduced == old else changed


def asked_about(call, term):
    """Tell whether the contrast needs a term."""
    return term.strip("`") in str(call.contrast)


def without_a_term(call):
    """Leave a term out of the formula, one that the contrast does not ask about if there is one, the last first."""
    terms = terms_of(call.design)
    order = sorted(range(len(terms)), key=lambda j: (asked_about(call, terms[j]), -j))
    for j in order:
        if terms[j] not in ("0", "1"):
            yield replace(call, design=formula_from([term for k, term in enumerate(terms) if k != j]))


def a_column(call):
    """Ask for a column that there is, the last one."""
    return replace(call, contrast=str(design_of(call).columns[-1]))


def comparisons(call):
    """Ask for the last level of one column of the samples that has levels, and of the next."""
    for name in map(str, obs_of(call)):
        texts = obs_of(call)[name].astype(str)
        if 1 < texts.nunique() < len(texts) - 1:
            compared = replace(call, design=f"~ {word(name)}")
            yield a_column(with_obs(compared, obs_of(call).assign(**{name: texts})))


def more_samples(call, rows):
    """Add samples like some that there are, with counts as usual."""
    obs, design = obs_in_order(call), call.design
    more = None if obs is None else obs.iloc[rows]
    if np.ndim(design) == 2:
        design = pd.DataFrame(design_of(call)).astype(float)
        design = pd.concat([design, design.iloc[rows]])
    return _with_samples(call, len(rows), None if obs is None else pd.concat([obs, more]), design)


def samples_that_break_ties(call):
    """Add a sample for every combination of levels, with numbers like those of the others."""
    obs, rng = obs_in_order(call), np.random.default_rng(2)
    used = [name for name in obs if str(name) in call.design]
    labels = [name for name in used if not pd.api.types.is_numeric_dtype(obs[name])]
    levels = [pd.unique(obs[name].astype(object)) for name in labels]
    grid = pd.DataFrame(list(product(*levels)), columns=labels, index=None)
    grid = pd.concat([grid] * max(1, MOST_ADDED // (2 * len(grid)))).reset_index(drop=True)[:MOST_ADDED]
    for name in obs.columns.difference(labels):
        drawn = rng.choice(obs[name].astype(object), len(grid))
        is_amount = name in used and pd.api.types.is_float_dtype(obs[name])
        grid[name] = drawn * rng.uniform(0.5, 1.5, len(grid)) if is_amount else drawn
    more = pd.concat([obs.astype(object), grid[obs.columns].astype(object)]).infer_objects()
    return _with_samples(call, len(grid), more, call.design)


def _with_samples(call, number, obs, design):
    """Put so many samples at the end, with counts as usual."""
    counts, matrix = read_counts(call.counts, layer=layer_of(call)), matrix_of(call)
    rng = np.random.default_rng(1)
    usual = np.maximum(matrix.mean(axis=0, dtype=float), 10.0)
    new = rng.poisson(rng.gamma(5, usual / 5, (number, matrix.shape[1])))
    names = [*map(str, counts.samples), *(f"new {len(matrix) + i}" for i in range(number))]
    frame = pd.DataFrame(np.vstack([matrix, new]), names, counts.genes)
    design = design.set_axis(names) if isinstance(design, pd.DataFrame) else design
    added = replace(call, counts=frame, raw=frame, design=design)
    return added.but(obs=None if obs is None else obs.set_axis(names), layer=None, size_factors=None, key_added=None)
