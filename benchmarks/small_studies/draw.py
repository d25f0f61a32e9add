"""What is true of a random study: its counts, its samples, its model, and what is asked."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scomics_lite.design import design_matrix
from scomics_lite.validation import InputError

COLUMNS = [
    "condition",
    "cell type",
    "cell-type",
    "dose (mg)",
    "a.b",
    "class",
    "C",
    "Größe",
    "条件",
    "1st",
    "time:point",
]
LEVELS = [
    *"ABCDEFG",
    "treated",
    "no drug",
    "p53+/-",
    "T.x",
    "a:b",
    "(0, 1]",
    "[x]",
    "0.5",
    "nan",
    "é",
    "it's",
    "-1",
    "+",
]
KINDS = {"object": 4, "category": 4, "ordered": 2, "string": 1, "unused": 0.4, "boolean": 1, "integer": 1.5}
KINDS |= {"date": 0.4, "sparse": 0.4, "mixed": 0.3}  # of columns of labels, and how often there is one
MODELS = {"one": 35, "two": 22, "slope": 10, "three": 6, "interaction": 5, "means": 7, "means_two": 4, "nested": 2}
MODELS |= {"only_x": 4, "function": 4, "slopes": 2}
INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)


@dataclass(frozen=True, eq=False)
class Study:
    """Counts, samples and a question, before they take any form."""

    counts: np.ndarray  # (n, g)
    dtype: type
    obs: pd.DataFrame
    genes: pd.Index
    terms: list  # of the formula; "0" among them takes the intercept out
    contrast: object  # as a tuple or text over the columns of the formula's design
    settings: dict

    @property
    def formula(self):
        """Write the model down."""
        return "~ " + (" + ".join(self.terms) or "1")


def draw(seed):
    """Draw a study by its number."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 13) if rng.random() < 0.3 else rng.integers(6, 13))
    g = round(float(np.exp(rng.uniform(np.log(3), np.log(300)))))
    obs, names = _samples(rng, n)
    terms, contrast = _model(rng, obs, names)
    counts, dtype = _counts(rng, obs[names["condition"]], g)
    settings = _settings(rng, counts, terms)
    return Study(counts, dtype, obs, _gene_names(rng, g), terms, contrast, settings)


def word(name):
    """Write the name of a column as a formula wants it."""
    return name if name.isidentifier() else f"`{name}`"


def pick(rng, **chances):
    """Choose a name by its share."""
    shares = np.array(list(chances.values()), dtype=float)
    return list(chances)[rng.choice(len(shares), p=shares / shares.sum())]


