"""The checks of exercises 4 to 6 of chapter 6b: fidelity, across genes and across people, the repair of a report."""

import numpy as np
import pandas as pd

from scomics_lite.course.checks import differs, exercise
from scomics_lite.course.checks.ch06b import cases, study_slips
from scomics_lite.course.checks.judging import functions_of, judge, refusal

# --- 4: fidelity ------------------------------------------------------------------------------------------------------


@exercise(
    "ch06b-fidelity",
    hints=(
        "Whom may the weights have seen that predict a person, and what is predicted where nothing is known but the "
        "mean?",
        "For each fold, fit to the people outside it and predict the people inside. When everybody has a prediction, "
        "compare once: the sum of squared errors against the sum of squared distances of y from its mean.",
        "predicted = zeros like y. For fold in np.unique(folds): a, w = fit(X[folds != fold], y[folds != fold]); "
        "predicted[folds == fold] = a + X[folds == fold] @ w. The answer: 1 - sum((y - predicted)**2) / sum((y - "
        "y.mean())**2). ValueError where all y are the same.",
    ),
)
def fidelity(answer):
    """Compare for least squares, then for a model that is worse than the mean, then ask for a refusal."""
    rng = np.random.default_rng()
    for where, fit in (("", cases.least_squares), ("for a model worse than the mean, ", cases.contrary)):
        X, y, folds = cases.nonlinear(rng)
        case = X, y, folds, fit
        right, wrong = study_slips.fidelity(*case), study_slips.fidelities(*case)
        wrong["is of weights of your own: fit them by the function that is handed in."] = [
            study_slips.fidelity(X, y, folds, cases.least_squares)
        ]
        problem = judge(answer(*case), right, _finite(wrong), what="your R²")
        if problem:
            return where + problem
    X, y, folds = cases.nonlinear(rng)
    constant = np.full(len(y), 0.25)
    return refusal(answer, X, constant, folds, cases.least_squares, where="where everybody is predicted alike")


def _finite(sentences):
    return {sentence: [one for one in wrong if np.isfinite(one)] for sentence, wrong in sentences.items()}


# --- 5: across genes and across people --------------------------------------------------------------------------------


@exercise(
    "ch06b-across",
    hints=(
        "A table of people × genes can be read along its rows and along its columns. Which way does a model have to be "
        "right to say that one gene is more active than another, and which way to say that one person has more of it?",
        "across_genes: two numbers for each gene, the means over people, and one correlation over all genes. "
        "across_people: a correlation for each gene, over people, NaN where everybody is predicted alike. right_sign: "
        "leave out NaN; which share of the rest is above 0?",
        "across_genes: np.corrcoef(predicted.mean(axis=0), observed.mean(axis=0))[0, 1]. across_people: for every "
        "column, NaN if its largest and smallest prediction are the same, else np.corrcoef of both columns. "
        "right_sign: np.mean(r[~np.isnan(r)] > 0).",
    ),
)
def across(answer):
    """Compare each of the three in two studies."""
    functions, problem = functions_of(answer, ["across_genes", "across_people", "right_sign"])
    if problem:
        return problem
    rng = np.random.default_rng()
    for _ in range(2):
        problem = _judge_across(functions, rng)
        if problem:
            return problem
    return None


def _judge_across(functions, rng):
    genes, people, share = functions
    case = cases.people(rng)
    problem = judge(
        genes(*case),
        study_slips.across_genes(*case),
        study_slips.correlations_across_genes(*case),
        what="`across_genes`: your number",
    ) or _judge_people(people(*case), *case)
    if problem:
        return problem
    r = cases.correlations(rng)
    return judge(share(r), study_slips.right_sign(r), study_slips.shares(r), what="`right_sign`: your number")


def _judge_people(result, predicted, observed):
    what, right = "`across_people`: your result", study_slips.across_people(predicted, observed)
    if np.shape(result) == (len(predicted),):
        return f"{what} has a number for each person. People are rows; a correlation for each gene, over people."
    if np.shape(result) != right.shape:
        return differs(result, right, what=what)
    got = pd.to_numeric(pd.Series(list(result)), errors="coerce").to_numpy(float)
    known = ~np.isnan(right)
    wrong = study_slips.correlations_across_people(predicted, observed)
    wrong = {sentence: [one[known] for one in several] for sentence, several in wrong.items()}
    problem = judge(got[known], right[known], wrong, what=what)
    if problem:
        return problem
    if not np.isnan(got[~known]).all():
        return f"{what} has a number where everybody is predicted alike. There is no correlation: NaN."
    return None


# --- 6: repair --------------------------------------------------------------------------------------------------------

PENALTIES, TRACKS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0), 30


@exercise(
    "ch06b-repair",
    hints=(
        "A judge should not know the accused. Which genes had a say in the tracks, in the weights and in the penalty, "
        "and who are their neighbours?",
        "Split by chromosomes, as published: training, validation, test. Tracks and weights come from training genes "
        "alone. The penalty is the one whose model does best on validation genes. The correlation on test genes is "
        "computed once, for that model, and reported whatever it is.",
        "test = chromosomes.isin(['5', '12', '20']), validation = chromosomes.isin(['7', '11', '14']), train = "
        "neither. tracks = best_tracks(features[train], target[train], how_many). For each penalty: model = ridge("
        "features.loc[train, tracks], target[train], penalty), r = its correlation on validation genes. Return the "
        "correlation on test genes of the model with the largest r.",
    ),
)
def repair(answer):
    """Compare in a fresh study, in which every fault changes the number."""
    case = cases.told_apart(np.random.default_rng(), PENALTIES, TRACKS)
    result = answer(*case)
    if any(differs(result, honest) is None for honest in study_slips.honest_reports(*case)):
        return None
    problem = judge(result, study_slips.report(*case), study_slips.reports(*case), what="your report")
    if problem in ("your report is too large.", "your report is too small."):
        return (
            f"{problem} Ask of each step which genes it looks at: the tracks, the weights, the penalty, the result. "
            "And are the chromosomes split as published?"
        )
    return problem
