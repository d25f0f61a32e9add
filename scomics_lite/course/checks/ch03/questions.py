"""The checks of chapter 3: coefficients, contrasts, reweighting, what a design can answer, lanes and pairs.

As in chapter 1, an answer is compared with the right numbers, then with those of the usual slips (`slips`). The
right numbers come from `scomics_lite.design` and `scomics_lite.glm`, which are tested against DESeq2, from a closed
form, or from scipy.
"""

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite import glm
from scomics_lite.course.checks import differs, exercise
from scomics_lite.course.checks.answers import StudentError
from scomics_lite.course.checks.ch03 import cases
from scomics_lite.course.checks.ch03 import slips as usual
from scomics_lite.course.checks.compare import missing_parts
from scomics_lite.course.checks.judging import functions_of, judge, parts_of, refusal
from scomics_lite.design import contrast, design_matrix, diagnose
from scomics_lite.validation import InputError, did_you_mean

# --- 1: read the coefficients -----------------------------------------------------------------------------------------

CODINGS = {
    "ordered": {"Intercept": 6, "cell[mono]": -2, "stim[ifn]": 1, "cell[mono]:stim[ifn]": 5},
    "as_text": {"Intercept": 7, "cell[mono]": 3, "stim[none]": -1, "cell[mono]:stim[none]": -5},
}


@exercise(
    "ch03-read-coefficients",
    hints=(
        "Which of the four groups has a zero in every column but the first? Everything else is said relative to it.",
        "Write the row of each group beside its log2 mean. The reference group gives the intercept; the two groups "
        "one step away from it give a difference each; the last group has all columns, and you know three of them.",
        "Intercept: log2 of the reference group. A column of one factor: its group minus the reference group, the "
        "other factor at its reference. The interaction: the last group minus everything found so far.",
    ),
)
def read_coefficients(answer):
    """Compare the coefficients of both codings one by one."""
    problem = missing_parts(answer, list(CODINGS))
    if problem:
        return problem
    for coding, right in CODINGS.items():
        problem = _judge_coefficients(coding, answer[coding], right)
        if problem:
            return problem
    return None


def _judge_coefficients(coding, part, right):
    what, expected = f"`{coding}`", np.array(list(right.values()), dtype=float)
    if isinstance(part, dict | pd.Series):
        problem = missing_parts(dict(part), list(right), what=what)
        if problem:
            return problem
        part = [part[name] for name in right]
    whole = usual.coefficients(coding, expected)
    problem = judge(part, expected, whole, what=what)
    general = problem == differs(part, expected, what=what)
    if problem is None or not general or differs(part, expected, rtol=np.inf) is not None:
        return problem
    one_by_one = usual.COEFFICIENTS[coding]
    found = [
        judge(value, one, one_by_one[name], what=f"`{coding}`: {name}")
        for value, (name, one) in zip(part, right.items(), strict=True)
    ]
    return next(filter(None, found))


# --- 2: a contrast for one subtype ------------------------------------------------------------------------------------

QUESTIONS = ("luminal", "luminal - her2", "average")


@exercise(
    "ch03-subtype-contrast",
    hints=(
        "Take two samples that differ only in what is asked: which columns are 1 in one of them and 0 in the other?",
        "Subtract the row of the untreated group from the row of the treated one: that is the contrast of a response. "
        "A difference of responses, or their mean, is the same sum taken of such contrasts.",
        "With the interaction, the response of a subtype is drug[dex] plus that subtype's own interaction column, "
        "which the reference has not. With groups it is treated minus mock. Subtract two of these, or take a third of "
        "all three.",
    ),
)
def subtype_contrast(answer):
    """Read six contrasts in whatever form the package takes, and compare their vectors."""
    designs = cases.subtype_designs()
    problem = missing_parts(answer, list(designs))
    if problem:
        return problem
    for coding, design in designs.items():
        problem = missing_parts(answer[coding], list(QUESTIONS), what=f"`{coding}`")
        if problem:
            return problem
        slips, right = usual.responses(design, coding)
        for question in QUESTIONS:
            what = f"`{coding}`, {question!r}:"
            try:
                vector = contrast(design, answer[coding][question])
            except InputError as error:
                return f"{what} this is no contrast of the design: {str(error).rstrip('.?')}."
            problem = judge(vector, right[question], slips[question], what=f"{what} your contrast")
            if problem:
                return problem
    return None


