"""What a design can and cannot answer; reached as `scomics_lite.design.diagnose` and `check_design`."""

from dataclasses import dataclass, field, replace
from itertools import combinations, product

import numpy as np
import pandas as pd

from scomics_lite.design.contrasts import check_finite, contrast
from scomics_lite.design.factors import Design, as_design
from scomics_lite.design.rank import TOLERANCE, independent_columns
from scomics_lite.validation import InputError, check_order

HIGH_INFLATION = 5.0  # a customary mark: the standard error is more than twice that of an unconfounded design
MOST_WORDS = 6  # names in a row that a message spells out


@dataclass(frozen=True)
class Alias:
    """A column that the columns before it add up to.

    Attributes
    ----------
    column : str
        The column that adds nothing.
    combination : dict of float
        Other columns, and the weights with which they add up to it; empty for a column of zeros.
    samples : tuple of str
        The samples that tie them together: those in which a side of the printed equation is not zero.
    everywhere : bool
        Whether these are all samples.
    """

    column: str
    combination: dict
    samples: tuple
    everywhere: bool

    def __str__(self):
        left, right = _sides(self.column, self.combination)
        where = "every sample" if self.everywhere else f"samples {_some(self.samples)}"
        return f"{_sum_in_words(left)} = {_sum_in_words(right) or 0} (in {where})"


@dataclass(frozen=True, repr=False, eq=False)
class DesignReport:
    """What `diagnose` finds out about a design; printing it says it in words.

    Attributes
    ----------
    design : DataFrame, shape (n, p)
        The design itself.
    rank, residual_df : int
        Number of combinations of coefficients that can be estimated, and n minus it.
    aliases : tuple of Alias
        The columns that add nothing, and what they are the sum of.
    variance_inflation : Series, shape (p,)
        1 / (1 - R^2) of each column on the others: how much larger the variance of its coefficient is than if no other
        column resembled it. Infinite where it cannot be estimated, NaN for the intercept.
    replicates : Series
        Number of samples of each distinct row, by the first of its samples.
    balance : dict of DataFrame
        Number of samples in each pair of levels, for every pair of factors; empty without `obs`.
    problems : tuple of str
        Why the design cannot be fitted; empty if it can.
    notes : tuple of str
        What is worth knowing even so.
    """

    design: pd.DataFrame
    rank: int
    residual_df: int
    aliases: tuple
    variance_inflation: pd.Series
    replicates: pd.Series
    balance: dict = field(default_factory=dict)
    problems: tuple = ()
    notes: tuple = ()

    @property
    def alias_groups(self):
        """Sets of columns that cannot be told apart from each other, as tuples of names."""
        groups = []
        for alias in self.aliases:
            group = {alias.column, *alias.combination}
            groups, touched = [g for g in groups if not g & group], [g for g in groups if g & group]
            groups.append(group.union(*touched))
        return [tuple(name for name in self.design if name in group) for group in groups]

    def estimable(self, spec):
        """Say whether the design determines a contrast: whether it weighs aliased columns as their relation asks.

        If x_j = sum a_k x_k, only combinations of coefficients with c_j = sum a_k c_k are determined. `spec` is as in
        `contrast`.
        """
        weights = dict(zip(self.design, contrast(self.design, spec), strict=True))
        for alias in self.aliases:
            terms = [-weights[alias.column], *(a * weights[name] for name, a in alias.combination.items())]
            if abs(sum(terms)) > TOLERANCE * sum(map(abs, terms)):
                return False
        return True

    def variance(self, spec):
        """Give c' (X'X)^-1 c, the variance of a contrast in units of the residual one; infinite if not estimable."""
        if not self.estimable(spec):
            return np.inf
        columns = _independent(self.design, self.aliases)
        lengths = np.linalg.norm(columns, axis=0)
        weights = contrast(self.design, spec)[self.design.columns.get_indexer(columns.columns)]
        r = np.linalg.qr(columns / lengths, mode="r")
        return float(np.sum(np.linalg.solve(r.T, weights / lengths) ** 2))

    def __repr__(self):
        n, p = self.design.shape
        lines = [f"{n} samples, {p} coefficients, rank {self.rank}, {self.residual_df} residual degrees of freedom"]
        lines += [f"problem: {problem}" for problem in self.problems]
        lines += [f"note: {note}" for note in self.notes]
        inflation = [f"{name} {value:.3g}" for name, value in self.variance_inflation.dropna().items()]
        if inflation:
            lines.append(f"variance inflation: {_some(inflation)}")
        lines += [f"samples by {' and '.join(pair)}:\n{table.to_string()}" for pair, table in self.balance.items()]
        return "\n".join(lines)


