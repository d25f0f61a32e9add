"""The usual slips in exercises 4 to 6 of chapter 6b: wrong numbers beside the sentence that names them.

As in `ch01_slips`: sentence → list of wrong results.
"""

import numpy as np
from scipy import stats

# --- 4: fidelity ------------------------------------------------------------------------------------------------------


def out_of_fold(X, y, folds, fit):
    """Predict every person by weights that were fitted without the person's fold."""
    predicted = np.zeros(len(y))
    for fold in np.unique(folds):
        intercept, weights = fit(X[folds != fold], y[folds != fold])
        predicted[folds == fold] = intercept + X[folds == fold] @ weights
    return predicted


def r2(y, predicted):
    """Compute R² of predictions: 1 where they are right, 0 for the mean, less for what is worse."""
    return 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def fidelity(X, y, folds, fit):
    """Compute the right fidelity."""
    return r2(y, out_of_fold(X, y, folds, fit))


def fidelities(X, y, folds, fit):
    """Of the fidelity."""
    intercept, weights = fit(X, y)
    inside, predicted = intercept + X @ weights, out_of_fold(X, y, folds, fit)
    parts = [(y[folds == fold], predicted[folds == fold]) for fold in np.unique(folds)]
    right = r2(y, predicted)
    left = ((y - predicted) ** 2).sum()
    return {
        "judges the weights by the people whom they were fitted to. Every person is predicted by weights that were "
        "fitted without the person's fold.": [r2(y, inside), np.corrcoef(y, inside)[0, 1] ** 2],
        "is a squared correlation. That forgives a wrong size and a wrong mean, and even a wrong sign; R² here is 1 "
        "minus the share of the variation that is left.": [np.corrcoef(y, predicted)[0, 1] ** 2],
        "is a correlation. R² is 1 minus the share of the variation that is left.": [np.corrcoef(y, predicted)[0, 1]],
        "takes the mean of the errors away first (a variance does that), and so forgives a wrong mean: add up their "
        "squares.": [1 - np.var(y - predicted) / np.var(y)],
        "compares the spread of the predictions with that of y, whether they are right or not.": [
            np.var(predicted) / np.var(y)
        ],
        "has y and the predictions in each other's place: the variation of y stands below.": [r2(predicted, y)],
        "has n - 1 in one place and n in another.": [1 - (1 - right) * (len(y) - 1) / len(y)],
        "uses one set of weights for everybody, of a fold or a mean of all, so that people are judged by weights that "
        "knew them.": _one_set_for_all(X, y, folds, fit),
        "measures the distances below from means of parts; take them from the mean of all y.": [
            1 - left / sum(((part - part.mean()) ** 2).sum() for part, _ in parts),
            1 - left / sum(((y[folds == fold] - y[folds != fold].mean()) ** 2).sum() for fold in np.unique(folds)),
        ],
        "is that of one fold. Put the predictions of all folds together.": [r2(*part) for part in parts],
        "has left a fold without predictions.": [
            r2(y, np.where(folds == fold, 0.0, predicted)) for fold in np.unique(folds)
        ],
        "is a mean of the folds' numbers. Put all predictions together first; folds of few people say little each.": [
            np.mean([r2(*part) for part in parts]),
            np.mean([np.corrcoef(*part)[0, 1] ** 2 for part in parts]),
            np.mean([np.corrcoef(*part)[0, 1] for part in parts]),
            np.mean([np.corrcoef(*part)[0, 1] for part in parts]) ** 2,
        ],
        "has the folds the wrong way round: fitted to one fold, the weights predict all the others.": [
            _fitted_to_a_fold(X, y, folds, fit)
        ],
        "has lost the intercept.": [r2(y, predicted - _intercepts(X, y, folds, fit))],
        "is the share of the variation that is left: take it from 1.": [1 - right],
        "compares with 0, and not with the mean of y.": [1 - left / (y**2).sum()],
        "is the mean squared error: compare it with the variance of y.": [left / len(y), left, np.sqrt(left / len(y))],
        "is cut off at 0. What is worse than the mean may say so.": [max(right, 0.0)] if right < 0 else [],
    }


