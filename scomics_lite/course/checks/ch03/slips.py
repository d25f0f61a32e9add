"""The usual slips in the exercises of chapter 3: the wrong numbers each leads to, beside the sentence that names it.

As in `ch01_slips`: sentence → list of wrong results, or, where a choice was made, choice → sentence.
"""

import numpy as np
from scipy import stats

# --- 1 ----------------------------------------------------------------------------------------------------------------

A_LEVEL = "is the level of a group. A coefficient other than the intercept is a difference of levels."
WRONG_WAY = "has the wrong sign: the name of the column says what it goes to, the reference is where it comes from."
AVERAGED = (
    "is averaged over the levels of the other factor. With an interaction in the formula a coefficient is a "
    "difference at the reference level of the other factor, not an average."
)
OTHER_REFERENCE = "is the difference at the wrong level of the other factor: which of its two levels has no column?"
OTHER_GROUP = "is the level of another group, or a mean of some: which one group has zeros in all other columns?"
NOT_EXTRA = (
    "is the whole effect in one of the cell types or one of the conditions. An interaction is what one effect has "
    "over and above the other."
)
LAST_GROUP = "is the whole way from the reference group to the last one, with both single steps still in it."

# {coding: {column: {sentence: wrong numbers}}}; the groups' log2 levels are 6, 7 (B cells) and 4, 10 (monocytes)
COEFFICIENTS = {
    "ordered": {
        "Intercept": {OTHER_GROUP: [7, 4, 10, 6.5, 5, 6.75]},
        "cell[mono]": {A_LEVEL: [4, 10], WRONG_WAY: [2], AVERAGED: [0.5], OTHER_REFERENCE: [3]},
        "stim[ifn]": {A_LEVEL: [7, 10], WRONG_WAY: [-1], AVERAGED: [3.5], OTHER_REFERENCE: [6]},
        "cell[mono]:stim[ifn]": {WRONG_WAY: [-5], LAST_GROUP: [4], A_LEVEL: [10], NOT_EXTRA: [6, 3]},
    },
    "as_text": {
        "Intercept": {OTHER_GROUP: [6, 4, 10, 6.5, 5, 6.75, 8.5]},
        "cell[mono]": {A_LEVEL: [4, 10], WRONG_WAY: [-3], AVERAGED: [0.5], OTHER_REFERENCE: [-2]},
        "stim[none]": {A_LEVEL: [6, 4], WRONG_WAY: [1], AVERAGED: [-3.5], OTHER_REFERENCE: [-6]},
        "cell[mono]:stim[none]": {WRONG_WAY: [5], LAST_GROUP: [-3], A_LEVEL: [4], NOT_EXTRA: [-6, -2]},
    },
}


def coefficients(coding, right):
    """Of all four coefficients of a coding, (4,) each."""
    slips = {
        "holds natural logarithms; log2 was asked for.": [right * np.log(2)],
        "holds fold changes; their log2 was asked for.": [2**right],
        "holds the levels of the four groups. With a reference level only the first coefficient is a level.": [
            [6, 4, 7, 10],
            [6, 7, 4, 10],
            [7, 3, -1, 10],
        ],
    }
    if coding == "as_text":
        slips[
            "takes the level that comes first in the table for the reference. Text has its levels in another order."
        ] = [
            [6, -2, 1, 5],
            [6, -2, -1, -5],
        ]
    return slips


# --- 2 ----------------------------------------------------------------------------------------------------------------

WEIGHED = "weighs the subtypes by their numbers of samples. Each was to have the same weight."


def responses(design, coding):
    """Of the contrasts for one subtype, for a difference of two, and for the average: slips and right vectors."""
    vector = {name: (design.columns == name).astype(float) for name in design}
    return _with_interaction(vector) if coding == "with_interaction" else _by_group(vector)


