"""The checks of exercises 5 to 7 of chapter 5: what changed, donors, and a repair.

As in `questions`: the right numbers are closed forms, and sums, means and t-tests over all cells; the usual slips are
in `study_slips`.
"""

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.course.checks import differs, exercise
from scomics_lite.course.checks.ch05 import cases, study_slips
from scomics_lite.course.checks.compare import missing_parts
from scomics_lite.course.checks.judging import functions_of, judge, other_order, parts_of, refusal

# --- 5: what changed? -------------------------------------------------------------------------------------------------


WORDS = ("mean", "zero", "dispersion", "mean and zero", "nothing", "cannot be told")
CHANGED = {  # in `cases.six_genes`
    "gene1": "zero",
    "gene2": "cannot be told",
    "gene3": "mean and zero",
    "gene4": "nothing",
    "gene5": "dispersion",
    "gene6": "mean",
}


@exercise(
    "ch05-which",
    hints=(
        "A mean can fall because cells make less, or because fewer cells make any. Which of the numbers in the table "
        "would differ?",
        "overall: ln E[Y] = ln mu + ln(1 - pi). A small step d of the logit moves ln(1 - pi) by -pi d, so the variance "
        "is that of a sum with the factors 1 and -pi. changed: the joint test says whether, the other three say what, "
        "and they may have no answer.",
        "overall: pi = 1 / (1 + exp(-logit_pi)); ln_mu + log(1 - pi); the root of c[0, 0] - 2 pi c[0, 1] + pi**2 "
        "c[1, 1]. changed: `all` not below 0.001: nothing. Else the parts with a p-value below 0.001, and if there is "
        "no such part, it cannot be told.",
    ),
)
def which(answer):
    """Compare the overall mean and its error with the delta method, then the six verdicts."""
    problem = missing_parts(answer, ["overall", "changed"])
    if problem:
        return problem
    functions, problem = functions_of({"overall": answer["overall"]}, ["overall"])
    if problem:
        return problem
    for where, *case in cases.estimates(np.random.default_rng()):
        problem = _judge_overall(functions[0](*case), *case)
        if problem:
            return where + problem
    problem = missing_parts(answer["changed"], list(CHANGED), what="`changed`")
    return problem or next(filter(None, (_verdict(gene, answer["changed"][gene]) for gene in CHANGED)), None)


def _verdict(gene, said):
    """Say where to look if this is not what happened to the gene."""
    parts = said.split(" and ") if isinstance(said, str) else said if isinstance(said, tuple | list | set) else []
    said, truth = " and ".join(sorted(map(str, parts))), CHANGED[gene]
    if said not in WORDS:
        return f"`changed`: for {gene} you say something else than one of these: {', '.join(WORDS)}."
    if said == truth:
        return None
    if truth == "nothing":
        return f"`changed`: nothing in the row of {gene} is smaller than what chance brings among so many tests."
    if said == "nothing":
        return f"`changed`: the joint test of {gene} is small. An overall mean can stay where its two factors do not."
    if said == "cannot be told":
        return f"`changed`: at least one part of {gene} has a p-value that leaves no doubt."
    if truth == "cannot be told":
        return (
            f"`changed`: that something changed in {gene} is certain. How small is the p-value of the part that you "
            "name, and how large is the standard error of its effect?"
        )
    if set(said.split(" and ")) < set(truth.split(" and ")):
        return f"`changed`: in {gene} the part that you name did change. Look at the p-values of the others as well."
    return f"`changed`: in {gene} a part that you name has a p-value like many others. Compare the three."


def _judge_overall(result, ln_mu, logit_pi, covariance):
    values, problem = parts_of(result, ["ln_mean", "standard_error"], what="`overall`")
    if problem:
        return problem
    slopes = np.array([1, -1 / (1 + np.exp(-logit_pi))])
    right = [ln_mu - np.log1p(np.exp(logit_pi)), np.sqrt(slopes @ covariance @ slopes)]
    return (
        other_order(values, right, "the logarithm of the mean and its standard error")
        or judge(values[0], right[0], study_slips.overall_means(ln_mu, logit_pi), what="`overall`: your ln mean")
        or judge(
            values[1],
            right[1],
            study_slips.overall_errors(ln_mu, logit_pi, covariance),
            what="`overall`: your standard error",
        )
    )