def diagnose(design, obs=None):
    """Find out what a design can and cannot answer.

    Parameters
    ----------
    design : DataFrame or array_like, shape (n, p)
        From `design_matrix`, or any numbers.
    obs : DataFrame, n rows, optional
        What the design was made of: tables of balance are added, and messages name the samples that would help.

    Returns
    -------
    DesignReport
        Prints as text; its ``estimable(contrast)`` and ``variance(contrast)`` answer for single contrasts.

    Examples
    --------
    >>> from scomics_lite.design import design_matrix
    >>> obs = pd.DataFrame({"condition": list("aabb"), "batch": list("xxyy")})
    >>> report = diagnose(design_matrix(obs, "~ condition + batch"))
    >>> report.rank, str(report.aliases[0])
    (2, 'batch[y] = condition[b] (in samples 2, 3)')
    >>> report.estimable("condition[b]"), report.estimable("condition[b] + batch[y]")
    (False, True)
    """
    design = as_design(design)
    check_finite(design)
    aliases = _aliases(design)
    rank = design.shape[1] - len(aliases)
    balance = _balance(design, obs)
    inflation = _variance_inflation(design, aliases)
    replicates = _replicates(design)
    report = DesignReport(design, rank, len(design) - rank, aliases, inflation, replicates, balance)
    return replace(report, problems=tuple(_problems(report)), notes=tuple(_notes(report)))


def check_design(design, obs=None):
    """Stop a design whose coefficients cannot all be estimated, or that leaves nothing to estimate a variance from.

    Parameters
    ----------
    design : DataFrame or array_like, shape (n, p)
        From `design_matrix`, or any numbers.
    obs : DataFrame, n rows, optional
        What the design was made of, for a more helpful message.

    Returns
    -------
    DataFrame
        The design, named.

    Raises
    ------
    InputError
        Naming the columns and samples at fault, and what remains estimable.

    Examples
    --------
    >>> from scomics_lite.design import design_matrix
    >>> obs = pd.DataFrame({"condition": list("ab")})
    >>> check_design(design_matrix(obs, "~ condition"))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: 2 samples for 2 independent coefficients leave no residual degree of freedom: \
nothing is left to estimate a dispersion from. Leave a term out of the formula, or add replicates
    """
    report = diagnose(design, obs)
    if report.problems:
        raise InputError(report.problems[0])
    return report.design


def match_design(design, samples):
    """Give the design as a DataFrame with one row for each sample, in their order, and independent columns.

    Parameters
    ----------
    design : DataFrame or array_like, shape (n, p)
        From `design_matrix`, or any numbers.
    samples : pandas.Index, shape (n,)
        Names of the samples of the counts.

    Returns
    -------
    DataFrame, shape (n, p)

    Examples
    --------
    >>> match_design([[1, 0], [1, 1]], pd.Index(["s1", "s2"])).index.tolist()
    ['s1', 's2']
    """
    table = as_design(design)
    if len(table) != len(samples):
        raise InputError(
            f"a design for {len(samples)} samples has as many rows; got {len(table)}. Counts have samples in rows: a "
            "table with genes in rows is transposed first, counts.T"
        )
    check_order(design, samples, "design")
    if not isinstance(design, pd.DataFrame):
        table = Design(table.copy().set_axis(samples))
    check_finite(table)
    aliases = _aliases(table)
    if aliases:
        p, names = table.shape[1], [alias.column for alias in aliases]
        raise InputError(
            f"the design has {p} columns of rank {p - len(aliases)}: {len(aliases)} of the coefficients cannot be told "
            f"from the others in these {len(table)} samples. Leave out what adds nothing, "
            f"design.drop(columns={names}), or see scomics_lite.design.diagnose(design)"
        )
    return table