def _with_interaction(v):
    drug, her2, luminal = (v[name] for name in ("drug[dex]", "subtype[her2]:drug[dex]", "subtype[luminal]:drug[dex]"))
    level_her2, level_luminal = v["subtype[her2]"], v["subtype[luminal]"]
    right = _questions(drug, drug + her2, drug + luminal)
    return {
        "luminal": {
            "is the interaction alone: it says how much more luminal cells respond than basal ones, not how much.": [
                luminal
            ],
            "is the response of basal cells. In this coding the drug's own column speaks for the reference subtype.": [
                drug
            ],
            "compares treated luminal cells with untreated basal ones: two things differ at once.": [
                drug + level_luminal + luminal
            ],
            "holds a difference between untreated cells, which has no part in a response.": [
                drug + level_luminal,
                level_luminal + luminal,
                level_luminal,
            ],
            "still holds the intercept: it is the level of a group, not a difference of two.": [
                v["Intercept"] + drug + level_luminal + luminal,
                v["Intercept"] + drug + luminal,
            ],
        },
        "luminal - her2": {
            "compares luminal cells with basal ones, the reference, and not with her2.": [luminal],
            "is the response of luminal cells alone.": [drug + luminal],
            "has the response of basal cells in it. It is a part of both responses and cancels.": [
                drug + luminal - her2,
                2 * drug + luminal - her2,
            ],
            "compares the subtypes before any treatment.": [level_luminal - level_her2],
            "compares the treated cells of both subtypes; how they differed before is still in it.": [
                level_luminal + luminal - level_her2 - her2
            ],
            "adds up where it should subtract.": [luminal + her2, 2 * drug + luminal + her2],
        },
        "average": {
            "is the response of basal cells. With an interaction no column holds an average.": [drug],
            "is a sum of responses; a mean was asked for.": [3 * right["average"], drug + her2 + luminal],
            "averages over two subtypes: basal cells respond too, without a column of their own for it.": [
                drug + (her2 + luminal) / 2
            ],
            "lacks what all subtypes have in common: there is no drug column in it.": [
                (her2 + luminal) / 3,
                (her2 + luminal) / 2,
            ],
            WEIGHED: [drug + (2 * her2 + 4 * luminal) / 9],
        },
    }, right


def _by_group(v):
    basal, her2, luminal = (
        v[f"group[{subtype}_dex]"] - v[f"group[{subtype}_mock]"] for subtype in ("basal", "her2", "luminal")
    )
    right, dex, mock = _questions(basal, her2, luminal), v["group[luminal_dex]"], v["group[luminal_mock]"]
    return {
        "luminal": {
            "is the level of a group, not a difference of two. In this coding every coefficient is a level.": [dex],
            "compares treated cells of two subtypes.": [dex - v["group[basal_dex]"], dex - v["group[her2_dex]"]],
            "compares treated luminal cells with untreated basal ones: two things differ at once.": [
                dex - v["group[basal_mock]"]
            ],
            "adds up where it should subtract.": [dex + mock],
            "subtracts the response of basal cells. Here no coefficient is relative to basal.": [luminal - basal],
        },
        "luminal - her2": {
            "compares the treated cells of both subtypes; how they differed before is still in it.": [
                dex - v["group[her2_dex]"]
            ],
            "compares the subtypes before any treatment.": [mock - v["group[her2_mock]"]],
            "is the response of luminal cells alone.": [luminal],
            "compares luminal cells with basal ones, and not with her2.": [luminal - basal],
            "adds up where it should subtract.": [luminal + her2],
        },
        "average": {
            "is a sum of responses; a mean was asked for.": [3 * right["average"]],
            "averages over two subtypes: basal cells respond too.": [(her2 + luminal) / 2],
            "is a mean of levels: the untreated groups are missing.": [
                sum(v[f"group[{subtype}_dex]"] for subtype in ("basal", "her2", "luminal")) / 3
            ],
            "divides by the number of groups; there are half as many responses.": [right["average"] / 2],
            WEIGHED: [(3 * basal + 2 * her2 + 4 * luminal) / 9],
        },
    }, right