# --- 3: reweighting for one gene --------------------------------------------------------------------------------------


@exercise(
    "ch03-irls",
    hints=(
        "Least squares is done again and again; what changes from one round to the next, and where do s and phi enter?",
        "A round has four lines: the mean from the coefficients and s; the weight, which is the mean over one plus phi "
        "times the mean; the working response on the scale of ln(mean / s); the weighted normal equations.",
        "Start at least squares of ln(y / s + 0.1). Then mu = s exp(x b), w = mu / (1 + phi mu), "
        "z = x b + (y - mu) / mu, and solve (x'Wx) b = x'Wz, fifty times. The covariance is the inverse of x'Wx at "
        "the end, with the last weights.",
    ),
)
def irls(answer):
    """Compare with the exact maximum on random genes of three designs, the last gene with zeros."""
    rng = np.random.default_rng()
    for where, y, x, depth, phi in cases.genes(rng):
        problem = _judge_irls(answer(y, x, depth, phi), y, x, depth, phi)
        if problem:
            return where + problem
    return None


def _judge_irls(result, y, x, s, phi):
    parts, problem = parts_of(result, ["beta", "covariance"], what="`irls`")
    if problem:
        return problem
    counts = np.column_stack([y, np.ones(len(y))])  # with a second gene no sample is without counts
    fit = glm.fit(counts, x, s, phi, ridge=0, min_mean=0, tolerance=0)
    right, what, close = fit.coefficients[0], "your vector of coefficients", {"rtol": 1e-5, "atol": 1e-5}
    problem = judge(parts[0], right, usual.coefficients_of_a_gene(y, x, s, phi), what=what, **close)
    unexplained = problem == differs(parts[0], right, what=what, **close)
    if problem and unexplained and differs(parts[0], right, rtol=0, atol=0.1) is None:
        return (
            f"{what} is close, and not the same. Does a further round still move it? If not, look at each line again."
        )
    return problem or judge(
        parts[1], fit.covariance[0], usual.covariances(fit, y, phi), what="your covariance", rtol=1e-3
    )


# --- 4: aliasing ------------------------------------------------------------------------------------------------------

VERDICTS = ("everything", "only this", "not this")
DESIGNS = {"A": "not this", "B": "everything", "C": "only this", "D": "not this", "E": "everything", "F": "only this"}


@exercise(
    "ch03-aliasing",
    hints=(
        "Can you change the coefficients without changing a single fitted mean? Does what was asked change with it?",
        "The means are x @ beta. A direction d with x @ d = 0 is invisible to the data, so a contrast is estimable if "
        "c @ d = 0 for all such d. It is the same to say that c is a sum of rows of x.",
        "Compare np.linalg.matrix_rank(x) with the rank of x with c as one more row: equal means estimable. For the "
        "six designs build x with design_matrix and try the function on the unit vector of condition[treated].",
    ),
)
def aliasing(answer):
    """Judge the function on designs of all kinds, then the six verdicts."""
    problem = missing_parts(answer, ["estimable", "verdicts"])
    if problem:
        return problem
    functions, problem = functions_of({"estimable": answer["estimable"]}, ["estimable"])
    return problem or _judge_estimable(functions[0]) or _judge_verdicts(answer["verdicts"])


def _judge_estimable(estimable):
    for kind, x, c, right in cases.contrasts(np.random.default_rng()):
        result = estimable(x, c)
        if (
            np.size(result) != 1
            or np.asarray(result).dtype.kind not in "biuf"
            or np.asarray(result).item() not in (0, 1)
        ):
            return "`estimable` should hand back True or False, one of them for the whole contrast."
        if bool(np.asarray(result).item()) != right:
            return f"`estimable` {usual.ESTIMABLE[kind, not right]}"
    return None


def _judge_verdicts(verdicts):
    problem = missing_parts(verdicts, list(DESIGNS), what="`verdicts`")
    if problem:
        return problem
    for name, right in DESIGNS.items():
        verdict = str(verdicts[name]).lower().strip()
        if verdict not in VERDICTS:
            return f"design {name}: there is no verdict {verdict!r}; {did_you_mean(verdict, VERDICTS)}."
        if verdict != right:
            return f"design {name}: {usual.VERDICTS[name, verdict]}"
    return None


# --- 5: lanes ---------------------------------------------------------------------------------------------------------