# --- 6: donors --------------------------------------------------------------------------------------------------------


@exercise(
    "ch05-pseudobulk",
    hints=(
        "What was drawn at random, donors or cells? And if you took another hundred cells of the same donor, what "
        "would they tell you about other donors?",
        "sum_by_donor: a row for each donor that has cells, with sums of counts, and what holds for all cells of the "
        "donor; where the cells of a donor disagree, there is no answer. variance_of_mean: the law of total variance, "
        "with the donor's rate u given. The mean over u of a cell's variance holds the mean of u squared.",
        "sum_by_donor: counts.groupby(donor, observed=True).sum(); treated.groupby(donor, observed=True) with first(); "
        "raise ValueError where nunique() is 2. variance_of_mean: one cell of a known donor varies by mu u + phi mu**2 "
        "u**2, on average mu + phi (1 + tau2) mu**2; over cells; plus tau2 mu**2; all over donors.",
    ),
)
def pseudobulk(answer):
    """Compare sums and labels by names of donors, ask for a refusal, and compare the variance of a mean."""
    functions, problem = functions_of(answer, ["sum_by_donor", "variance_of_mean"])
    if problem:
        return problem
    sum_by_donor, variance_of_mean = functions
    rng = np.random.default_rng()
    for where, counts, donor, treated in cases.donors(rng):
        problem = _judge_sums(sum_by_donor(counts, donor, treated), counts, donor, treated)
        if problem:
            return where + problem
    treated = treated.copy()
    treated.iloc[0] = not treated.iloc[0]
    problem = refusal(sum_by_donor, counts, donor, treated, where="where a donor has cells of both groups")
    if problem:
        return problem
    for where, *case in cases.budgets(rng):
        problem = _judge_variance(variance_of_mean(*case), *case)
        if problem:
            return where + problem
    return None


def _judge_sums(result, counts, donor, treated):
    values, problem = parts_of(result, ["sums", "treated"], what="`sum_by_donor`")
    if problem:
        return problem
    names = sorted(set(donor))
    sums, problem = _rows_by_donor(values[0], names, counts.columns)
    if problem:
        return problem
    member = np.array([donor == name for name in names]).astype(int)
    problem = judge(sums, member @ counts.to_numpy(), study_slips.sums(counts, member), what="`sum_by_donor`")
    if problem:
        return problem
    labels = pd.Series(values[1]) if isinstance(values[1], pd.Series | dict) else None
    if labels is not None and set(names) <= set(labels.index):
        labels = labels[names].to_numpy()
    elif np.shape(values[1]) == (len(names),):  # in the order of the rows
        labels = pd.Series(np.asarray(values[1]), values[0].index)[names].to_numpy()
    else:
        return "`sum_by_donor` should say True or False for each donor, once: your second part has another length."
    right = member @ treated.to_numpy() > 0
    if np.array_equal(np.asarray(labels, dtype=float), right.astype(float)):
        return None
    return "`sum_by_donor`: your labels are not those of your rows. Each donor has the label of its cells."


def _rows_by_donor(sums, names, genes):
    """Give the sums as an array in the order of names, or say what is wrong with the table."""
    if not isinstance(sums, pd.DataFrame):
        return None, "`sum_by_donor`: hand back the sums as a DataFrame, with the donors' names for its rows."
    if set(sums.columns) == set(names):
        return None, "`sum_by_donor`: your table has its axes swapped. Donors are rows, genes columns."
    unknown = [row for row in sums.index if row not in names]
    if unknown and not set(unknown) & set(genes) and set(names) <= set(sums.index):
        return None, f"`sum_by_donor` has a row for {unknown[0]}, of whom there is no cell: nobody measured zeros."
    if sorted(map(str, sums.index)) != names or sorted(map(str, sums.columns)) != sorted(genes):
        return None, "`sum_by_donor`: your table needs one row for each donor and one column for each gene, by name."
    return sums.loc[names, list(genes)].to_numpy(), None


def _judge_variance(result, mu, phi, tau2, cells, donors):
    right = (tau2 * mu**2 + (mu + phi * (1 + tau2) * mu**2) / cells) / donors
    return judge(result, right, study_slips.mean_variances(mu, phi, tau2, cells, donors), what="`variance_of_mean`")