def _questions(basal, her2, luminal):
    return {"luminal": luminal, "luminal - her2": luminal - her2, "average": (basal + her2 + luminal) / 3}


# --- 3 ----------------------------------------------------------------------------------------------------------------


def coefficients_of_a_gene(y, x, s, phi):
    """Of the regression of one gene, (p,) each."""

    def settle(weights=None, y=y, s=s, shift=None):
        return _iterate(y, x, s, weights or (lambda mu: mu / (1 + phi * mu)), np.log(s) if shift is None else shift)

    def least_squares(values):
        return np.linalg.lstsq(x, values, rcond=None)[0]

    starts = [least_squares(np.log(y / s + one)) for one in (0.1, 0.5, 1)]
    starts += [least_squares(np.log((y + one) / s)) for one in (0.1, 0.5, 1)]
    return {
        "has no size factors in it: a sample read twice as deep looks twice as expressed.": [settle(s=np.ones(len(y)))],
        "fits counts that were divided by s, as if each were as precise as a count. Let s enter the mean instead.": [
            settle(y=y / s, s=np.ones(len(y)))
        ],
        "has ln s in its working response twice, or not taken off: what is regressed on x is on the scale of "
        "ln(mean / s).": [settle(shift=0 * s), settle(shift=2 * np.log(s)), settle(s=s**2)],
        "divides by s where it should multiply: a deep sample has the larger mean.": [settle(s=1 / s)],
        "is the Poisson fit: phi is missing from the weights.": [settle(lambda mu: mu)],
        "gives every sample the same weight.": [settle(lambda mu: np.ones(len(mu)))],
        "weighs by the variance, or by one over the weight: the noisiest samples have the largest say.": [
            settle(lambda mu: mu + phi * mu**2),
            settle(lambda mu: (1 + phi * mu) / mu),
        ],
        "uses the squares of the weights. lstsq wants rows times the square root of w, normal equations w itself.": [
            settle(lambda mu: (mu / (1 + phi * mu)) ** 2)
        ],
        "uses the root of the weights. Normal equations want w itself, lstsq rows times its square root.": [
            settle(lambda mu: np.sqrt(mu / (1 + phi * mu)))
        ],
        "weighs by one over the variance of the count. The working response is on the log scale, where the variance is "
        "that over mu squared.": [settle(lambda mu: 1 / (mu + phi * mu**2))],
        "is least squares on logarithms: has the loop changed anything?": starts,
    }


def _iterate(y, x, s, weights, shift):
    """Reweight as a student might: with these weights, and ln(mean) - shift for the working response's first part."""
    beta, old = np.linalg.lstsq(x, np.log(y / s + 0.1), rcond=None)[0], np.inf
    for _ in range(200):
        eta = np.clip(np.log(s) + x @ beta, -30, 30)
        mu = np.exp(eta)
        w = np.clip(weights(mu), 1e-300, 1e300)
        beta, old = np.linalg.pinv((x.T * w) @ x) @ (x.T * w) @ (eta - shift + (y - mu) / mu), beta
        if np.allclose(beta, old, rtol=0, atol=1e-10):
            break
    return beta


def covariances(fit, y, phi):
    """Of the covariance of the coefficients, (p, p) each."""
    right, x, mu = fit.covariance[0], fit.design.to_numpy(float), fit.mean[:, 0]
    n, p = x.shape
    return {
        "is x'Wx itself; its inverse is the covariance.": [np.linalg.inv(right)],
        "holds square roots: standard errors are the roots of its diagonal, and taken later.": [np.sqrt(np.abs(right))],
        "has zeros off its diagonal: coefficients are estimated from the same samples and vary together.": [
            np.diag(np.diag(right))
        ],
        "is that of the Poisson fit: phi is missing from the weights.": [np.linalg.inv((x.T * mu) @ x)],
        "has no weights in it.": [np.linalg.inv(x.T @ x)],
        "is scaled by the residuals, as in ordinary least squares. Here the dispersion is known and nothing is left "
        "to scale by.": [right * np.sum((y - mu) ** 2 / (mu + phi * mu**2)) / (n - p)],
        "is in log2; natural logarithms were asked for.": [right / np.log(2) ** 2, right / np.log(2)],
    }


