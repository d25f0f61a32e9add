"""The forms that a study may take: containers, types, designs, contrasts, one call or a fit that is asked."""

from dataclasses import dataclass, replace

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite import differential, glm
from scomics_lite.design import contrast as contrast_vector
from scomics_lite.design import design_matrix
from scomics_lite.validation import InputError, check_counts
from small_studies.draw import pick, word

FIT_SETTINGS = ("method", "obs", "size_factors", "layer", "trend", "min_mean", "cooks", "filter_genes", "robust")


@dataclass(frozen=True, eq=False)
class Call:
    """One call of the package, and what its counts were before anything went wrong with them."""

    counts: object
    design: object
    contrast: object
    settings: dict
    raw: object
    how: str = "test"  # or "study", fit(...).tests(...), or "glm", which knows no dispersion
    sum_by: object = None  # of cells: the column that pseudobulk sums by
    meant: object = None  # the call before somebody slipped

    def run(self):
        """Give the table."""
        counts, settings = self.counts, dict(self.settings)
        if self.sum_by is not None:
            counts = differential.pseudobulk(counts, self.sum_by)
        if self.how == "glm":
            return self._without_dispersion(counts)
        if self.how == "test":
            return differential.test(counts, self.design, self.contrast, progress=False, **settings)
        of_fit = {name: settings.pop(name) for name in FIT_SETTINGS if name in settings}
        study = differential.fit(counts, self.design, progress=False, **of_fit)
        return study.tests({"asked": self.contrast}, **settings)["asked"]

    def _without_dispersion(self, counts):
        """Take counts for Poisson counts; sizes by the library sizes."""
        design, settings = self.design, self.settings
        if isinstance(design, str):
            design = design_matrix(settings.get("obs", getattr(counts, "obs", None)), design)
        checked = check_counts(counts, layer=settings.get("layer"))
        s = checked.library_sizes / checked.library_sizes.mean()
        return glm.wald_test(glm.fit(checked, np.asarray(design, dtype=float), s, 0.0), np.eye(design.shape[1])[-1])

    def but(self, **changes):
        """Give the call with other settings; None takes one out."""
        merged = {**self.settings, **changes}
        return replace(self, settings={name: value for name, value in merged.items() if value is not None})


# --- parts of a call --------------------------------------------------------------------------------------------------


def layer_of(call):
    return call.settings.get("layer")


def obs_of(call):
    """Give the samples' columns, or None."""
    return call.counts.obs if isinstance(call.counts, anndata.AnnData) else call.settings.get("obs")


def with_obs(call, obs):
    """Give other columns of the samples."""
    if not isinstance(call.counts, anndata.AnnData):
        return call.but(obs=obs)
    counts = call.counts.copy()
    counts.obs = obs
    return replace(call, counts=counts)


def dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def names_of(counts):
    """Give the names of samples and genes of a container, None where it has none."""
    if isinstance(counts, anndata.AnnData):
        return counts.obs_names, counts.var_names
    return (counts.index, counts.columns) if isinstance(counts, pd.DataFrame) else (None, None)


# --- the forms of a study ---------------------------------------------------------------------------------------------


def call_of(study, rng, *, plain=False):
    """Put a study into one of its forms; the plain one is an AnnData and a formula."""
    kind = "dense AnnData" if plain else str(rng.choice(list(CONTAINERS)))
    settings, how = dict(study.settings), "study" if not plain and rng.random() < 0.3 else "test"
    counts, obs = _contained(study, kind, rng)
    if "layer" in kind:
        settings["layer"] = "raw counts"
    if obs is not None:
        settings["obs"] = obs
    elif "sparse" not in kind and rng.random() < 0.1:
        settings["key_added"] = "found"
    call = Call(counts, study.formula, study.contrast, settings, counts, how)
    call = _with_design(
        study, call, "formula" if plain else pick(rng, formula=6, design=2, frame=1, bool=1, dummies=1, array=1)
    )
    call = _with_contrast(study, call, "as drawn" if plain else pick(rng, **dict.fromkeys(FORMS, 1), drawn=4))
    call = _with_reduced(study, call)
    return call if plain else _as_cells(study, _named_factors(call, rng), rng)