def _aliases(design):
    """Go through the columns from left to right and express those that the ones before add up to."""
    values = design.to_numpy(float)
    kept = independent_columns(values)
    lost = np.setdiff1d(np.arange(values.shape[1]), kept)
    if not lost.size:
        return ()
    lengths = np.linalg.norm(values, axis=0)
    weights = np.linalg.lstsq(values[:, kept] / lengths[kept], values[:, lost], rcond=None)[0]
    weights[np.abs(weights) <= 10 * TOLERANCE * lengths[lost]] = 0
    weights /= lengths[kept][:, None]
    return tuple(
        _alias(design, j, dict(zip(kept, column, strict=True))) for j, column in zip(lost, weights.T, strict=True)
    )


def _alias(design, column, weights):
    name = design.columns[column]
    combination = {design.columns[k]: _rounded(weight) for k, weight in weights.items() if weight}
    left, _ = _sides(name, combination)
    tied = (design[list(left)] != 0).any(axis=1) if combination else np.ones(len(design), dtype=bool)
    samples = tuple(str(sample) for sample in design.index[tied])
    return Alias(name, combination, samples, len(samples) == len(design))


def _sides(column, combination):
    """Write x = a y - b z as x + b z = a y, without minus signs."""
    left = {name: -weight for name, weight in combination.items() if weight < 0} | {column: 1.0}
    return left, {name: weight for name, weight in combination.items() if weight > 0}


def _independent(design, aliases):
    """Give the columns left when those that add nothing are dropped."""
    return design.drop(columns=[alias.column for alias in aliases])


def _variance_inflation(design, aliases):
    """Compute 1 / (1 - R^2) of each column on the others, about the mean where these have an intercept.

    What the others leave of a column has the square length 1 / (X'X)^-1_jj.
    """
    columns = _independent(design, aliases)
    values = columns / np.linalg.norm(columns, axis=0)
    q, r = np.linalg.qr(values)
    left = 1 / np.sum(np.linalg.inv(r) ** 2, axis=1)
    ones = np.full(len(values), len(values) ** -0.5)
    weights = np.linalg.solve(r, q.T @ ones)
    has_intercept = np.linalg.norm(ones - values @ weights) <= TOLERANCE
    about_mean = has_intercept & (np.abs(weights) <= TOLERANCE)  # the others add up to one without this column
    total = np.sum((values - about_mean * values.mean(axis=0)) ** 2, axis=0)
    inflation = pd.Series(total / left, index=columns.columns, name="variance_inflation")
    inflation[np.ptp(columns, axis=0) == 0] = np.nan  # the intercept
    tied = {name for alias in aliases for name in alias.combination}
    return inflation.mask(inflation.index.isin(tied), np.inf).reindex(design.columns, fill_value=np.inf)


def _replicates(design):
    """Count the samples of every distinct row."""
    rows = pd.MultiIndex.from_frame(design)
    counts = pd.Series(1, index=rows).groupby(rows, sort=False).transform("sum")
    first = ~rows.duplicated()
    return pd.Series(counts.to_numpy()[first], index=design.index[first], name="replicates")


def _balance(design, obs):
    """Tabulate the samples for every pair of factors of the design."""
    if obs is None:
        return {}
    if len(obs) != len(design) or (design.formula is not None and not obs.index.equals(design.index)):
        raise InputError(
            f"obs ({len(obs)} rows) has not the samples of the design ({len(design)} rows), in their order"
        )
    known = {name: labels for name, labels in design.factors.items() if not labels.isna().any()}
    return {(a, b): pd.crosstab(known[a], known[b]) for a, b in combinations(known, 2)}