# --- 4 ----------------------------------------------------------------------------------------------------------------

ESTIMABLE = {  # what the contrast is like, what was answered
    ("full", False): "says no in a design without a tie. There every contrast has an answer.",
    ("one tied column", True): "says yes to a contrast whose value can be changed without changing any fitted mean.",
    ("a free column", False): "says no to a column that has no part in the tie. The question is about the contrast, "
    "and not about the rank of the design alone.",
    ("a sum of tied columns", False): "says no as soon as a contrast touches a tied column. A sum of coefficients can "
    "be estimable where none of them is.",
    ("few samples", True): "says yes in a design with fewer samples than columns, where this contrast is out of reach.",
}
SIDE_BY_SIDE = "write the columns of the design side by side. Does one of them follow from the others?"
VERDICTS = {  # design, verdict: what speaks against it
    ("A", "everything"): SIDE_BY_SIDE,
    ("A", "only this"): "something is lost, as you say. Name two samples that differ in condition and in nothing else.",
    ("B", "only this"): "something is lost, you say. Which column follows from the others, in all seven samples?",
    ("B", "not this"): "is there no day on which both conditions were prepared? One sample is enough to look at.",
    ("C", "everything"): SIDE_BY_SIDE,
    ("C", "not this"): "something is lost, as you say. But was not every donor measured under both conditions?",
    ("D", "everything"): SIDE_BY_SIDE,
    ("D", "only this"): "something is lost, as you say. Compare within a donor, as the formula does: what is left?",
    ("E", "only this"): "something is lost, you say. Which column follows from the others, in all six samples?",
    ("E", "not this"): "two of the lanes say nothing about the condition. What about the rest of the samples?",
    ("F", "everything"): "write down the column of each interaction. Is there one without a single sample in it?",
    ("F", "not this"): "something is lost, as you say. Which line is condition[treated] about, in a formula with an "
    "interaction?",
}

# --- 5 ----------------------------------------------------------------------------------------------------------------


def plan_variances(condition, lane, right):
    """Of the variance of treated - control in ~ lane + condition, in units of the residual variance."""
    treated = (condition == "treated").astype(float)
    lanes = (lane[:, None] == np.unique(lane)).astype(float)
    n_treated, n = treated.sum(), len(treated)

    def last(*columns):
        return np.linalg.pinv(np.column_stack(columns).T @ np.column_stack(columns))[-1, -1]

    ones, alone = np.ones(n), 1 / n_treated + 1 / (n - n_treated)
    return {
        "does not depend on the lanes: it is the variance without them, and then every plan looks equally good.": [
            alone
        ],
        "takes the lane for a number with one slope. Lanes are labels: a column for each but one.": [
            last(ones, lane, treated),
            last(ones, lane + 1, treated),
        ],
        "is a standard error; its square was asked for.": [np.sqrt(right)],
        "is the variance inflation. It is relative to a design without lanes; the variance itself was asked for.": [
            right / alone
        ],
        "is the variance of another coefficient.": [
            np.linalg.pinv(x.T @ x)[k, k]
            for x in [np.column_stack([ones, lanes[:, 1:], treated])]
            for k in range(x.shape[1] - 1)
        ],
        "lacks an intercept: without it the lane that has no column is held at zero.": [
            last(lanes[:, 1:], treated),
            last(lanes[:, 1:], 1 - treated),
        ],
        "is an entry of X'X, before it was inverted.": [n_treated],
    }


# --- 6 ----------------------------------------------------------------------------------------------------------------

PARTS = ("difference", "standard error", "degrees of freedom")