def _one_set_for_all(X, y, folds, fit):
    fits = [fit(X[folds != fold], y[folds != fold]) for fold in np.unique(folds)]
    mean = np.mean([intercept for intercept, _ in fits]), np.mean([weights for _, weights in fits], axis=0)
    return [r2(y, intercept + X @ weights) for intercept, weights in (*fits, mean)]


def _intercepts(X, y, folds, fit):
    found = np.zeros(len(y))
    for fold in np.unique(folds):
        found[folds == fold] = fit(X[folds != fold], y[folds != fold])[0]
    return found


def _fitted_to_a_fold(X, y, folds, fit):
    """Fit in one fold, predict the rest: what was predicted last for a person stays."""
    predicted = np.zeros(len(y))
    for fold in np.unique(folds):
        intercept, weights = fit(X[folds == fold], y[folds == fold])
        predicted[folds != fold] = intercept + X[folds != fold] @ weights
    return r2(y, predicted)


# --- 5: across genes and across people --------------------------------------------------------------------------------


def across_genes(predicted, observed):
    """Compute the right correlation across genes."""
    return np.corrcoef(predicted.mean(axis=0), observed.mean(axis=0))[0, 1]


def correlations_across_genes(predicted, observed):
    """Of the correlation across genes."""
    varies = np.ptp(predicted, axis=0) > 0
    means = predicted.mean(axis=0), observed.mean(axis=0)
    return {
        "takes all numbers together, people and genes. Take the mean of each gene over people first.": [
            np.corrcoef(predicted.ravel(), observed.ravel())[0, 1]
        ],
        "is a mean over people of their own correlations. Take the mean of each gene over people first.": [
            np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(predicted, observed, strict=True)])
        ],
        "is that of one person. Take the mean of each gene over people first.": [
            np.corrcoef(predicted[row], observed[row])[0, 1] for row in (0, -1)
        ],
        "correlates people: genes are columns, and a gene's mean goes over the rows.": [
            np.corrcoef(predicted.mean(axis=1), observed.mean(axis=1))[0, 1]
        ],
        "is of ranks; Pearson's correlation was asked for.": [stats.spearmanr(*means).statistic],
        "is a square, so it has lost its sign.": [across_genes(predicted, observed) ** 2],
        "takes medians of genes; means were asked for.": [
            np.corrcoef(np.median(predicted, axis=0), np.median(observed, axis=0))[0, 1]
        ],
        "leaves out the genes that are predicted alike for everybody. Across genes their level counts.": [
            across_genes(predicted[:, varies], observed[:, varies])
        ],
        "is a covariance; divide by both standard deviations.": [np.cov(*means)[0, 1], np.cov(*means, bias=True)[0, 1]],
        "is the mean of the correlations across people.": [np.nanmean(across_people(predicted, observed))],
    }


def across_people(predicted, observed):
    """Compute the right correlation across people of each gene, (g,), NaN where there is none."""
    p, o = predicted - predicted.mean(axis=0), observed - observed.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (p * o).sum(axis=0) / np.sqrt((p**2).sum(axis=0) * (o**2).sum(axis=0))
    return np.where(np.ptp(predicted, axis=0) > 0, r, np.nan)


def correlations_across_people(predicted, observed):
    """Of the correlations across people, of genes that have one."""
    r, p, o = (across_people(predicted, observed), predicted - predicted.mean(axis=0), observed - observed.mean(axis=0))
    covariance = (p * o).mean(axis=0)
    n = len(p)
    return {
        "holds squares, which have lost their signs.": [r**2],
        "holds absolute values. The sign is what this exercise is about.": [np.abs(r)],
        "holds covariances; divide by both standard deviations.": [covariance, covariance * n / (n - 1)],
        "holds slopes of a regression; divide by both standard deviations.": [
            covariance / p.var(axis=0).clip(1e-300),
            covariance / o.var(axis=0),
        ],
        "is of ranks; Pearson's correlation was asked for.": [
            np.array(
                [stats.spearmanr(*pair).statistic if np.ptp(pair[0]) else np.nan for pair in zip(p.T, o.T, strict=True)]
            )
        ],
        "has n - 1 in one place and n in another.": [r * n / (n - 1), r * (n - 1) / n],
        "takes the mean of all genes away; each gene has its own.": [
            _uncentred(predicted - predicted.mean(), observed - observed.mean())
        ],
        "does not take the means of the genes away (a cosine).": [_uncentred(predicted, observed)],
    }