@exercise(
    "ch03-plan-lanes",
    hints=(
        "Which samples compare treated with control without a lane coming in between?",
        "The variance is an entry of the inverse of X'X, with a column for each lane but one; no counts are needed. "
        "It is least when every lane holds the same mixture, as nearly as whole samples allow.",
        "plan_variance: build the design ~ lane + condition and ask diagnose(design).variance. plan: put the samples "
        "of one condition in a row, those of the other after them, and deal the row out like cards; undo the sorting.",
    ),
)
def plan_lanes(answer):
    """Judge the variance on random plans and on confounded ones, and plans by their own variance."""
    functions, problem = functions_of(answer, ["plan_variance", "plan"])
    if problem:
        return problem
    plan_variance, plan = functions
    rng = np.random.default_rng()
    return _judge_plan_variance(plan_variance, rng) or _judge_plans(plan, rng)


def _variance(condition, lane):
    """Compute 1 / sum of t c / (t + c), with t treated and c control samples in each lane."""
    table = pd.crosstab(lane, condition).reindex(columns=["control", "treated"], fill_value=0)
    within = float((table.prod(axis=1) / table.sum(axis=1)).sum())
    return 1 / within if within else np.inf


def _judge_plan_variance(plan_variance, rng):
    for condition, lane in cases.plans(rng):
        right = _variance(condition, lane)
        slips = usual.plan_variances(condition, lane, right)
        problem = judge(plan_variance(condition, lane), right, slips, what="`plan_variance`")
        if problem:
            return problem
    condition = np.sort(cases.samples(rng, 4, 8))
    return _judge_confounded(plan_variance, condition, np.repeat([0, 1, 2], 4))


def _judge_confounded(plan_variance, condition, lane):
    try:
        result = plan_variance(condition, lane)
    except StudentError as error:
        return f"for a plan in which every lane holds one condition only, {error}"
    value = np.squeeze(np.asarray(np.nan if result is None else result, dtype=float))
    if value.ndim == 0 and np.isposinf(value):
        return None
    return (
        "`plan_variance` has a number for a plan in which every lane holds one condition only. Nothing can be "
        "estimated there, and the variance of that is infinite."
    )


def _judge_plans(plan, rng):
    sizes = ((4, 4, 2), (6, 6, 3), (5, 7, 3), (4, 8, 3), (7, 9, 4), (10, 5, 3))
    for n_control, n_treated, n_lanes in sizes * 2:  # twice, so that no careless plan gets through by chance
        condition = cases.samples(rng, n_control, n_treated)
        problem = _judge_plan(plan(condition, n_lanes), condition, n_lanes)
        if problem:
            return f"{n_control} control and {n_treated} treated samples in {n_lanes} lanes: {problem}"
    return None


def _judge_plan(lane, condition, n_lanes):
    if lane is None or np.shape(lane) != condition.shape:
        return "`plan` should hand back one lane for each sample, in the order of the samples."
    labels, sizes = np.unique(np.asarray(lane).astype(str), return_counts=True)
    if len(labels) != n_lanes:
        return f"your plan uses {len(labels)} lanes."
    if np.ptp(sizes):
        return f"your lanes hold {', '.join(map(str, sizes))} samples. All hold the same number."
    variance = _variance(condition, np.asarray(lane).astype(str))
    if np.isinf(variance):
        return "no lane of your plan holds both conditions: the contrast cannot be estimated at all."
    per_lane = len(condition) // n_lanes
    treated, extra = divmod(int((condition == "treated").sum()), n_lanes)
    mixtures = np.array([treated + 1] * extra + [treated] * (n_lanes - extra))
    best = 1 / (mixtures * (per_lane - mixtures) / per_lane).sum()
    if variance > best * (1 + 1e-9):
        return "the contrast is estimable, but another plan has a smaller variance. Do your lanes hold equal mixtures?"
    return None


# --- 6: pairs ---------------------------------------------------------------------------------------------------------


@exercise(
    "ch03-paired",
    hints=(
        "Two samples of one donor share something that no two others do. In which of the comparisons does it cancel?",
        "Unpaired: two groups of numbers, their means, one variance pooled from both. Paired: one number for each "
        "donor, treated minus control, found by the donor's name, and the mean of these with its standard error.",
        "unpaired: variance = (sum of squares about both means) / (n1 + n2 - 2), se = sqrt(variance (1/n1 + 1/n2)). "
        "paired: a table of donors by conditions (pivot_table), without the donors that lack a value; the column of "
        "differences, its mean, its std with ddof=1 over sqrt(n), and n - 1.",
    ),
)
def paired(answer):
    """Compare with scipy on tables in random order, first of whole pairs, then with donors that lack a sample."""
    functions, problem = functions_of(answer, ["unpaired", "paired"])
    if problem:
        return problem
    rng = np.random.default_rng()
    for where, lost in (("", ()), ("where a donor has one sample only, ", (1, 5, 8))):
        table = cases.donors(rng, lost)
        for name, function in zip(("unpaired", "paired"), functions, strict=True):
            problem = _judge_comparison(name, function(table), table)
            if problem:
                return where + problem
    return None