CONTAINERS = {
    "dense AnnData": lambda y: y,
    "csr AnnData": sparse.csr_matrix,
    "csc AnnData": sparse.csc_matrix,
    "csr_array AnnData": sparse.csr_array,
    "layer AnnData": lambda y: y,
    "view AnnData": lambda y: y,
    "DataFrame": lambda y: y,
    "nullable DataFrame": lambda y: y,
    "sparse DataFrame": lambda y: y,
    "ndarray": lambda y: y,
    "fortran ndarray": np.asfortranarray,
    "strided ndarray": lambda y: np.repeat(y, 2, axis=1)[:, ::2],
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_array,
    "list": lambda y: y.tolist(),
}


def _contained(study, kind, rng):
    """Give the counts in a container, and obs where the container has none."""
    matrix, obs = CONTAINERS[kind](study.counts.astype(study.dtype)), study.obs
    if "AnnData" in kind:
        return _anndata(study, matrix, kind), None
    if "DataFrame" not in kind:
        return matrix, obs
    frame = pd.DataFrame(matrix, index=obs.index, columns=study.genes)
    if kind == "nullable DataFrame":
        frame = frame.convert_dtypes()
    if kind == "sparse DataFrame" and study.dtype is not bool:
        frame = frame.astype(pd.SparseDtype(study.dtype, 0))
    named = not isinstance(obs.index, pd.RangeIndex)
    return frame, obs.iloc[rng.permutation(len(obs))] if named and rng.random() < 0.5 else obs


def _anndata(study, matrix, kind):
    obs, var = study.obs.set_axis(study.obs.index.astype(str)), pd.DataFrame(index=study.genes.astype(str))
    if kind == "layer AnnData":
        return anndata.AnnData(np.log1p(matrix.astype(float)), obs=obs, var=var, layers={"raw counts": matrix})
    if kind == "view AnnData":
        others = obs.set_axis("other " + obs.index)
        return anndata.AnnData(np.vstack([matrix, matrix]), obs=pd.concat([obs, others]), var=var)[: len(obs)]
    return anndata.AnnData(matrix, obs=obs, var=var)


def _with_design(study, call, kind):
    """Hand over a design in place of the formula."""
    if kind == "formula":
        return call
    samples = names_of(call.counts)[0]
    obs = study.obs if samples is None else study.obs.set_axis(samples)
    try:
        design = design_matrix(obs, study.formula)
    except InputError:
        return call
    if kind == "frame":
        return replace(call, design=design.matrix)
    if kind == "dummies":
        dummies = _dummies(study, obs)
        same = dummies is not None and np.array_equal(dummies.to_numpy(float), design.to_numpy())
        return replace(call, design=dummies if same else design.matrix)
    if kind == "bool":
        zero_one = {name: bool for name in design if design[name].isin([0, 1]).all()}
        return replace(call, design=design.matrix.astype(zero_one))
    return replace(call, design=design if kind == "design" else design.to_numpy())


def _dummies(study, obs):
    """Make zeros and ones of the one factor of a design by pandas' own function, or None."""
    factors = [term for term in study.terms if term != "0"]
    name = factors[0].strip("`")
    if len(factors) > 1 or name not in obs:
        return None
    if "0" in study.terms:
        return pd.get_dummies(obs[name])
    dummies = pd.get_dummies(obs[name], drop_first=True)
    dummies.insert(0, "all", 1)
    return dummies


FORMS = ("vector", "numbers", "series", "dict", "text")