def _uncentred(p, o):
    return (p * o).sum(axis=0) / np.sqrt((p**2).sum(axis=0) * (o**2).sum(axis=0))


def right_sign(r):
    """Compute the right share of genes with the right sign."""
    return np.mean(r[~np.isnan(r)] > 0)


def shares(r):
    """Of the share."""
    known = r[~np.isnan(r)]
    return {
        "counts genes without a correlation among those with the wrong sign. Nothing is predicted for them: leave them "
        "out.": [(r > 0).sum() / len(r)],
        "counts genes without a correlation among those with the right sign. Nothing is predicted for them: leave them "
        "out.": [np.mean(~(r < 0)), np.mean(~(r <= 0))],
        "counts a correlation of 0 among the right ones; above 0 was asked for.": [np.mean(known >= 0)],
        "leaves out a correlation of 0. It is one, and not above 0.": [(known > 0).sum() / (known != 0).sum()],
        "is the share of wrong signs.": [np.mean(known < 0), np.mean(known <= 0), (r < 0).sum() / len(r)],
        "is how many there are; their share was asked for.": [(r > 0).sum(), (r < 0).sum()],
        "is the mean correlation.": [known.mean(), np.median(known)],
        "is the mean of signs, from -1 to 1. The share goes from 0 to 1.": [np.mean(np.sign(known))],
        "counts large correlations alone. Above 0 is the right sign.": [
            np.mean(known > limit) for limit in (0.1, 0.2, 0.3, 0.5)
        ],
    }


# --- 6: repair --------------------------------------------------------------------------------------------------------

VALIDATION, TEST = ["7", "11", "14"], ["5", "12", "20"]
SELECTED = "chooses the tracks with the percentiles of genes that judge later"
CHOSEN = "chooses the penalty by the genes that judge the model"
SPLIT = "splits the genes by chance, so that most test genes have a neighbour in the training"


def best_tracks(X, y, how_many):
    """Give the columns of X that go along with y most, either way."""
    X, y = X - X.mean(axis=0), y - y.mean()
    r = X.T @ y / np.sqrt((X**2).sum(axis=0) * (y @ y))
    return np.argsort(-np.abs(r), kind="stable")[:how_many]


def ridge(X, y, penalty):
    """Fit a ridge regression; give intercept and weights."""
    means, level = X.mean(axis=0), y.mean()
    X = X - means
    weights = np.linalg.solve(X.T @ X + penalty * np.eye(X.shape[1]), X.T @ (y - level))
    return level - means @ weights, weights


def parts_of(chromosomes):
    """Give the published split, as three masks by gene."""
    validation, test = chromosomes.isin(VALIDATION).to_numpy(), chromosomes.isin(TEST).to_numpy()
    return ~(validation | test), validation, test


def by_chance(chromosomes):
    """Give the split of the broken analysis: three genes in ten are test genes, and these choose as well."""
    order = np.random.default_rng(0).permutation(len(chromosomes))
    test = np.isin(np.arange(len(order)), order[: int(0.3 * len(order))])
    return ~test, test, test


def by_error(model, X, y):
    """Judge a model by its squared errors, and not by the correlation."""
    return -np.mean((model[0] + X @ model[1] - y) ** 2)


