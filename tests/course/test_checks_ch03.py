"""The bank of chapter 3: right answers written differently pass, typical wrong ones get the diagnosis that fits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from fixtures.check_bank import BankTests, answer_cells
from scipy import optimize, stats

from scomics_lite import design, glm, negative_binomial
from scomics_lite.course.checks.ch03 import questions as ch03
from scomics_lite.course.checks.ch03 import slips as ch03_slips

SOLUTIONS = Path(__file__).parents[2] / "solutions" / "03_glm_contrasts_and_batch_confounding_solutions.ipynb"

# --- 1: read the coefficients -----------------------------------------------------------------------------------------

ORDERED = {"Intercept": 6, "cell[mono]": -2, "stim[ifn]": 1, "cell[mono]:stim[ifn]": 5}
AS_TEXT = {"Intercept": 7, "cell[mono]": 3, "stim[none]": -1, "cell[mono]:stim[none]": -5}


def reading(ordered=None, as_text=None):
    """Change some of the right coefficients."""
    return {"ordered": {**ORDERED, **(ordered or {})}, "as_text": {**AS_TEXT, **(as_text or {})}}


READING_RIGHT = {
    "dicts": reading(),
    "lists": {"ordered": [6, -2, 1, 5], "as_text": [7, 3, -1, -5]},
    "series in another order": {"ordered": pd.Series(ORDERED)[::-1], "as_text": pd.Series(AS_TEXT)},
    "arrays of logs": {
        "ordered": np.log2([64, 16 / 64, 128 / 64, (1024 / 16) / (128 / 64)]),
        "as_text": np.log2([128, 1024 / 128, 64 / 128, (16 / 1024) / (64 / 128)]),
    },
}
READING_WRONG = {
    "interaction as the whole response": (reading({"cell[mono]:stim[ifn]": 6}), "over and above the other"),
    "interaction as the difference under ifn": (reading({"cell[mono]:stim[ifn]": 3}), "over and above the other"),
    "interaction from the reference": (reading({"cell[mono]:stim[ifn]": 4}), "both single steps still in it"),
    "interaction as a level": (reading({"cell[mono]:stim[ifn]": 10}), "A coefficient other than the intercept"),
    "averaged over conditions": (reading({"cell[mono]": 0.5}), "is averaged over the levels"),
    "averaged over cells": (reading({"stim[ifn]": 3.5}), "stim[ifn] is averaged over the levels"),
    "grand mean": (reading({"Intercept": 6.75}), "`ordered`: Intercept is the level of another group"),
    "wrong sign": (reading({"cell[mono]": 2}), "`ordered`: cell[mono] has the wrong sign"),
    "the difference under ifn": (reading({"cell[mono]": 3}), "wrong level of the other factor"),
    "the response of monocytes": (reading({"stim[ifn]": 6}), "wrong level of the other factor"),
    "a level": (reading({"cell[mono]": 4}), "`ordered`: cell[mono] is the level of a group"),
    "the four levels": (reading({**dict(zip(ORDERED, [6, 4, 7, 10], strict=True))}), "the levels of the four groups"),
    "fold changes": (reading({name: 2**value for name, value in ORDERED.items()}), "holds fold changes"),
    "natural logs": (
        reading({name: value * np.log(2) for name, value in ORDERED.items()}),
        "`ordered` holds natural logarithms",
    ),
    "reference of the table": (
        reading(as_text=dict(zip(AS_TEXT, [6, -2, 1, 5], strict=True))),
        "Text has its levels in another order",
    ),
    "only the sign turned": (
        reading(as_text=dict(zip(AS_TEXT, [6, -2, -1, -5], strict=True))),
        "Text has its levels in another order",
    ),
    "sign kept": (reading(as_text={"stim[none]": 1}), "`as_text`: stim[none] has the wrong sign"),
    "just wrong": (reading({"Intercept": 9}), "`ordered`: Intercept is too large"),
    "not a number": (reading({"stim[ifn]": np.nan}), "`ordered` is NaN in 1 of 4 places"),
    "words": (reading({"stim[ifn]": "one"}), "cannot be read as an array of numbers"),
    "names of the other coding": ({"ordered": AS_TEXT, "as_text": AS_TEXT}, "says nothing about 'stim[ifn]'"),
    "should hand back difference and standard_error and df": (
        {"ordered": [6, -2, 1], "as_text": AS_TEXT},
        "`ordered` has shape (3,)",
    ),
    "one coding": ({"ordered": ORDERED}, "says nothing about 'as_text'"),
}

# --- 2: a contrast for one subtype ------------------------------------------------------------------------------------

LUMINAL, HER2 = "subtype[luminal]:drug[dex]", "subtype[her2]:drug[dex]"
INTERACTION = {
    "luminal": f"drug[dex] + {LUMINAL}",
    "luminal - her2": f"{LUMINAL} - {HER2}",
    "average": f"drug[dex] + ({HER2} + {LUMINAL}) / 3",
}
GROUPS = {
    "luminal": "group[luminal_dex] - group[luminal_mock]",
    "luminal - her2": "group[luminal_dex] - group[luminal_mock] - (group[her2_dex] - group[her2_mock])",
    "average": "(group[luminal_dex] + group[her2_dex] + group[basal_dex]) / 3"
    " - (group[luminal_mock] + group[her2_mock] + group[basal_mock]) / 3",
}


def asked(with_interaction=None, by_group=None):
    """Change some of the right contrasts."""
    return {"with_interaction": {**INTERACTION, **(with_interaction or {})}, "by_group": {**GROUPS, **(by_group or {})}}


def means(**levels):
    """Differences of group means, treated minus mock, in the design with the interaction."""
    obs = pd.DataFrame([(s, d) for s in ("basal", "her2", "luminal") for d in ("mock", "dex")] * 2)
    obs = obs.set_axis(["subtype", "drug"], axis=1).astype({"drug": pd.CategoricalDtype(["mock", "dex"])})
    matrix = design.design_matrix(obs, "~ subtype * drug")
    return design.group_mean(matrix, obs, drug="dex", **levels) - design.group_mean(matrix, obs, drug="mock", **levels)


SUBTYPE_RIGHT = {
    "expressions": asked(),
    "dicts and vectors": asked(
        {
            "luminal": {"drug[dex]": 1, LUMINAL: 1},
            "luminal - her2": pd.Series({LUMINAL: 1, HER2: -1}),
            "average": [0, 0, 0, 1, 1 / 3, 1 / 3],
        },
        {
            "luminal": [0, 0, 0, 0, 1, -1],
            "luminal - her2": {
                "group[luminal_dex]": 1,
                "group[luminal_mock]": -1,
                "group[her2_dex]": -1,
                "group[her2_mock]": 1,
            },
            "average": np.array([1, -1, 1, -1, 1, -1]) / 3,
        },
    ),
    "differences of group means": asked(
        {
            "luminal": means(subtype="luminal"),
            "luminal - her2": means(subtype="luminal") - means(subtype="her2"),
            "average": means(),
        }
    ),
}
SUBTYPE_WRONG = {
    "interaction alone": (asked({"luminal": LUMINAL}), "is the interaction alone"),
    "drug alone": (asked({"luminal": "drug[dex]"}), "is the response of basal cells"),
    "named contrast": (asked({"luminal": ("drug", "dex", "mock")}), "is the response of basal cells"),
    "from the reference": (
        asked({"luminal": f"drug[dex] + subtype[luminal] + {LUMINAL}"}),
        "two things differ at once",
    ),
    "subtype for interaction": (asked({"luminal": "drug[dex] + subtype[luminal]"}), "has no part in a response"),
    "with the intercept": (
        asked({"luminal": f"Intercept + drug[dex] + subtype[luminal] + {LUMINAL}"}),
        "still holds the intercept",
    ),
    "turned round": (asked({"luminal": f"-drug[dex] - {LUMINAL}"}), "opposite sign"),
    "against basal": (asked({"luminal - her2": LUMINAL}), "and not with her2"),
    "drug counted": (asked({"luminal - her2": f"drug[dex] + {LUMINAL} - {HER2}"}), "It is a part of both"),
    "untreated compared": (asked({"luminal - her2": "subtype[luminal] - subtype[her2]"}), "before any treatment"),
    "treated compared": (
        asked({"luminal - her2": f"subtype[luminal] + {LUMINAL} - subtype[her2] - {HER2}"}),
        "how they differed before is still in it",
    ),
    "added up": (asked({"luminal - her2": f"{LUMINAL} + {HER2}"}), "adds up where it should subtract"),
    "main effect": (asked({"average": "drug[dex]"}), "no column holds an average"),
    "not divided": (asked({"average": f"drug[dex] + {HER2} + {LUMINAL}"}), "a mean was asked for"),
    "two of three": (asked({"average": f"drug[dex] + ({HER2} + {LUMINAL}) / 2"}), "averages over two subtypes"),
    "drug left out": (asked({"average": f"({HER2} + {LUMINAL}) / 3"}), "there is no drug column"),
    "weighed by samples": (
        asked({"average": f"drug[dex] + (2 * {HER2} + 4 * {LUMINAL}) / 9"}),
        "by their numbers of samples",
    ),
    "a level": (asked(by_group={"luminal": "group[luminal_dex]"}), "is the level of a group"),
    "against treated basal": (
        asked(by_group={"luminal": "group[luminal_dex] - group[basal_dex]"}),
        "treated cells of two subtypes",
    ),
    "relative to basal": (
        asked(by_group={"luminal": f"{GROUPS['luminal']} - (group[basal_dex] - group[basal_mock])"}),
        "no coefficient is relative to basal",
    ),
    "groups: treated compared": (
        asked(by_group={"luminal - her2": "group[luminal_dex] - group[her2_dex]"}),
        "how they differed before is still in it",
    ),
    "mean of six": (asked(by_group={"average": np.array([1, -1, 1, -1, 1, -1]) / 6}), "half as many responses"),
    "sum of groups": (asked(by_group={"average": [1, -1, 1, -1, 1, -1]}), "a mean was asked for"),
    "groups: weighed": (asked(by_group={"average": np.array([3, -3, 2, -2, 4, -4]) / 9}), "numbers of samples"),
    "misspelt": (asked({"luminal": "drug[Dex]"}), "this is no contrast of the design"),
    "too short": (asked({"luminal": [0, 1]}), "a contrast has one number for each of the 6 columns"),
    "a question missing": ({"with_interaction": {"luminal": LUMINAL}, "by_group": GROUPS}, "says nothing about"),
    "one coding": ({"with_interaction": INTERACTION}, "says nothing about 'by_group'"),
}

# --- 3: reweighting for one gene --------------------------------------------------------------------------------------


def irls(y, x, s, phi, *, weight=None, working=None, mean=None, rounds=60, start=0.1):
    """Reweight, with one line or another changed."""
    beta = np.linalg.lstsq(x, np.log(y / s + start), rcond=None)[0]
    for _ in range(rounds):
        eta = x @ beta
        mu = (mean or (lambda eta: s * np.exp(eta)))(eta)
        w = weight(mu) if weight else mu / (1 + phi * mu)
        z = working(eta, mu) if working else eta + (y - mu) / mu
        beta = np.linalg.solve((x.T * w) @ x, (x.T * w) @ z)
    return beta, np.linalg.inv((x.T * w) @ x)


def irls_until_settled(y, x, s, phi):
    beta, old = np.zeros(x.shape[1]), np.inf
    beta[0] = np.log(np.mean(y / s))
    while np.max(np.abs(beta - old)) > 1e-8:
        mu, old = s * np.exp(x @ beta), beta
        root = np.sqrt(mu / (1 + phi * mu))
        z = np.log(mu / s) + (y - mu) / mu
        beta = np.linalg.lstsq(x * root[:, None], z * root, rcond=None)[0]
    return [beta.tolist(), np.linalg.inv((x * root[:, None]).T @ (x * root[:, None])).tolist()]


def irls_by_loops(y, x, s, phi):
    n, p = x.shape
    beta = np.linalg.lstsq(x, np.log((y + 1) / s), rcond=None)[0]
    for _ in range(80):
        left, right = np.zeros((p, p)), np.zeros(p)
        for i in range(n):
            mu = s[i] * np.exp(sum(x[i, j] * beta[j] for j in range(p)))
            w = mu / (1 + phi * mu)
            z = np.log(mu) - np.log(s[i]) + (y[i] - mu) / mu
            left, right = left + w * np.outer(x[i], x[i]), right + w * z * x[i]
        beta = np.linalg.solve(left, right)
    return pd.Series(beta), pd.DataFrame(np.linalg.inv(left))


def by_statsmodels(y, x, s, phi):
    family = sm.families.NegativeBinomial(alpha=phi)
    fit = sm.GLM(y, x, family=family, offset=np.log(s)).fit(tol=1e-12)
    return fit.params, fit.cov_params()


def by_an_optimiser(y, x, s, phi):
    def loss(beta):
        return -negative_binomial.log_likelihood(y, s * np.exp(x @ beta), phi).sum()

    def slope(beta):
        mu = s * np.exp(x @ beta)
        return -x.T @ ((y - mu) / (1 + phi * mu))

    beta = optimize.minimize(loss, irls(y, x, s, phi, rounds=1)[0], jac=slope, options={"gtol": 1e-8}).x
    mu = s * np.exp(x @ beta)
    return beta, np.linalg.inv((x.T * (mu / (1 + phi * mu))) @ x)


IRLS_RIGHT = {
    "normal equations": irls,
    "lstsq until settled, as lists": irls_until_settled,
    "loops, as tables": irls_by_loops,
    "statsmodels": by_statsmodels,
    "an optimiser": by_an_optimiser,
}


def changed(**changes):
    return lambda y, x, s, phi: irls(y, x, s, phi, **changes)


def with_covariance(change):
    """Keep the coefficients and change the covariance."""

    def function(y, x, s, phi):
        beta, covariance = irls(y, x, s, phi)
        return beta, change(covariance, y, x, s * np.exp(x @ beta), phi)

    return function


def logarithms_first(y, x, s, phi):
    beta = np.linalg.lstsq(x, np.log(y / s), rcond=None)[0]
    return irls(y, x, s, phi) if (y > 0).all() else (beta, np.eye(2))


def changes_counts(y, x, s, phi):
    y += 1
    return irls(y, x, s, phi)


IRLS_WRONG = {
    "size factors forgotten": (lambda y, x, s, phi: irls(y, x, np.ones(8), phi), "has no size factors in it"),
    "normalized counts": (lambda y, x, s, phi: irls(y / s, x, np.ones(8), phi), "as if each were as precise"),
    "offset left in": (
        lambda y, x, s, phi: irls(y, x, s, phi, working=lambda eta, mu: np.log(mu) + (y - mu) / mu),
        "ln s in its working response",
    ),
    "size factors squared": (lambda y, x, s, phi: irls(y, x, s**2, phi), "ln s in its working response"),
    "divided by s": (lambda y, x, s, phi: irls(y, x, 1 / s, phi), "divides by s where it should multiply"),
    "Poisson": (changed(weight=lambda mu: mu), "is the Poisson fit"),
    "no weights": (changed(weight=np.ones_like), "the same weight"),
    "variance as weight": (
        lambda y, x, s, phi: irls(y, x, s, phi, weight=lambda mu: mu + phi * mu**2),
        "the noisiest samples",
    ),
    "weights squared": (
        lambda y, x, s, phi: irls(y, x, s, phi, weight=lambda mu: (mu / (1 + phi * mu)) ** 2),
        "the squares of the weights",
    ),
    "roots of the weights": (
        lambda y, x, s, phi: irls(y, x, s, phi, weight=lambda mu: np.sqrt(mu / (1 + phi * mu))),
        "the root of the weights",
    ),
    "no working response": (changed(working=lambda eta, mu: eta), "has the loop changed anything"),
    "log2": (lambda y, x, s, phi: (irls(y, x, s, phi)[0] / np.log(2), np.eye(2)), "a log2 where a natural logarithm"),
    "one round": (changed(rounds=1), "Does a further round still move it"),
    "log of zero": (logarithms_first, "for a gene with zeros, your vector of coefficients is NaN"),
    "fitted means": (
        lambda y, x, s, phi: (s * np.exp(x @ irls(y, x, s, phi)[0]), np.eye(2)),
        "your vector of coefficients has shape (8,)",
    ),
    "coefficients alone": (lambda y, x, s, phi: [*irls(y, x, s, phi)[0], 0], "should hand back"),
    "not inverted": (with_covariance(lambda v, *_: np.linalg.inv(v)), "is x'Wx itself"),
    "roots": (with_covariance(lambda v, *_: np.sqrt(np.abs(v))), "holds square roots"),
    "diagonal alone": (with_covariance(lambda v, *_: np.diag(np.diag(v))), "vary together"),
    "standard errors": (with_covariance(lambda v, *_: np.sqrt(np.diag(v))), "your covariance has shape (3,)"),
    "Poisson covariance": (with_covariance(lambda v, y, x, mu, phi: np.linalg.inv((x.T * mu) @ x)), "the Poisson fit"),
    "no weights in it": (with_covariance(lambda v, y, x, mu, phi: np.linalg.inv(x.T @ x)), "has no weights in it"),
    "scaled by residuals": (
        with_covariance(
            lambda v, y, x, mu, phi: v * np.sum((y - mu) ** 2 / (mu + phi * mu**2)) / (len(y) - x.shape[1])
        ),
        "is scaled by the residuals",
    ),
    "log2 covariance": (with_covariance(lambda v, *_: v / np.log(2) ** 2), "is in log2"),
    "in place": (changes_counts, "changes its argument number 1 in place"),
}

# --- 4: aliasing ------------------------------------------------------------------------------------------------------

VERDICTS = {"A": "not this", "B": "everything", "C": "only this", "D": "not this", "E": "everything", "F": "only this"}


def estimable(x, c):
    return np.linalg.matrix_rank(np.vstack([x, c])) == np.linalg.matrix_rank(x)


def by_projection(x, c):
    return bool(np.allclose(np.linalg.pinv(x) @ x @ c, c))


def by_null_space(x, c):
    _, sizes, directions = np.linalg.svd(x)
    kept = np.sum(sizes > 1e-9 * sizes[0])
    return int(np.all(np.abs(directions[kept:] @ c) < 1e-8))


def by_least_squares(x, c):
    weights = np.linalg.lstsq(x.T, c, rcond=None)[0]
    return [np.abs(x.T @ weights - c).max() < 1e-9]


def by_the_package(x, c):
    return design.diagnose(x).estimable(c)


def aliasing(estimable=estimable, **verdicts):
    return {"estimable": estimable, "verdicts": {**VERDICTS, **verdicts}}


ALIASING_RIGHT = {
    "ranks": aliasing(),
    "projection": aliasing(by_projection),
    "null space, 0 or 1": aliasing(by_null_space),
    "least squares, in a list": aliasing(by_least_squares),
    "the package": aliasing(by_the_package),
    "capitals": aliasing(A=" Not this"),
}


def column_by_column(x, c):
    """Say no wherever the contrast touches a column that can be dropped without loss of rank."""
    rank = np.linalg.matrix_rank(x)
    tied = [np.linalg.matrix_rank(np.delete(x, j, axis=1)) == rank for j in range(x.shape[1])]
    return not np.any(np.array(tied) & (c != 0))


ALIASING_WRONG = {
    "rank alone": (aliasing(lambda x, c: np.linalg.matrix_rank(x) == x.shape[1]), "about the contrast"),
    "always": (aliasing(lambda x, c: True), "says yes to a contrast whose value can be changed"),
    "never": (aliasing(lambda x, c: False), "says no in a design without a tie"),
    "column by column": (aliasing(column_by_column), "as soon as a contrast touches a tied column"),
    "exact zeros": (aliasing(lambda x, c: np.all(np.linalg.pinv(x) @ x @ c == c)), "says no"),
    "columns for rows": (aliasing(lambda x, c: np.linalg.matrix_rank(np.column_stack([x, c])) == 3), "ValueError"),
    "inverse": (aliasing(lambda x, c: np.isfinite(np.linalg.inv(x.T @ x)).all()), ""),
    "enough samples assumed": (
        aliasing(lambda x, c: estimable(x, c) or len(x) < x.shape[1]),
        "fewer samples than columns",
    ),
    "many answers": (aliasing(lambda x, c: x @ c == 0), "True or False"),
    "no return": (aliasing(lambda x, c: None), "True or False"),
    "called": (aliasing(True), "without calling it"),
    "A answered": (aliasing(A="everything"), "design A: write the columns of the design side by side"),
    "A partly": (aliasing(A="only this"), "differ in condition and in nothing else"),
    "B lost": (aliasing(B="not this"), "One sample is enough to look at"),
    "B partly": (aliasing(B="only this"), "in all seven samples"),
    "C lost": (aliasing(C="not this"), "measured under both conditions"),
    "C answered": (aliasing(C="everything"), "side by side"),
    "D answered": (aliasing(D="everything"), "side by side"),
    "D partly": (aliasing(D="only this"), "Compare within a donor"),
    "E lost": (aliasing(E="not this"), "What about the rest"),
    "E partly": (aliasing(E="only this"), "in all six samples"),
    "F lost": (aliasing(F="not this"), "Which line is condition[treated] about"),
    "F answered": (aliasing(F="everything"), "without a single sample"),
    "no such verdict": (aliasing(F="estimable"), "there is no verdict 'estimable'"),
    "a design missing": ({"estimable": estimable, "verdicts": {"A": "not this"}}, "says nothing about 'B'"),
    "verdicts missing": ({"estimable": estimable}, "says nothing about 'verdicts'"),
}

# --- 5: lanes ---------------------------------------------------------------------------------------------------------


def columns(condition, lane):
    return np.column_stack(
        [np.ones(len(lane)), lane[:, None] == np.unique(lane)[1:], np.asarray(condition) == "treated"]
    ).astype(float)


def plan_variance(condition, lane):
    x = columns(condition, lane)
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return np.inf
    return np.linalg.inv(x.T @ x)[-1, -1]


def variance_by_the_package(condition, lane):
    obs = pd.DataFrame({"lane": np.asarray(lane).astype(str), "condition": condition})
    matrix = design.design_matrix(obs, "~ lane + condition")
    return design.diagnose(matrix).variance(("condition", "treated", "control"))


def variance_by_lanes(condition, lane):
    total = 0.0
    for one in set(lane.tolist()):
        t = sum((lane == one) & (condition == "treated"))
        c = sum((lane == one) & (condition == "control"))
        total += t * c / (t + c)
    return 1 / total if total else float("inf")


def variance_of_residuals(condition, lane):
    x = columns(condition, lane)
    left = x[:, -1] - x[:, :-1] @ np.linalg.lstsq(x[:, :-1], x[:, -1], rcond=None)[0]
    return np.inf if left @ left < 1e-9 else 1 / (left @ left)


def plan(condition, n_lanes):
    lane = np.empty(len(condition), dtype=int)
    lane[np.argsort(condition, kind="stable")] = np.arange(len(condition)) % n_lanes
    return lane


def plan_by_names(condition, n_lanes):
    dealt = {}
    for position, i in enumerate(sorted(range(len(condition)), key=lambda i: condition[i], reverse=True)):
        dealt[i] = f"lane {position % n_lanes + 1}"
    return [dealt[i] for i in range(len(condition))]


def plan_by_search(condition, n_lanes):
    """Swap the lanes of two samples while that lowers the variance."""
    lane = np.arange(len(condition)) % n_lanes
    best, better = plan_variance(condition, lane), True
    while better:
        better = False
        for i in range(len(lane)):
            for j in range(i):
                lane[[i, j]] = lane[[j, i]]
                variance = plan_variance(condition, lane)
                if variance < best - 1e-12:
                    best, better = variance, True
                else:
                    lane[[i, j]] = lane[[j, i]]
    return pd.Series(lane)


def lanes(plan_variance=plan_variance, plan=plan):
    return {"plan_variance": plan_variance, "plan": plan}


LANES_RIGHT = {
    "inverse, cards": lanes(),
    "package, names": lanes(variance_by_the_package, plan_by_names),
    "lane by lane, swaps": lanes(variance_by_lanes, plan_by_search),
    "residuals": lanes(variance_of_residuals),
}


def inverse_entry(x, entry=(-1, -1)):
    return np.linalg.pinv(x.T @ x)[entry]


LANES_WRONG = {
    "lanes forgotten": (
        lanes(lambda c, lane: 1 / np.sum(c == "treated") + 1 / np.sum(c == "control")),
        "does not depend on the lanes",
    ),
    "lane as a number": (
        lanes(lambda c, lane: inverse_entry(np.column_stack([np.ones(12), lane, c == "treated"]))),
        "takes the lane for a number",
    ),
    "standard error": (lanes(lambda c, lane: np.sqrt(plan_variance(c, lane))), "is a standard error"),
    "inflation": (
        lanes(lambda c, lane: plan_variance(c, lane) / (1 / np.sum(c == "treated") + 1 / np.sum(c == "control"))),
        "is the variance inflation",
    ),
    "another coefficient": (lanes(lambda c, lane: inverse_entry(columns(c, lane), (1, 1))), "of another coefficient"),
    "no intercept": (lanes(lambda c, lane: inverse_entry(columns(c, lane)[:, 1:])), "lacks an intercept"),
    "not inverted": (lanes(lambda c, lane: (columns(c, lane).T @ columns(c, lane))[-1, -1]), "before it was inverted"),
    "pseudo-inverse": (lanes(lambda c, lane: inverse_entry(columns(c, lane))), "every lane holds one condition only"),
    "NaN where confounded": (
        lanes(lambda c, lane: np.nan if np.isinf(plan_variance(c, lane)) else plan_variance(c, lane)),
        "every lane holds one condition only",
    ),
    "crash where confounded": (
        lanes(lambda c, lane: np.linalg.inv(columns(c, lane).T @ columns(c, lane))[-1, -1]),
        "for a plan in which every lane holds one condition only, your code raised LinAlgError: Singular matrix",
    ),
    "filled by condition": (
        lanes(plan=lambda c, n: np.argsort(np.argsort(c, kind="stable")) // (len(c) // n)),
        "no lane of your plan holds both conditions",
    ),
    "filled by condition, two lanes known": (
        lanes(plan=lambda c, n: plan(c, n) if n == 2 else np.argsort(np.argsort(c, kind="stable")) // (len(c) // n)),
        "6 control and 6 treated samples in 3 lanes: the contrast is estimable, but another plan",
    ),
    "filled as they come": (lanes(plan=lambda c, n: np.arange(len(c)) // (len(c) // n)), "control and"),
    "a lane for each condition": (
        lanes(plan=lambda c, n: (c == "treated").astype(int)),
        "no lane of your plan holds both conditions",
    ),
    "two lanes only": (lanes(plan=lambda c, n: plan(c, 2)), "your plan uses 2 lanes"),
    "at random": (
        lanes(plan=lambda c, n: np.random.default_rng(2).permutation(np.arange(len(c)) % 3 % n)),
        "All hold the same number",
    ),
    "conditions dealt apart": (
        lanes(plan=lambda c, n: pd.Series(c).groupby(c).cumcount().to_numpy() % n),
        "All hold the same number",
    ),
    "one swap away": (
        lanes(plan=lambda c, n: one_swap_away(c, n)),
        "another plan has a smaller variance",
    ),
    "lists of samples": (lanes(plan=lambda c, n: np.arange(len(c)).reshape(n, -1)), "one lane for each sample"),
    "one missing": ({"plan": plan}, "says nothing about 'plan_variance'"),
}


def one_swap_away(condition, n_lanes):
    lane = plan(condition, n_lanes)
    i = np.flatnonzero((lane == 0) & (condition == "treated"))[0]
    j = np.flatnonzero((lane == 1) & (condition == "control"))[0]
    lane[[i, j]] = lane[[j, i]]
    return lane


# --- 6: pairs ---------------------------------------------------------------------------------------------------------


def split(table):
    return (table["value"][table["condition"] == level].to_numpy() for level in ("control", "treated"))


def unpaired(table):
    control, treated = split(table)
    n1, n2 = len(control), len(treated)
    variance = (((control - control.mean()) ** 2).sum() + ((treated - treated.mean()) ** 2).sum()) / (n1 + n2 - 2)
    return treated.mean() - control.mean(), np.sqrt(variance * (1 / n1 + 1 / n2)), n1 + n2 - 2


def pairs_of(table):
    return table.pivot_table(index="donor", columns="condition", values="value").dropna()


def paired(table):
    pairs = pairs_of(table)
    d = pairs["treated"] - pairs["control"]
    return d.mean(), d.std() / np.sqrt(len(d)), len(d) - 1


def paired_by_dicts(table):
    values = {condition: {} for condition in ("control", "treated")}
    for row in table.itertuples():
        values[row.condition][row.donor] = row.value
    d = [
        values["treated"][donor] - values["control"][donor] for donor in values["treated"] if donor in values["control"]
    ]
    return [np.mean(d), stats.sem(d), len(d) - 1]


def by_regression(formula):
    """Ordinary least squares on a formula: donors with one sample take care of themselves."""

    def function(table):
        fit = sm.OLS(table["value"], design.design_matrix(table, formula)).fit()
        return fit.params["condition[treated]"], fit.bse["condition[treated]"], fit.df_resid

    return function


def by_scipy(table):
    control, treated = split(table)
    test = stats.ttest_ind(treated, control)
    difference = treated.mean() - control.mean()
    return np.array([difference, difference / test.statistic, test.df])


def comparisons(unpaired=unpaired, paired=paired):
    return {"unpaired": unpaired, "paired": paired}


PAIRED_RIGHT = {
    "by hand": comparisons(),
    "least squares": comparisons(by_regression("~ condition"), by_regression("~ donor + condition")),
    "scipy and dicts": comparisons(by_scipy, paired_by_dicts),
}


def replaced(function, **parts):
    """Replace parts of a result: difference, error or df, from the table."""

    def changed(table):
        difference, error, df = function(table)
        result = {"difference": difference, "error": error, "df": df}
        return tuple((result | {name: part(table, *result.values()) for name, part in parts.items()}).values())

    return changed


def by_row(table):
    control, treated = split(table)
    m = min(len(control), len(treated))
    d = treated[:m] - control[:m]
    return d.mean(), stats.sem(d), m - 1


def changed_pairs(function):
    """Say something else of the differences of the pairs for the standard error."""
    return comparisons(paired=replaced(paired, error=lambda t, *_: function(pairs_of(t).diff(axis=1)["treated"])))


def welch(table):
    control, treated = split(table)
    return stats.ttest_ind(treated, control, equal_var=False)


def common_spread(table, *_):
    control, treated = split(table)
    return table["value"].std() * np.sqrt(1 / len(control) + 1 / len(treated))


PAIRED_WRONG = {
    "by place": (comparisons(paired=by_row), "by their place in the table"),
    "control - treated": (comparisons(paired=replaced(paired, difference=lambda t, d, *_: -d)), "opposite sign"),
    "unpaired error": (comparisons(paired=replaced(paired, error=lambda t, *_: unpaired(t)[1])), "the unpaired one"),
    "ddof": (changed_pairs(lambda d: d.std(ddof=0) / np.sqrt(len(d))), "(ddof)"),
    "standard deviation": (changed_pairs(lambda d: d.std()), "not that of their mean"),
    "variance": (changed_pairs(lambda d: d.var() / len(d)), "is a variance"),
    "t": (changed_pairs(lambda d: d.mean() / stats.sem(d)), "is the t statistic"),
    "unpaired df": (comparisons(paired=replaced(paired, df=lambda t, *_: 14)), "those of the unpaired comparison"),
    "n": (comparisons(paired=replaced(paired, df=lambda t, d, e, df: df + 1)), "do not count the mean"),
    "a sum": (
        comparisons(paired=replaced(paired, difference=lambda t, d, e, df: d * (df + 1))),
        "is a sum over donors",
    ),
    "lonely donors kept": (
        comparisons(paired=replaced(paired, difference=lambda t, *_: unpaired(t)[0])),
        "where a donor has one sample only, `paired`: the difference takes in donors with one sample",
    ),
    "lonely donors not dropped": (
        comparisons(paired=replaced(paired, difference=lambda t, *_: np.mean(list(lonely(t))))),
        "where a donor has one sample only, `paired`: the difference is NaN",
    ),
    "lonely donors counted": (
        comparisons(paired=replaced(paired, error=lambda t, *_: lonely(t).std() / np.sqrt(len(lonely(t))))),
        "`paired`: the standard error divides by the root of the number of all donors",
    ),
    "lonely donors in the df": (
        comparisons(paired=replaced(paired, df=lambda t, *_: len(lonely(t)) - 1)),
        "`paired`: the degrees of freedom count donors that have one sample only",
    ),
    "lonely donors dropped too": (
        comparisons(replaced(unpaired, difference=lambda t, *_: paired(t)[0])),
        "where a donor has one sample only, `unpaired`: the difference leaves out samples",
    ),
    "Welch's df": (comparisons(replaced(unpaired, df=lambda t, *_: welch(t).df)), "are Welch's"),
    "Welch's error": (
        comparisons(replaced(unpaired, error=lambda t, d, *_: d / welch(t).statistic)),
        "`unpaired`: the standard error is Welch's",
    ),
    "one mean": (comparisons(replaced(unpaired, error=common_spread)), "about one common mean"),
    "unpaired ddof": (
        comparisons(replaced(unpaired, error=lambda t, d, e, df: e * np.sqrt(df / (df + 2)))),
        "two means were estimated",
    ),
    "paired error": (comparisons(replaced(unpaired, error=lambda t, *_: paired(t)[1])), "is the paired one"),
    "unpaired df of n": (comparisons(replaced(unpaired, df=lambda t, *_: len(t))), "do not count the two means"),
    "a p-value": (
        comparisons(lambda t: stats.ttest_ind(*split(t)).pvalue),
        "should hand back difference and standard_error and df",
    ),
    "one missing": ({"paired": paired}, "says nothing about 'unpaired'"),
}


def lonely(table):
    by_donor = table.pivot_table(index="donor", columns="condition", values="value")
    return by_donor["treated"] - by_donor["control"]


# --- 7: repair --------------------------------------------------------------------------------------------------------


def claim(obs, formula, question):
    full = design.design_matrix(obs, formula)
    report = design.diagnose(full)
    if not report.estimable(question):
        raise ValueError("not estimable")
    kept = full.drop(columns=[alias.column for alias in report.aliases])
    return kept, design.contrast(full, question)[full.columns.isin(kept.columns)]


def full_rank(obs, formula, question, check=True):
    """Give the design, its contrast, and its singular value decomposition."""
    full = design.design_matrix(obs, formula)
    c = design.contrast(full, question)
    u, d, v = np.linalg.svd(full.to_numpy(), full_matrices=False)
    kept = d > 1e-9 * d[0]
    if check and not np.allclose(v[kept].T @ (v[kept] @ c), c):
        raise ValueError("not estimable")
    return full, c, u[:, kept], d[kept], v[kept]


def claim_by_svd(obs, formula, question):
    _, c, u, d, v = full_rank(obs, formula, question)
    return u * d, v @ c


def claim_from_the_right(obs, formula, question):
    """Keep columns from the last to the first, and find the contrast by least squares."""
    full, c, *_ = full_rank(obs, formula, question)
    kept = []
    for name in full.columns[::-1]:
        if np.linalg.matrix_rank(full[[*kept, name]]) == len(kept) + 1:
            kept.append(name)
    weights = np.linalg.lstsq(full.T.to_numpy(), c, rcond=None)[0]
    return full[kept], dict(zip(kept, full[kept].T.to_numpy() @ weights, strict=True))


def claim_by_groups(obs, formula, question):
    """Give every distinct row a column of its own where that spans the same means, else go by the package."""
    full, c, *_ = full_rank(obs, formula, question)
    rows, group = np.unique(full.to_numpy(), axis=0, return_inverse=True)
    if len(rows) > np.linalg.matrix_rank(full):
        return claim(obs, formula, question)
    return np.eye(len(rows))[group.ravel()], np.linalg.lstsq(rows.T, c, rcond=None)[0]


REPAIR_RIGHT = {
    "aliases dropped": claim,
    "singular values": claim_by_svd,
    "from the right, a dict": claim_from_the_right,
    "a column for every group": claim_by_groups,
}


def never_refuses(obs, formula, question):
    full = design.design_matrix(obs, formula)
    kept = full.drop(columns=[alias.column for alias in design.diagnose(full).aliases])
    return kept, design.contrast(full, question)[full.columns.isin(kept.columns)]


def answers_with_none(obs, formula, question):
    try:
        return claim(obs, formula, question)
    except ValueError:
        return None


def refuses_ties(obs, formula, question):
    design.check_design(design.design_matrix(obs, formula))
    return claim(obs, formula, question)


def nothing_dropped(obs, formula, question):
    claim(obs, formula, question)
    full = design.design_matrix(obs, formula)
    return full, design.contrast(full, question)


def old_contrast(obs, formula, question):
    return claim(obs, formula, question)[0], design.contrast(design.design_matrix(obs, formula), question)


def cut_contrast(obs, formula, question):
    kept, _ = claim(obs, formula, question)
    return kept, design.contrast(design.design_matrix(obs, formula), question)[-kept.shape[1] :]


def last_column(obs, formula, question):
    kept, _ = claim(obs, formula, question)
    return kept, np.arange(kept.shape[1]) == kept.shape[1] - 1.0


def term_dropped(obs, formula, question):
    claim(obs, formula, question)
    return claim(obs, f"~ {formula.split('+')[-1]}", question)


def all_tied_dropped(obs, formula, question):
    claim(obs, formula, question)
    full = design.design_matrix(obs, formula)
    tied = {name for group in design.diagnose(full).alias_groups for name in group} - {"Intercept"}
    kept = full.drop(columns=list(tied))
    return kept, np.eye(kept.shape[1])[0]


def first_batch_dropped(obs, formula, question):
    kept, c = claim(obs, formula, question)
    return (kept.drop(columns=kept.columns[1]), np.delete(c, 1)) if kept.shape[1] > 2 else (kept, c)


def a_column_for_every_sample(obs, formula, question):
    claim(obs, formula, question)
    return np.eye(len(obs)), np.linalg.pinv(design.design_matrix(obs, formula).T.to_numpy()) @ design.contrast(
        design.design_matrix(obs, formula), question
    )


def stops_with_a_key_error(obs, formula, question):
    try:
        return claim(obs, formula, question)
    except ValueError:
        raise KeyError(question) from None


def with_sign_turned(obs, formula, question):
    kept, c = claim(obs, formula, question)
    return kept, -c


REPAIR_WRONG = {
    "never refuses": (never_refuses, "for a question without an answer your function does not refuse"),
    "None": (answers_with_none, "for a question without an answer your function does not refuse"),
    "another error": (stops_with_a_key_error, "ends in KeyError"),
    "refuses whatever is tied": (
        refuses_ties,
        "the question 'condition[treated] + batch[two]' has an answer, but your code raised InputError",
    ),
    "nothing dropped": (nothing_dropped, "a column that others add up to"),
    "contrast as it was": (old_contrast, "does not fit together: a contrast has one number"),
    "contrast cut short": (cut_contrast, "weights and columns no longer belong together"),
    "the last column": (last_column, "weights and columns no longer belong together"),
    "the term dropped": (term_dropped, "names 'batch[two]', which is no column"),
    "all of the tie dropped": (all_tied_dropped, "you dropped more than was tied"),
    "first batch dropped": (first_batch_dropped, "you dropped more than was tied"),
    "a column for every sample": (a_column_for_every_sample, "it is another model"),
    "sign turned": (with_sign_turned, "opposite sign"),
    "design alone": (lambda *args: claim(*args)[0], "should hand back"),
    "only words": (lambda *args: ("~ condition", "condition"), "no design with a row for each sample"),
    "unknown name": (lambda *args: (claim(*args)[0], "treatment"), "does not fit together"),
}

# --- the tests --------------------------------------------------------------------------------------------------------

BANK = {
    "ch03-read-coefficients": (READING_RIGHT, READING_WRONG),
    "ch03-subtype-contrast": (SUBTYPE_RIGHT, SUBTYPE_WRONG),
    "ch03-irls": (IRLS_RIGHT, IRLS_WRONG),
    "ch03-aliasing": (ALIASING_RIGHT, ALIASING_WRONG),
    "ch03-plan-lanes": (LANES_RIGHT, LANES_WRONG),
    "ch03-paired": (PAIRED_RIGHT, PAIRED_WRONG),
    "ch03-repair": (REPAIR_RIGHT, REPAIR_WRONG),
}


class TestBank(BankTests):
    chapter, solutions, bank = "ch03", SOLUTIONS, BANK


def notebook_space(*cells):
    """Run cells of the solution notebook and return their names."""
    space = {}
    for cell in answer_cells(SOLUTIONS):
        if cell.id in ("imports", *cells):
            exec(cell.source, space)
    return space


def test_the_coefficients_are_what_a_regression_finds():
    groups = notebook_space("given-1")["groups"]
    obs = groups.loc[groups.index.repeat(2)].reset_index(drop=True)
    for coding, right in ch03.CODINGS.items():
        stim = obs["stim"] if coding == "as_text" else pd.Categorical(obs["stim"], ["none", "ifn"])
        matrix = design.design_matrix(obs.assign(stim=stim), "~ cell * stim")
        fit = glm.fit(obs[["mean"]].to_numpy(), matrix, np.ones(8), 0.1)
        found = dict(zip(matrix, fit.coefficients[0] / np.log(2), strict=True))
        assert found == pytest.approx(right, abs=1e-4)  # the ridge pulls a little


def test_the_verdicts_are_true_of_the_notebooks_designs():
    space = notebook_space("given-4")
    for name, (formula, text) in space["six"].items():
        matrix = design.design_matrix(space["experiment"](text), formula)
        report = design.diagnose(matrix)
        asked = "only this" if report.estimable("condition[treated]") else "not this"
        assert ch03.DESIGNS[name] == (asked if report.aliases else "everything")


def test_every_wrong_verdict_has_a_sentence_that_names_no_verdict():
    wrong = {(name, verdict) for name in ch03.DESIGNS for verdict in ch03.VERDICTS if ch03.DESIGNS[name] != verdict}
    assert set(ch03_slips.VERDICTS) == wrong
    assert not [said for said in ch03_slips.VERDICTS.values() if any(verdict in said for verdict in ch03.VERDICTS)]