def recoded(study, call):
    """Ask for the same two levels where each has a mean of its own, or give None where that cannot be."""
    terms, levels = study.terms, study.contrast
    term = next((term for term in terms if isinstance(levels, tuple) and term in _as_terms(levels[0])), None)
    others = [one for one in terms if one != term]
    plain = not any(sign in one for one in others for sign in ":(")
    if term is None or "0" in terms or not plain or call.settings.get("shrink") == "cauchy":
        return None
    name = levels[0] if term == f"`{levels[0]}`" else term
    other = replace(call, design="~ " + " + ".join(["0", term, *others]))
    other = replace(other, contrast=f"{name}[{levels[1]}] - {name}[{levels[2]}]")
    return None if isinstance(call.settings.get("reduced"), list) else other


def _as_terms(name):
    return word(name), f"C({word(name)})"


def _with_contrast(study, call, kind):
    """Ask the same in another form; an array has no names but x0, x1 and so on."""
    unnamed = isinstance(call.design, np.ndarray)
    if kind not in FORMS and (isinstance(call.design, str) or getattr(call.design, "formula", None)):
        return call
    try:
        design = design_matrix(study.obs, study.formula)
        vector = contrast_vector(design, study.contrast)
    except InputError:
        return call
    names = call.design.columns if isinstance(call.design, pd.DataFrame) else design.columns
    names = [f"x{j}" for j in range(len(vector))] if unnamed else [str(name) for name in names]
    weights = {name: float(weight) for name, weight in zip(names, vector, strict=True) if weight}
    text = " + ".join(f"{weight!r} * {name}" for name, weight in weights.items()).replace("+ -", "- ")
    forms = {"numbers": vector.tolist(), "series": pd.Series(vector, names), "dict": weights, "text": text}
    return replace(call, contrast=forms.get(kind, vector))


def _with_reduced(study, call):
    """Write the smaller model as a formula, or as the names of its columns, where it is a part of them."""
    how = call.settings.get("reduced")
    if how is None:
        return call
    fewer = [term for term in study.terms[:-1] if term != "0"]
    formula = "~ " + (" + ".join(fewer) or "1")
    if how == "terms" and obs_of(call) is not None:
        return call.but(reduced=formula)
    try:
        full, kept = (list(design_matrix(study.obs, one).columns) for one in (study.formula, formula))
    except InputError:
        return call.but(reduced=formula)
    if not set(kept) <= set(full):
        return call.but(reduced=formula)
    unnamed = isinstance(call.design, np.ndarray)
    return call.but(reduced=[f"x{full.index(name)}" if unnamed else name for name in kept])


def _named_factors(call, rng):
    """Give size factors names, now and then."""
    s, samples = call.settings.get("size_factors"), names_of(call.counts)[0]
    if s is None or samples is None or (rng.random() < 0.5 and s.ndim == 1):
        return call
    named = pd.Series(s, samples) if s.ndim == 1 else pd.DataFrame(s, samples, names_of(call.counts)[1])
    return call.but(size_factors=named)


def _as_cells(study, call, rng):
    """Split the samples into cells, now and then, for pseudobulk to sum."""
    adata, plain_names = call.counts, study.obs.index.is_monotonic_increasing and study.obs.index.dtype == object
    if not isinstance(adata, anndata.AnnData) or not plain_names or "layer" in call.settings or rng.random() < 0.7:
        return call
    if not (isinstance(call.design, str) or study.counts.any(axis=1).all()):  # samples without counts are left out
        return call
    k = int(rng.integers(1, 4))
    whole = np.minimum(study.counts, 2**53)
    parts, rest = [], whole.copy()
    for left in range(k, 1, -1):
        part = rng.binomial(rest, 1 / left)
        parts.append(part)
        rest = rest - part
    matrix = sparse.csr_matrix(np.vstack([*parts, rest]))
    obs = pd.concat([adata.obs.assign(sample_name=adata.obs_names)] * k)
    obs = obs.set_axis([f"cell{i}" for i in range(len(obs))])
    cells = anndata.AnnData(matrix, obs=obs, var=adata.var.copy())
    return replace(call, counts=cells, raw=cells, sum_by="sample_name").but(key_added=None)