# --- 7: repair --------------------------------------------------------------------------------------------------------


@exercise(
    "ch05-repair",
    hints=(
        "What would the mean height of a class be if everybody who is short were declared missing?",
        "The zeros were thrown away three times: in the depths, in the means and in the test. And a gene that is "
        "silent in one group has no positive cell there, so it lost its row, although nothing changed more.",
        "Take counts as they are. Depths: totals of the cells over their mean; q = counts / depths. log2 of the "
        "mean of q in B over that in A, of all cells, infinite or not; Welch's t-test of q in B and in A. A row for "
        "each gene; NaN in both columns for genes without any count.",
    ),
)
def repair(answer):
    """Compare fold changes and p-values, first of genes with counts in both groups, then of silent ones."""
    counts, group = cases.experiment(np.random.default_rng())
    result = answer(counts, group)
    table, problem = _table(result, counts.columns)
    if problem:
        return problem
    y, in_b = counts.to_numpy(), group == "B"
    s = y.sum(axis=1, keepdims=True) / y.sum(axis=1).mean()
    in_a, there = (y[~in_b] > 0).any(axis=0), (y[in_b] > 0).any(axis=0)
    found = in_a & there
    lfc, pvalue = (table[name].to_numpy(dtype=float) for name in ("log2FoldChange", "pvalue"))
    return (
        _judge_changes(lfc[found], y, s, in_b, found)
        or _judge_silent(lfc, pvalue, in_a, there)
        or _judge_tests(pvalue, y, s, in_b, found)
        or _judge_tests(pvalue, y, s, in_b, in_a ^ there, "where a gene is silent in one group, ")
    )


def _table(result, genes):
    """Give the table with a row for each gene, in the order of the counts."""
    ask = "hand back a DataFrame with the columns log2FoldChange and pvalue, and a row for each gene."
    if not isinstance(result, pd.DataFrame) or not {"log2FoldChange", "pvalue"} <= set(result.columns):
        return None, f"your function hands back something else: {ask}"
    if len(result) == len(genes) and not result.index.isin(genes).all():
        result = result.set_axis(genes, axis=0)  # rows by number
    missing = [gene for gene in genes if gene not in result.index]
    if missing or not result.index.is_unique:
        return None, (
            f"{len(missing)} of {len(genes)} genes have no row in your table. A gene that is silent in one group may "
            "have changed more than any other."
        )
    return result.loc[list(genes)], None


def _judge_changes(lfc, y, s, in_b, found):
    mean_of_ratios = np.log2((y / s)[in_b].mean(axis=0)[found] / (y / s)[~in_b].mean(axis=0)[found])
    ratio_of_sums = (y[in_b].sum(axis=0) / s[in_b].sum())[found] / (y[~in_b].sum(axis=0) / s[~in_b].sum())[found]
    if differs(lfc, np.log2(ratio_of_sums)) is None:
        return None
    slips = {name: [one[found] for one in wrong] for name, wrong in study_slips.fold_changes(y, in_b).items()}
    return judge(lfc, mean_of_ratios, slips, what="your fold change")


def _judge_silent(lfc, pvalue, in_a, there):
    with np.errstate(all="ignore"):
        for where, genes, right in (
            ("where only B has counts of a gene", there & ~in_a, np.inf),
            ("where only A has counts of a gene", in_a & ~there, -np.inf),
        ):
            if not np.array_equal(lfc[genes], np.full(genes.sum(), right)):
                return f"{where}, your fold change is not infinite: a mean of zero is a mean, and nothing is added."
    for what, values in (("fold change", lfc), ("p-value", pvalue)):
        if not np.isnan(values[~in_a & ~there]).all():
            return f"where no cell has a count of a gene, your {what} is a number: nothing can be said of that gene."
    return None


def _judge_tests(pvalue, y, s, in_b, genes, where=""):
    q = y[:, genes] / s
    right = stats.ttest_ind(q[in_b], q[~in_b], equal_var=False).pvalue
    slips = {name: [one[genes] for one in wrong] for name, wrong in study_slips.welch_tests(y, in_b).items()}
    return judge(pvalue[genes], right, slips, what=f"{where}your p-value")
