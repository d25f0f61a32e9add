"""What the answers of chapter 3 are tried on: designs, genes, samples and experiments, fresh at every try."""

import numpy as np
import pandas as pd

from scomics_lite.design import design_matrix


def subtype_designs():
    """Build the two designs of one experiment in which the numbers of samples differ."""
    sizes = {"basal": 3, "her2": 2, "luminal": 4}
    obs = pd.DataFrame([(subtype, drug) for subtype, n in sizes.items() for drug in ("mock", "dex") for _ in range(n)])
    obs = obs.set_axis(["subtype", "drug"], axis=1).astype({"drug": pd.CategoricalDtype(["mock", "dex"])})
    obs["group"] = obs["subtype"] + "_" + obs["drug"].astype(str)
    return {
        "with_interaction": design_matrix(obs, "~ subtype * drug"),
        "by_group": design_matrix(obs, "~ 0 + group"),
    }


def genes(rng):
    """Yield (where, counts (n,), design (n, p), size factors (n,), dispersion): two designs, and a gene with zeros."""
    group, depth = np.repeat([0.0, 1.0], [3, 5]), rng.permutation(np.linspace(0.5, 2.2, 8))
    slope = np.column_stack([np.ones(8), group, rng.uniform(-1, 1, 8)])
    # The covariate first: with two groups alone, several slips end in the same plain means.
    for where, x in (("", slope), ("in a design of two groups, ", slope[:, :2])):
        phi, mean = rng.uniform(0.15, 0.25), rng.uniform(60, 120)
        y = rng.negative_binomial(1 / phi, 1 / (1 + phi * depth * mean * 3**group)).astype(float)
        yield where, y, x, depth, phi
    few = rng.permuted([0.0, 2.0, 3.0]), rng.permuted([0.0, 1.0, 4.0, 6.0, 7.0])
    yield "for a gene with zeros, ", np.concatenate(few), slope[:, :2], depth, 0.5


def contrasts(rng):
    """Yield (kind, x, c, whether c is estimable) on designs with and without a tie."""
    lanes = np.eye(3)[rng.permutation(np.repeat(range(3), 4))]
    age = rng.uniform(20, 70, 12)
    full = np.column_stack([np.ones(12), rng.permutation(np.repeat([0, 1], 6)), age])
    tied = np.column_stack([np.ones(12), lanes, age])  # the lanes add up to the intercept
    yield "full", full, np.array([0.0, 1, 0]), True
    yield "full", full, rng.uniform(1, 2, 3), True
    yield "one tied column", tied, np.array([0.0, 1, 0, 0, 0]), False
    yield "a free column", tied, np.array([0.0, 0, 0, 0, 1]), True
    yield "a sum of tied columns", tied, np.array([0.0, 1, -1, 0, 0]), True
    yield "a sum of tied columns", tied, rng.uniform(0.5, 2, 12) @ tied, True
    yield "one tied column", tied, np.array([0.0, 1, 1, 0, 1]), False
    yield "few samples", full[:2], np.array([0.0, 1, 0]), False


def samples(rng, n_control, n_treated):
    """Draw the conditions of samples in random order."""
    return rng.permutation(np.repeat(["control", "treated"], [n_control, n_treated]))


def plans(rng):
    """Yield (condition, lane) of twelve samples in random order, unequal mixtures on three lanes."""
    for mixture in ((1, 2, 4), (1, 1, 4), (2, 2, 4)):  # treated samples on each lane of four
        condition = np.concatenate([np.repeat(["control", "treated"], [4 - treated, treated]) for treated in mixture])
        order = rng.permutation(12)
        yield condition[order], np.repeat(rng.permutation(3), 4)[order]


def donors(rng, lost=()):
    """Make a table of eight donors in random order, their differences much larger than the noise."""
    table = pd.DataFrame({"donor": np.repeat([f"d{k}" for k in rng.permutation(8)], 2)})
    table["condition"] = ["control", "treated"] * 8
    table["value"] = np.repeat(rng.normal(6, 2, 8), 2) + rng.normal(0, 0.5, 16) + 0.8 * np.tile([0, 1], 8)
    table = table.drop(index=list(lost))
    return table.sample(frac=1, random_state=rng).reset_index(drop=True)


def claims(rng):
    """Yield (description, obs, formula, question, whether it is estimable) of four experiments."""
    n = int(rng.integers(2, 5))
    arms = pd.DataFrame({"batch": ["one"] * 2 * n + ["two"] * n, "dose": np.repeat(["a_none", "b_low", "c_high"], n)})
    tied = pd.DataFrame({"batch": np.repeat(["one", "two"], n), "condition": np.repeat(["control", "treated"], n)})
    pairs = pd.DataFrame({"donor": np.repeat(list("abcd"), 2), "condition": ["control", "treated"] * 4})
    pairs["sex"] = np.repeat(["f", "f", "m", "m"], 2)
    crossed = pd.concat([tied, pd.DataFrame({"batch": ["one", "two"], "condition": ["treated", "control"]})])
    for obs in (arms, tied, pairs, crossed):
        obs.index = [f"sample{i}" for i in range(1, len(obs) + 1)]
    third = "a third dose in a batch of its own"
    yield "batch and condition tied", tied, "~ batch + condition", "condition[treated] + batch[two]", True
    yield "batch and condition tied", tied, "~ batch + condition", ("condition", "treated", "control"), False
    yield third, arms, "~ batch + dose", ("dose", "b_low", "a_none"), True
    yield third, arms, "~ batch + dose", ("dose", "c_high", "a_none"), False
    yield "donors within sexes", pairs, "~ sex + donor + condition", ("condition", "treated", "control"), True
    yield "nothing tied", crossed, "~ batch + condition", "condition[treated]", True
    yield "nothing tied", crossed, "~ batch + condition", {"condition[treated]": 1, "batch[two]": -1}, True