def comparisons(name, table):
    """Of the difference of two conditions, its standard error and degrees of freedom: {part: slips}."""
    control, treated = (table["value"][table["condition"] == level].to_numpy() for level in ("control", "treated"))
    pairs = table.pivot_table(index="donor", columns="condition", values="value").dropna()
    return (_unpaired if name == "unpaired" else _paired)(control, treated, pairs)


def _unpaired(control, treated, pairs):
    n1, n2 = len(control), len(treated)
    squares = control.var() * n1 + treated.var() * n2
    scale = np.sqrt(1 / n1 + 1 / n2)
    welch = stats.ttest_ind(treated, control, equal_var=False)
    both = np.concatenate([control, treated])
    return {
        "difference": {
            "leaves out samples that have no partner. Only the paired comparison has to.": [
                (pairs["treated"] - pairs["control"]).mean()
            ],
            "is a difference of sums; means were asked for.": [treated.sum() - control.sum()],
        },
        "standard error": {
            "is the paired one: here nobody knows who is whose partner.": [stats.sem(pairs.treated - pairs.control)],
            "is Welch's, with a variance for each condition. Here both share one, pooled.": [
                np.sqrt(control.var(ddof=1) / n1 + treated.var(ddof=1) / n2)
            ],
            "comes from the spread about one common mean. The difference of the conditions is in that spread.": [
                both.std(ddof=1) * scale,
                both.std() * scale,
            ],
            "divides the sum of squares by the number of samples; two means were estimated from them.": [
                np.sqrt(squares / (n1 + n2)) * scale,
                np.sqrt(control.var() / n1 + treated.var() / n2),
            ],
            "is a variance: its root was asked for.": [squares / (n1 + n2 - 2) * scale**2],
            "is a standard deviation: it does not know how many samples the means are of.": [
                np.sqrt(squares / (n1 + n2 - 2))
            ],
            "is the t statistic.": [stats.ttest_ind(treated, control).statistic],
        },
        "degrees of freedom": {
            "are the paired ones.": [len(pairs) - 1],
            "count one estimated mean; there are two.": [n1 + n2 - 1],
            "do not count the two means that were estimated.": [n1 + n2],
            "are Welch's. Here both conditions share one variance.": [welch.df],
        },
    }


def _paired(control, treated, pairs):
    d, m = pairs["treated"] - pairs["control"], min(len(control), len(treated))
    everybody = len(control) + len(treated) - len(pairs)  # donors, those with one sample only among them
    by_row, n = treated[:m] - control[:m], len(d)
    unpaired = stats.ttest_ind(treated, control)
    return {
        "difference": {
            "takes in donors with one sample only. They have nothing to be compared with.": [
                treated.mean() - control.mean()
            ],
            "pairs samples by their place in the table, not by their donor.": [by_row.mean()],
            "is a sum over donors; the mean was asked for.": [d.sum()],
        },
        "standard error": {
            "pairs samples by their place in the table, not by their donor.": [stats.sem(by_row)],
            "is the unpaired one: what donors differ by is still in it.": [
                (treated.mean() - control.mean()) / unpaired.statistic,
                np.sqrt(pairs["control"].var() / n + pairs["treated"].var() / n),
            ],
            "divides the sum of squares by n; one mean was estimated from these differences (ddof).": [
                d.std(ddof=0) / np.sqrt(n)
            ],
            "is the standard deviation of the differences, not that of their mean.": [d.std(), d.std(ddof=0)],
            "divides by the root of the number of all donors, those with one sample only among them.": [
                d.std() / np.sqrt(everybody)
            ],
            "is a variance: its root was asked for.": [d.var() / n],
            "is the t statistic.": [d.mean() / stats.sem(d)],
        },
        "degrees of freedom": {
            "are those of the unpaired comparison: each donor gives one number now.": [2 * n - 2, unpaired.df],
            "do not count the mean that was estimated.": [n, 2 * n],
            "count donors that have one sample only.": [everybody - 1, len(treated) - 1, len(control) - 1, m - 1],
        },
    }