def _samples(rng, n):
    """Draw the samples' columns: a condition, a batch, pairs inside the conditions and a covariate."""
    k = int(min(n, rng.choice([2, 3, 4], p=[0.6, 0.25, 0.15])))
    uneven = rng.random() < 0.3
    shares = rng.dirichlet(np.ones(k)) if uneven else np.full(k, 1 / k)
    group = np.concatenate([np.arange(k), rng.choice(k, n - k, p=shares)]) if uneven else np.arange(n) % k
    group = np.sort(group) if rng.random() < 0.6 else group
    tied = pick(rng, crossed=0.88, same=0.05, nested=0.07)
    batch = {"crossed": rng.integers(0, 2 if rng.random() < 0.7 else 3, n), "same": group, "nested": group // 2}[tied]
    if tied == "crossed" and rng.random() < 0.5:
        batch = np.arange(n) // k % 2  # balanced
    pair = pd.Series(np.zeros(n)).groupby(group).cumcount().to_numpy()
    named = [str(name) for name in rng.choice(COLUMNS, 4, replace=False)]
    named = ["condition", "batch", "pair", "x"] if rng.random() < 0.6 else named
    names = dict(zip(("condition", "batch", "pair", "x"), named, strict=True))
    obs = pd.DataFrame({names["condition"]: _factor(rng, group), names["batch"]: _factor(rng, batch)})
    obs[names["pair"]], obs[names["x"]] = _factor(rng, pair), _covariate(rng, n)
    return obs.set_axis(_sample_names(rng, n)), names


def _sample_names(rng, n):
    kind = pick(rng, plain=0.7, numbers=0.1, range=0.1, odd=0.1)
    if kind == "numbers":
        return pd.Index(rng.permutation(np.arange(100, 100 + n)))
    if kind == "range":
        return pd.RangeIndex(n)
    return pd.Index([f"s{i:02}" if kind == "plain" else f"sample {i}, 'no' [{i}]" for i in range(n)])


def _gene_names(rng, g):
    kind = pick(rng, plain=0.7, ensembl=0.1, numbers=0.1, odd=0.1)
    if kind == "numbers":
        return pd.Index(np.arange(1_000, 1_000 + g))
    names = {"plain": "g{}", "ensembl": "ENSG{:011}", "odd": "gene {} 'β-[1]'"}[kind]
    return pd.Index([names.format(i) for i in range(g)])


def _factor(rng, codes):
    """Give labels in one of the many kinds that a column of labels may be of."""
    codes, names = np.asarray(codes), rng.permutation(LEVELS) if rng.random() < 0.4 else np.array(LEVELS)
    k = codes.max() + 1
    kind = pick(rng, **KINDS)
    texts = [str(names[code]) for code in codes]
    if kind in ("category", "ordered", "unused"):
        levels = [str(name) for name in names[: k + (kind == "unused")]]
        return pd.Categorical(texts, levels, ordered=kind == "ordered")
    if kind == "boolean" and k == 2:
        return pd.array(codes == 1, dtype="boolean") if rng.random() < 0.5 else codes == 1
    if kind == "integer":
        return pd.array(codes + 1, dtype=str(rng.choice(["int64", "Int64", "float64", "int8", "Float32"])))
    if kind == "date":
        return pd.to_datetime("2024-03-01") + pd.to_timedelta(codes, unit="D")
    if kind == "sparse":
        return pd.arrays.SparseArray(texts, fill_value=texts[0])
    if kind == "mixed":
        return np.where(codes == 1, codes.astype(object), np.array(texts, dtype=object))
    return pd.array(texts, dtype="string") if kind == "string" else np.array(texts, dtype=object)


def _covariate(rng, n):
    """Give numbers of any size and kind."""
    kind = pick(rng, normal=4, amount=2, whole=2, months=1, dates=0.5, nullable=0.7, text=0.2, constant=0.2, small=0.7)
    if kind == "whole":
        return rng.integers(20, 80, n)
    if kind == "months":
        return rng.integers(1, 4, n)
    if kind == "dates":
        return 1_700_000_000_000_000_000 + rng.integers(0, 300, n) * 86_400_000_000_000
    if kind == "text":
        return rng.normal(size=n).round(1).astype(str).astype(object)
    if kind == "constant":
        return np.full(n, 3.5)
    if kind == "small":
        return rng.random(n).astype(np.float32)
    scale = 10.0 ** rng.uniform(-12, 18) if rng.random() < 0.5 else 1.0
    values = scale * (rng.normal(size=n) if kind == "normal" else 3 + rng.random(n))
    return pd.array(values, dtype="Float64") if kind == "nullable" else values


# --- model and question -----------------------------------------------------------------------------------------------


def _model(rng, obs, names):
    """Draw the terms of a formula, and what is asked of it."""
    condition, batch, pair = (_term(rng, obs, names[name]) for name in ("condition", "batch", "pair"))
    x = word(names["x"])
    kind = pick(rng, **MODELS)
    function = str(rng.choice(["scale({})", "center({})", "np.log1p({})", "poly({}, 2)", "bs({}, df=3)", "I({})"]))
    terms = {
        "one": [condition],
        "two": [batch, condition],
        "slope": [condition, x],
        "three": [batch, x, condition],
        "interaction": [batch, condition, f"{batch}:{condition}"],
        "means": ["0", condition],
        "means_two": ["0", condition, batch],
        "nested": [condition, f"{condition}:{pair}"],
        "only_x": [x],
        "function": [condition, function.format(x)],
        "slopes": [condition, f"{condition}:{x}"],
    }[kind]
    return terms, _question(rng, obs, names, terms)


def _term(rng, obs, name):
    """Write a factor into the formula: numbers that are labels as C(name), most of the time."""
    is_number = pd.api.types.is_numeric_dtype(obs[name]) and not pd.api.types.is_bool_dtype(obs[name])
    return f"C({word(name)})" if is_number and rng.random() < 0.8 else word(name)


def _question(rng, obs, names, terms):
    """Ask for two levels of the condition, or for columns of the design."""
    name = names["condition"]
    if any(term in (word(name), f"C({word(name)})") for term in terms) and rng.random() < 0.7:
        levels = pd.unique(obs[name].astype(object))
        return (name, *rng.permutation(np.array([*levels, None], dtype=object)[:-1])[:2])
    try:
        columns = list(design_matrix(obs, "~ " + " + ".join(terms)).columns)
    except InputError:
        return (name, "B", "A")
    last = columns[-1]
    if len(columns) < 3 or rng.random() < 0.5:
        return last
    one, other = rng.choice(columns[1:], 2, replace=False)
    return {str(one): 1.0, str(other): float(rng.choice([-1.0, -0.5, 2.0]))}


def _settings(rng, counts, terms):
    """Draw what is asked for beside the contrast."""
    method = pick(rng, wald=0.4, lrt=0.15, ql=0.25, voom=0.2)
    settings = {"method": method} if method != "wald" or rng.random() < 0.5 else {}
    likelihood = method in ("wald", "lrt")
    if method == "lrt" or (method == "ql" and rng.random() < 0.25):
        settings["reduced"] = "terms" if rng.random() < 0.6 else "names"
    elif rng.random() < 0.25:
        settings["lfc_threshold"] = float(rng.choice([0.1, 0.5, 1, 2]))
    if method == "wald" and rng.random() < 0.2:
        settings["alternative"] = str(rng.choice(["greater", "less", "less_abs"]))
        settings |= {"lfc_threshold": 0.5} if settings["alternative"] == "less_abs" else {}
    elif rng.random() < 0.4:
        settings["shrink"] = "cauchy" if likelihood and rng.random() < 0.4 else "ash"
        if settings["shrink"] == "cauchy" and rng.random() < 0.4:
            settings["prior_scale"] = float(rng.choice([0.1, 0.5, 3]))
    some = {"trend": str(rng.choice(["local", "mean"])), "min_mean": float(rng.choice([0, 0.1, 2])), "cooks": False}
    some = some if likelihood else {"robust": True}
    some |= {"filter_genes": False, "alpha": float(rng.choice([0.01, 0.05, 0.5]))}
    settings |= {name: value for name, value in some.items() if rng.random() < 0.2}
    return settings | _size_factors(rng, counts, likelihood)


def _size_factors(rng, counts, likelihood):
    """Give size factors in a fifth of the studies: by depth, or of any size; and tables, a factor for every count."""
    if rng.random() < 0.8:
        return {}
    depth = counts.sum(axis=1) + 1.0
    s = depth / np.exp(np.log(depth).mean()) * (rng.uniform(2, 1e6) if rng.random() < 0.2 else 1.0)
    if likelihood and rng.random() < 0.3:
        lengths = np.exp(rng.normal(0, 0.2, counts.shape))
        s = s[:, None] * lengths / np.exp(np.log(lengths).mean(axis=0))
    return {"size_factors": s}


# --- counts -----------------------------------------------------------------------------------------------------------


def _counts(rng, labels, g):
    """Draw counts (n, g) of any depth and dispersion, with what goes wrong in real ones, and a type that holds them."""
    group = pd.factorize(labels)[0]
    n, depth = len(group), 10.0 ** (rng.uniform(np.log10(20), 7) if rng.random() < 0.4 else rng.uniform(3.5, 7))
    share = np.exp(rng.normal(0, rng.choice([0.5, 1.5, 3]), g))
    shape = group.max() + 1, g
    effect = np.where(rng.random(shape) < rng.choice([0, 0.2]), rng.normal(0, 1.5, shape), 0)
    sizes = depth * np.exp(rng.normal(0, rng.choice([0, 0.3, 1.5]), n))
    mean = sizes[:, None] * share / share.sum() * np.exp(effect[group])
    counts = _scattered(rng, mean)
    mishaps = {_outliers: 0.2, _absent: 0.2, _of_one_group: 0.1, _separated: 0.07, _repeated: 0.05}
    for change, share_of_studies in mishaps.items():
        if rng.random() < share_of_studies:
            change(rng, counts, group)
    dtype = [np.int64, np.float64, np.float32, bool, *INTEGERS][rng.choice(12, p=_shares(6, 4, 2, 0.5, *[1] * 8))]
    return _fitting(counts, dtype), dtype


def _shares(*weights):
    return np.array(weights, dtype=float) / sum(weights)


def _scattered(rng, mean):
    """Draw negative binomial counts, Poisson ones where there is no dispersion."""
    phi = float(rng.choice([0, 0.01, 0.1, 0.5, 5])) * np.exp(rng.normal(0, rng.choice([0, 0.5]), mean.shape[1]))
    gamma = rng.gamma(1 / np.maximum(phi, 1e-12), np.maximum(phi, 1e-12), mean.shape)
    return rng.poisson(np.minimum(mean * np.where(phi > 0, gamma, 1.0), 1e12)).astype(np.int64)


def _outliers(rng, counts, group):
    for _ in range(int(rng.integers(1, 4))):
        counts[rng.integers(len(counts)), rng.integers(counts.shape[1])] += int(10 ** rng.uniform(2, 7))


def _absent(rng, counts, group):
    counts[:, rng.random(counts.shape[1]) < rng.choice([0.1, 0.8])] = 0


def _of_one_group(rng, counts, group):
    counts[np.ix_(group != rng.integers(group.max() + 1), rng.random(counts.shape[1]) < 0.2)] = 0


def _separated(rng, counts, group):
    """Let one sample alone have counts of some genes, or a group have none."""
    genes = rng.random(counts.shape[1]) < 0.3
    counts[np.ix_(np.arange(len(counts)) != rng.integers(len(counts)), genes)] = 0


def _repeated(rng, counts, group):
    """Let samples be the same to the last count."""
    counts[1::2] = counts[: len(counts) - 1 : 2] if rng.random() < 0.5 else counts[1::2]
    counts[group == 0] = counts[group == 0][0]


def _fitting(counts, dtype):
    """Make counts fit into a type: a few large ones are cut off, tables of large ones become smaller."""
    if dtype is bool:
        return (counts > np.median(counts)).astype(np.int64)
    end = 2**24 if dtype is np.float32 else np.iinfo(dtype).max if dtype in INTEGERS else 2**62
    usual = np.quantile(counts, 0.98)
    smaller = counts if usual <= end else np.rint(counts * (end / usual)).astype(np.int64)
    return np.minimum(smaller, int(min(end, 2**62)))