def report(
    features, target, chromosomes, penalties, how_many, *, split=parts_of, select=0, choose=1, judge=2, fit=0, by=None
):
    """Give the correlation that is reported, rightly unless told otherwise.

    Which parts select the tracks, choose the penalty, judge, and are fitted to: 0 training, 1 validation, 2 test, or
    several of them. The penalty is chosen by the correlation, or by another measure.
    """
    X, y, parts = features.to_numpy(), target.to_numpy(), split(chromosomes)
    selecting, choosing, judging, fitted = (_together(parts, which) for which in (select, choose, judge, fit))
    X = X[:, best_tracks(X[selecting], y[selecting], how_many)]
    models = [ridge(X[fitted], y[fitted], penalty) for penalty in penalties]
    best = int(np.argmax([(by or _correlation)(model, X[choosing], y[choosing]) for model in models]))
    return _correlation(models[best], X[judging], y[judging])


def honest_reports(features, target, chromosomes, penalties, how_many):
    """Give the correlations that may be reported.

    Beside that of `report` those of a model that is fitted once more, with the chosen penalty, to training and
    validation genes together: with the tracks chosen before, or with tracks chosen anew by the same genes.
    """
    X, y, (train, validation, test) = features.to_numpy(), target.to_numpy(), parts_of(chromosomes)
    both, tracks = train | validation, best_tracks(X[train], y[train], how_many)
    models = [ridge(X[train][:, tracks], y[train], penalty) for penalty in penalties]
    best = int(np.argmax([_correlation(model, X[validation][:, tracks], y[validation]) for model in models]))
    found = [_correlation(models[best], X[test][:, tracks], y[test])]
    for again in (tracks, best_tracks(X[both], y[both], how_many)):
        model = ridge(X[both][:, again], y[both], penalties[best])
        found.append(_correlation(model, X[test][:, again], y[test]))
    return found


def _together(parts, which):
    return np.any([parts[part] for part in np.atleast_1d(which)], axis=0)


def _correlation(model, X, y):
    return np.corrcoef(model[0] + X @ model[1], y)[0, 1]


def reports(*study):
    """Of the correlation that is reported: mixtures of the three faults, and repairs that go wrong."""
    everything = (0, 1, 2)
    return {
        f"{SPLIT}; it {SELECTED}; it {CHOSEN}.": [report(*study, split=by_chance, select=everything, choose=2)],
        f"{SPLIT}; it {CHOSEN}.": [report(*study, split=by_chance, choose=2)],
        f"{SELECTED}; it {CHOSEN}.": [
            report(*study, select=everything, choose=2),
            report(*study, select=everything, fit=(0, 1), choose=2),
        ],
        f"{SELECTED}.": [report(*study, select=everything), report(*study, select=(0, 1))],
        f"{CHOSEN}.": [
            report(*study, choose=2),
            report(*study, select=(0, 1), fit=(0, 1), choose=2),
            report(*study, choose=(1, 2), judge=(1, 2)),
        ],
        "chooses the penalty by another measure than the correlation, which the task asks for.": [
            report(*study, by=by_error)
        ],
        "keeps all tracks, and not those alone that go along with expression best.": [
            report(*study[:-1], study[0].shape[1])
        ],
        "chooses the penalty by the genes that the model was fitted to. The weakest always wins there.": [
            report(*study, choose=0)
        ],
        "is the correlation on the validation chromosomes, by which the penalty was chosen.": [
            report(*study, judge=1),
            report(*study, select=everything, judge=1),
        ],
        "is the correlation in the genes that the model was fitted to.": [
            report(*study, judge=0),
            report(*study, choose=0, judge=0),
        ],
        "has validation and test chromosomes in each other's place.": [report(*study, choose=2, judge=1)],
        "fits the models to the validation chromosomes as well, before these choose.": [
            report(*study, fit=(0, 1)),
            report(*study, select=(0, 1), fit=(0, 1)),
        ],
        "fits the models to the test chromosomes as well.": [
            report(*study, fit=everything),
            report(*study, fit=(0, 2)),
            report(*study, select=everything, fit=everything),
        ],
        "is a square.": [report(*study) ** 2],
    }