# --- messages of the diagnosis ----------------------------------------------------------------------------------------


def _problems(report):
    """Say what makes the design unfit, worst first."""
    n, p = report.design.shape
    if p > n:
        yield (
            f"{p} coefficients for {n} samples: no more coefficients than samples can be estimated. Leave terms out "
            f"of the formula{_level_for_every_sample(report.design)}"
        )
    if report.aliases:
        yield _rank_in_words(report)
    if report.residual_df == 0 and p <= n:
        yield (
            f"{n} samples for {report.rank} independent coefficients leave no residual degree of freedom: nothing is "
            "left to estimate a dispersion from. Leave a term out of the formula, or add replicates"
        )


def _rank_in_words(report):
    tied = [f"{{{_some(group)}}}" for group in report.alias_groups if len(group) > 1]
    apart = f" Cannot be told apart: {_some(tied, 3)}." if tied else ""
    return (
        f"the design has {report.design.shape[1]} coefficients but rank {report.rank}: {_some(report.aliases, 3)}."
        f"{apart} Still estimable: {_some(_estimable_sums(report))}. Leave a term out of the formula (its effect then "
        f"goes to the others), or add samples that break the tie{_missing_cells(report)}"
    )


def _estimable_sums(report):
    """Name what the coefficients stand for that stay when the aliased columns go."""
    gone = {alias.column for alias in report.aliases}
    for name in report.design:
        if name not in gone:
            shared = {alias.column: alias.combination[name] for alias in report.aliases if name in alias.combination}
            yield _sum_in_words({name: 1.0, **shared})


def _missing_cells(report):
    """Name the pairs of levels that no sample has, of factors that are aliased with each other."""
    touched = {name for group in report.alias_groups for name in group}
    for (a, b), table in report.balance.items():
        if not all(
            any(name.startswith(f"{factor}[") or f":{factor}[" in name for name in touched) for factor in (a, b)
        ):
            continue
        empty = [f"{a}={x} with {b}={y}" for x, y in product(table.index, table.columns) if table.loc[x, y] == 0]
        if empty:
            return f"; no sample has {_some(empty, 4, 'or')}"
    return ""


def _level_for_every_sample(design):
    for name, labels in design.factors.items():
        if len(labels.cat.categories) == len(design):
            return f": {name} has a level for every sample"
    return ""


def _notes(report):
    for name, value in report.variance_inflation.items():
        if HIGH_INFLATION < value < np.inf:
            yield f"the variance of {name} is {value:.3g} times what it would be if no other column resembled it"
    columns = _independent(report.design, report.aliases)
    q = np.linalg.qr(columns / np.linalg.norm(columns, axis=0))[0]
    alone = report.design.index[(q**2).sum(axis=1) > 1 - TOLERANCE]
    if len(alone) and report.residual_df:
        yield f"nothing checks the values of samples {_some(alone)}: each has a coefficient to itself (leverage 1)"


def _sum_in_words(combination):
    """Write {"a": 1, "b": -0.5} as "a - 0.5 * b", long sums by their beginning."""
    text = ""
    for name, weight in list(combination.items())[:MOST_WORDS]:
        sign = (" - " if text else "-") if weight < 0 else (" + " if text else "")
        text += sign + (name if abs(weight) == 1 else f"{abs(weight):.6g} * {name}")
    return text if len(combination) <= MOST_WORDS else f"{text} + … ({len(combination)} terms)"


def _some(names, most=MOST_WORDS, last=None):
    """Join names by commas, no more than a few."""
    names = [str(name) for name in names]
    if len(names) > most:
        return f"{', '.join(names[:most])} … ({len(names)} in all)"
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if last and names else ", ".join(names)


def _rounded(weight):
    """Take the rounding noise off a weight that is a simple fraction: 1, -1, 1/2 or 1/3."""
    near = round(weight * 60) / 60
    return near if abs(weight - near) < 1e-9 * max(1, abs(weight)) else float(weight)
