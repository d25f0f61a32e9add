"""Genes whose counts say nothing about a contrast: those without a count in any sample that it compares.

DESeq2 gives them no change and p = 1. It looks at the samples of the two levels where a contrast names them, and
otherwise at the samples with a part in any coefficient that the contrast weighs, where it weighs some up and some down.
The second rule has another answer when another level is the reference, or when groups are written as other columns.
`compared_samples` finds the two levels, or the groups, in whatever form they are asked for.
"""

import numpy as np


def compared_samples(design, c):
    """Find the samples that a contrast compares.

    For two levels of a factor they are the samples that have them, with covariates and other factors beside them or
    not. Where every group of samples has a mean of its own, they are the groups with a weight in the least-squares
    estimate of c'beta, X (X'X)^-1 c. For other contrasts that weigh coefficients up and down DESeq2's rule is kept: the
    samples with a part in any of them.

    Parameters
    ----------
    design : Design, shape (n, p)
        Of full rank.
    c : ndarray, shape (p,)

    Returns
    -------
    ndarray of bool, shape (n,)
        All of them where no part can be told apart.

    Examples
    --------
    >>> import pandas as pd
    >>> from scomics_lite.design import contrast, design_matrix
    >>> obs = pd.DataFrame({"dose": list("aabbcc"), "age": [31.0, 45, 28, 60, 52, 39]})
    >>> for formula, question in (("~ age + dose", "dose[c] - dose[b]"), ("~ age + dose", "dose[c]")):
    ...     design = design_matrix(obs, formula)
    ...     print("".join(obs["dose"][compared_samples(design, contrast(design, question))]))
    bbcc
    aacc
    """
    x = design.to_numpy(float)
    levels = _known_levels(design, c)
    if levels is not None:
        return levels
    if len(np.unique(x, axis=0)) == x.shape[1]:
        lengths = np.linalg.norm(x, axis=0)
        q, r = np.linalg.qr(x / lengths)
        weights = np.abs(q @ np.linalg.solve(r.T, c / lengths))
        return weights > 1e-8 * weights.max()
    if c.min() < 0 < c.max():
        return x @ (c != 0) != 0
    return _level_and_reference(x, c)


def _known_levels(design, c):
    """Give the samples of the two levels of a factor that a contrast compares, or None."""
    used = [(name, weight) for name, weight in zip(design, c, strict=True) if weight]
    if len(used) > 2 or (len(used) == 2 and used[0][1] != -used[1][1]):
        return None
    for factor, labels in design.factors.items():
        by_column = {f"{factor}[{level}]": str(level) for level in labels.cat.categories}
        levels = [by_column.get(name) for name, _ in used]
        levels += [design.reference(factor)] * (2 - len(levels))
        if None not in levels and not labels.isna().any():
            return labels.astype(str).isin(levels).to_numpy()
    return None


def _level_and_reference(x, c):
    """Give the samples of one column of zeros and ones, and those with none of the columns that exclude it.

    So the levels of a factor look in a table that knows no factors; where columns exclude it but not each other, nobody
    can tell which are its levels.
    """
    columns, everyone = np.flatnonzero(c), np.ones(len(x), dtype=bool)
    labels = np.isin(x, (0, 1)).all(axis=0) & (np.ptp(x, axis=0) > 0)
    if len(columns) != 1 or not labels[columns[0]]:
        return everyone
    here = x[:, columns[0]] == 1
    others = x[:, labels & (x[here].sum(axis=0) == 0)]
    reference = ~here & (others.sum(axis=1) == 0)
    return here | reference if others.sum(axis=1).max(initial=0) <= 1 and reference.any() else everyone