def _comparison(name, table):
    """Compute (difference, standard error, degrees of freedom) by scipy."""
    if name == "unpaired":
        control, treated = (table["value"][table["condition"] == level] for level in ("control", "treated"))
        test, difference = stats.ttest_ind(treated, control), treated.mean() - control.mean()
    else:
        pairs = table.pivot_table(index="donor", columns="condition", values="value").dropna()
        test, difference = stats.ttest_rel(pairs["treated"], pairs["control"]), (pairs.treated - pairs.control).mean()
    return difference, difference / test.statistic, test.df


def _judge_comparison(name, result, table):
    values, problem = parts_of(result, ["difference", "standard_error", "df"], what=f"`{name}`")
    if problem:
        return problem
    right, slips = _comparison(name, table), usual.comparisons(name, table)
    for part, value, one in zip(usual.PARTS, values, right, strict=True):
        problem = judge(value, one, slips[part], what=f"`{name}`: the {part}")
        if problem:
            return problem
    return None


# --- 7: repair --------------------------------------------------------------------------------------------------------


@exercise(
    "ch03-repair",
    hints=(
        "Does leaving a column out change the means that the model can reach? And the question, once it is out?",
        "Drop the columns that others add up to: the same means can be reached, and an estimable contrast keeps its "
        "weights on the columns that stay. One that is not estimable has no answer, so raise ValueError.",
        "full = design_matrix(obs, formula) and report = diagnose(full). If report.estimable(question) is False, raise "
        "ValueError. Drop every alias.column of report.aliases, and hand back what is left with the weights that "
        "contrast(full, question) has on the columns that are left.",
    ),
)
def repair(answer):
    """Ask for designs that can be fitted and still answer the question, and for a refusal where there is no answer."""
    for where, obs, formula, question, estimable in cases.claims(np.random.default_rng()):
        if estimable:
            problem = _judge_answered(answer, obs, formula, question)
        else:
            problem = refusal(answer, obs, formula, question, where="for a question without an answer")
        if problem:
            return f"{where}: {problem}"
    return None


def _judge_answered(answer, obs, formula, question):
    try:
        result = answer(obs, formula, question)
    except StudentError as error:
        return f"the question {question!r} has an answer, but {error}"
    return _judge_claim(result, design_matrix(obs, formula), question)


def _judge_claim(result, full, question):
    parts, problem = parts_of(result, ["design", "contrast"], what="your function")
    if problem:
        return problem
    kept, c = parts
    if np.ndim(kept) != 2 or len(kept) != len(full):
        return "the first thing handed back is no design with a row for each sample."
    rank = diagnose(full).rank
    try:
        report = diagnose(kept)
        vector = contrast(kept, c)
    except (InputError, TypeError, ValueError) as error:
        return f"what you hand back does not fit together: {str(error).rstrip('.?')}."
    if report.aliases:
        return "your design still has a column that others add up to, and the test will refuse it."
    joint = np.column_stack([full.to_numpy(float), np.asarray(kept, dtype=float)])
    if report.rank < rank:
        return "you dropped more than was tied: the new design cannot reach all means that the formula can."
    if np.linalg.matrix_rank(joint) > rank:
        return "your design reaches means that the formula cannot: it is another model."
    return _judge_question(vector, np.asarray(kept, dtype=float), contrast(full, question), full.to_numpy(float))


def _judge_question(vector, kept, c, full):
    """Compare what both contrasts weigh the fitted log means with: that does not depend on the coding."""
    weights, right = np.linalg.pinv(kept.T) @ vector, np.linalg.pinv(full.T) @ c
    problem = differs(weights, right, rtol=1e-6, atol=1e-9, what="the question, after your change of columns,")
    if problem is None or "opposite sign" in problem:
        return problem
    return "the new contrast asks another question: weights and columns no longer belong together."
