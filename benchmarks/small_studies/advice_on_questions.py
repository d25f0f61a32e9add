"""What refusals and warnings say about formulas, designs, contrasts and settings: done to the call."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from scomics_lite.design import diagnose, group_mean
from small_studies.calls import obs_of, with_obs
from small_studies.draw import word
from small_studies.handles import (
    a_column,
    comparisons,
    design_of,
    evaluated,
    formula_from,
    more_samples,
    obs_in_order,
    only_samples,
    samples_of,
    samples_that_break_ties,
    terms_of,
    without_a_term,
)
from small_studies.judge import answer
from small_studies.rules import WARNINGS, advice

# --- formulas and designs ---------------------------------------------------------------------------------------------


@advice(r"the formula .* has no columns; '(~ 1)' is the smallest design")
def take_the_smallest_design(call, found):
    yield a_column(replace(call, design=found[1]))


@advice(r"the formula '(.*)' cannot be read: there are no random effects here. A batch of samples enters as a factor")
def enter_the_batch_as_a_factor(call, found):
    yield replace(call, design=re.sub(r"\(1\|(.*?)\)", r"\1", call.design))


@advice(r"the formula '(.*)' cannot be read: the dot, all other columns, is not known here: name the columns")
def name_the_columns(call, found):
    yield replace(call, design="~ " + " + ".join(word(str(name)) for name in obs_of(call).columns[:2]))


@advice(r"the formula '.*' must have a right-hand side only: '(~.*)'")
def keep_the_right_hand_side(call, found):
    yield replace(call, design="~" + call.design.split("~")[1])


@advice(r"the formula '.*' takes '(.*?)' for a function, and .*Rename the column: (obs\.rename\(columns=.*\))$")
@advice(r"the formula '.*' cannot be read: .*'(\w+)' is a word of Python's.*Rename the column: (obs\.rename\(.*\))$")
def rename_the_column(call, found):
    old, new = found[1], found[1] + "_"
    formula = re.sub(rf"(?<![\w.]){old}(?![\w(.])", new, call.design)
    contrast = call.contrast
    if isinstance(contrast, tuple) and contrast[0] == old:
        contrast = (new, *contrast[1:])
    obs = evaluated(call, found[2], obs=obs_of(call))
    renamed = replace(with_obs(call, obs), design=formula, contrast=contrast)
    yield renamed.but(reduced="~ 1") if isinstance(call.settings.get("reduced"), str) else renamed


@advice(r"the formula '.*' cannot be read: .*A name that is no plain word stands in backticks: (`.*?`),")
def write_backticks(call, found):
    formula = call.design.replace("`", "")
    yield replace(call, design=formula.replace(found[1].strip("`"), found[1]))


@advice(r"the formula '.*' cannot be read: ")
def write_the_formula_anew(call, found):
    yield replace(call, design=call.meant.design)


@advice(r".*This contrast is estimable all the same.*: (design_matrix\(obs, .*\)\.drop\(columns=\[.*\]\)) in place of")
def drop_the_columns_that_add_nothing(call, found):
    yield replace(call, design=evaluated(call, found[1]))
    yield from without_a_term(call)


@advice(r"the design has \d+ columns of rank .*Leave out what adds nothing, (design\.drop\(columns=\[.*\]\))")
def drop_columns(call, found):
    yield replace(call, design=evaluated(call, found[1], design=design_of(call)))


@advice(r"the design has \d+ coefficients but rank .*Leave a term out of the formula .*, or add samples that break")
@advice(r"\d+ coefficients for \d+ samples: .*Leave terms out of the formula")
@advice(r"\d+ samples for \d+ independent coefficients leave no residual.*Leave a term out .*, or add replicates")
def leave_a_term_out_or_add_samples(call, found):
    if isinstance(call.design, str):
        yield from without_a_term(call)
        yield samples_that_break_ties(call)
    elif getattr(call.design, "formula", None) and obs_of(call) is not None:
        yield from leave_a_term_out_or_add_samples(replace(call, design=call.design.formula), found)
    else:
        report = diagnose(design_of(call))
        lost = [alias.column for alias in report.aliases] or list(report.design.columns[-2:-1])
        yield replace(call, design=report.design.drop(columns=lost))
    yield more_samples(call, np.arange(2 * len(samples_of(call))) % len(samples_of(call)))


@advice(r"column '(.*)' of the design is (?:nan|inf|-inf) for sample (.*); every value must be a finite number")
def leave_out_what_is_not_finite(call, found):
    if isinstance(call.design, str):
        yield from (way for way in without_a_term(call) if found[1] not in way.design)
    else:
        yield only_samples(call, np.isfinite(design_of(call).to_numpy(float)).all(axis=1))
        yield replace(call, design=call.meant.design)


@advice(r"the names of the (design|size factors) are not those of the counts: .*Bring them into one order: \w+\.loc")
def bring_into_one_order(call, found):
    if found[1] == "design":
        yield replace(call, design=call.design.loc[samples_of(call)])
    else:
        yield call.but(size_factors=call.settings["size_factors"].loc[samples_of(call)])


@advice(r"the names of the (design|size factors) are not those of the counts: .*is not among them")
def call_the_rows_by_their_samples(call, found):
    names = samples_of(call)
    if found[1] == "design":
        yield replace(call, design=pd.DataFrame(call.design).set_axis(names))
    else:
        yield call.but(size_factors=call.settings["size_factors"].iloc[: len(names)].set_axis(names))


@advice(r"the design has two columns '(.*)'; rename one")
def rename_a_column_of_the_design(call, found):
    names = list(call.design.columns[:-1])
    yield replace(call, design=call.design.set_axis([*names, "another"], axis=1))


@advice(r"column '.*' of the design holds no numbers .*: scomics_lite\.design\.(design_matrix\(obs, '~ .*'\))$")
def make_a_design_of_the_column(call, found):
    obs = call.design if isinstance(call.design, pd.DataFrame) else obs_of(call)
    yield a_column(replace(call, design=evaluated(call, found[1], obs=obs)))


@advice(r"the design is empty|a design is a table of real numbers, samples x coefficients; got an array of shape")
def hand_over_a_table(call, found):
    yield replace(call, design=call.meant.design)


# --- contrasts --------------------------------------------------------------------------------------------------------


@advice(r"'(.*)' is a number in this design, without levels: the contrast '.*' is its slope; (C\(.*\)) in the formula")
def ask_for_the_slope_or_make_it_a_factor(call, found):
    yield replace(call, contrast=found[1])
    if isinstance(call.design, str):
        terms = [found[2] if term.strip("`") == found[1] else term for term in terms_of(call.design)]
        yield replace(call, design=formula_from(terms))


@advice(r"factor '.*' has no level '(.*?)'; (?:did you mean '(.*?)'\? )?Known: ")
def name_a_level(call, found):
    factor, *asked = call.contrast
    levels = [str(level) for level in design_of(call).factor(factor).cat.categories]
    others = [level for level in levels if level not in map(str, asked)]
    named = [(found[2] or others[0]) if str(level) == found[1] else level for level in asked]
    yield replace(call, contrast=(factor, *named))


@advice(r"the design has no factor '(.*)'; (?:did you mean '(.*?)'\? )?Known: ")
def name_a_factor(call, found):
    factors = list(design_of(call).factors)
    if factors:
        yield replace(call, contrast=(found[2] or factors[0], *call.contrast[1:]))
    yield a_column(call)


@advice(r"the design has no column '(.*)'; (?:did you mean '(.*?)'\? )?Known: .*for others name columns: ")
def name_a_column_in_place_of_levels(call, found):
    yield replace(call, contrast=found[2]) if found[2] else a_column(call)


@advice(r"the design has no column for level '(.*)' of '(.*)' alone; compare group means \(.*\) or name columns")
def compare_group_means(call, found):
    design, (factor, level, other) = design_of(call), call.contrast
    if getattr(design, "formula", None) and obs_of(call) is not None:
        name = next(name for name in obs_of(call) if str(name) in factor)
        means = [group_mean(design, obs_in_order(call), **{str(name): one}) for one in (level, other)]
        yield replace(call, contrast=means[0] - means[1])
    yield a_column(call)


@advice(r"the contrast '.*' names '(.*?)', which is no column; (?:did you mean '(.*?)'\? )?Known: ")
@advice(r"the design has no column '(.*)'; (?:did you mean '(.*?)'\? )?Known: ")
def name_a_column(call, found):
    if found[2] and isinstance(call.contrast, str):
        yield replace(call, contrast=call.contrast.replace(found[1], found[2]))
    if found[2] and isinstance(call.contrast, dict):
        named = {found[2] if name == found[1] else name: weight for name, weight in call.contrast.items()}
        yield replace(call, contrast=named)
    yield a_column(call)


@advice(r"the contrast '.*' is no sum of columns with numbers, such as '(.*)'$")
def write_a_sum(call, found):
    yield replace(call, contrast=found[1])


@advice(r"a contrast has one number for each of the (\d+) columns (.*); got shape")
@advice(r"the numbers of a contrast must be finite|the contrast .* compares nothing: all its numbers are zero")
def give_a_number_for_each_column(call, found):
    yield replace(call, contrast=np.eye(design_of(call).shape[1])[-1])


@advice(r"a named contrast is \(factor, level, level it is compared to\); got ")
def name_three(call, found):
    factors = design_of(call).factors if hasattr(design_of(call), "factors") else pd.DataFrame()
    if len(factors.columns):
        levels = factors.iloc[:, 0].cat.categories
        yield replace(call, contrast=(factors.columns[0], levels[1], levels[0]))
    yield a_column(call)


@advice(r"the contrast weighs '(.*)' with .*, which is no finite number")
def weigh_with_a_number(call, found):
    yield replace(call, contrast={found[1]: 1})


@advice(r"the prior is for one coefficient, .*of its factor( in a design with an intercept)? and fit again.*\.ash$")
def compare_with_the_reference_or_shrink_by_ash(call, found):
    if isinstance(call.contrast, tuple) and isinstance(call.design, str):
        factor, _, other = call.contrast
        name = next((name for name in obs_of(call) if str(name) == factor), None)
        if name is not None:
            texts = obs_of(call)[name].astype(str)
            levels = [str(other), *(level for level in pd.unique(texts) if level != str(other))]
            again = with_obs(call, obs_of(call).assign(**{name: pd.Categorical(texts, levels)}))
            if found[1]:
                again = replace(again, design=formula_from([term for term in terms_of(call.design) if term != "0"]))
            yield again
    yield call.but(shrink="ash", prior_scale=None)


@advice(r"coefficient '.*' is a level of expression, .*Fit a design with an intercept and choose another coefficient")
def fit_an_intercept(call, found):
    if isinstance(call.design, str):
        terms = [term for term in terms_of(call.design) if term != "0"]
        yield a_column(replace(call, design=formula_from(terms)))
        yield from comparisons(call)
    else:
        design = pd.DataFrame(design_of(call))
        others = design.drop(columns=design.columns[0]).assign(Intercept=1.0)
        yield replace(call, design=others, contrast=str(others.columns[0]))


# --- settings ---------------------------------------------------------------------------------------------------------


def _known_as(found):
    """Read the names out of did you mean 'wald' (or 'lrt')? Known: ..."""
    return re.findall(r"'(\w+)'", (found[1] or "").split("? Known")[0]) or [found[2].split(", ")[0]]


@advice(r"there is no method .*?; (did you mean .*\? )?Known: (.*)$")
def choose_a_method(call, found):
    yield from (call.but(method=name) for name in _known_as(found))


@advice(r"there is no shrinkage .*?; (did you mean .*\? )?Known: (.*)$")
def choose_a_shrinkage(call, found):
    yield from (call.but(shrink=name) for name in _known_as(found))


@advice(r"there is no alternative .*?; (did you mean .*\? )?Known: (.*)$")
def choose_an_alternative(call, found):
    yield from (call.but(alternative=name) for name in _known_as(found))


@advice(r"there is no trend .*?; (did you mean .*\? )?Known: (.*)$")
def choose_a_trend(call, found):
    yield from (call.but(trend=name) for name in _known_as(found))


@advice(r"(alpha) is a false discovery rate between 0 and 1; got|(lfc_threshold) is a size in log2, 0 or more; got")
@advice(r"(min_mean) is a number of counts, 0 or more; got|(prior_scale) is a size in log2, above 0, or None")
def give_a_number_in_range(call, found):
    yield call.but(**{found[1] or found[2]: 0.1})


@advice(r"(cooks|filter_genes|robust) is True or False; got")
def say_true_or_false(call, found):
    yield call.but(**{found[1]: found[1] != "robust"})


@advice(r"method='.*' looks for outlying counts in any case; robust=True goes with")
def leave_robust_out(call, found):
    yield call.but(robust=None)


@advice(r"(trend|min_mean|cooks)=.* goes with method='(wald)' or 'lrt'; '.*' has no such step")
def leave_out_a_setting_or_change_the_method(call, found):
    yield call.but(**{found[1]: None})
    yield call.but(method=found[2], robust=None)


@advice(r"method='lrt' compares with a smaller model: reduced='~ …'; method='(wald)' takes none")
def give_a_smaller_model_or_take_wald(call, found):
    yield call.but(method=found[1])
    yield call.but(reduced="~ 1")


@advice(r"method='.*' takes no smaller model; reduced='~ …' goes with method='(lrt)' or '(ql)'")
def take_a_method_for_smaller_models(call, found):
    yield from (call.but(method=name) for name in found.groups())


@advice(r"a comparison with a smaller model tests models, not sizes: lfc_threshold goes with method='(wald)', 'ql' or")
def test_sizes_without_a_smaller_model(call, found):
    yield call.but(method=found[1], reduced=None)


@advice(r"alternative 'less_abs' claims .* < lfc_threshold: give one above 0")
def give_a_threshold(call, found):
    yield call.but(lfc_threshold=0.5)


@advice(r"alternative=.* goes with method='(wald)'; '.*' asks either way")
def take_wald_for_an_alternative(call, found):
    yield call.but(method=found[1], robust=None)


@advice(r"shrunken changes and false sign rates are about changes either way: .* with alternative='(greater_abs)'")
def ask_either_way(call, found):
    yield call.but(alternative=found[1])


@advice(r"shrink='cauchy' needs the likelihood of the counts, .*: shrink='(ash)', or method='(wald)'")
def shrink_by_ash_or_take_wald(call, found):
    yield call.but(shrink=found[1], prior_scale=None)
    yield call.but(method=found[2], robust=None, reduced=None)


@advice(r"prior_scale is the scale of the Cauchy prior: it goes with shrink='(cauchy)'")
def shrink_by_cauchy(call, found):
    yield call.but(shrink=found[1])
    yield call.but(prior_scale=None)


@advice(r"reduced keeps column '(.*)', which the design has not; (?:did you mean '(.*?)'\? )?Known: ")
def keep_a_column(call, found):
    kept = [found[2] if name == found[1] else name for name in call.settings["reduced"]]
    kept = [name for name in kept if name is not None] or [str(design_of(call).columns[0])]
    yield call.but(reduced=kept)


@advice(r"reduced keeps no column; the smallest model has an intercept: reduced='(~ 1)'")
def keep_the_intercept(call, found):
    yield call.but(reduced=found[1])


@advice(r"reduced is a formula, or the names of the columns it keeps; got")
def give_a_formula(call, found):
    yield call.but(reduced="~ 1")


@advice(r"the reduced design \(.*\) is not part of the full one .*: a likelihood ratio compares nested designs")
@advice(r"both designs describe the same models: the reduced one must lack what is to be tested")
def keep_fewer_columns(call, found):
    names = [str(name) for name in design_of(call).columns]
    yield call.but(reduced="~ 1")
    yield call.but(reduced=names[:-1])


@advice(r"key_added=.* puts the table into the var of an AnnData, .*: (table\.add_prefix\(.*\)) gives columns")
def join_columns_by_hand(call, found):
    call = call.but(key_added=None)
    result = answer(call)
    if result.table is not None:
        assert evaluated(call, found[1], table=result.table).columns[0].startswith("found_")
    yield call


# --- warnings ---------------------------------------------------------------------------------------------------------


@advice(r"column '(.*)' holds \d+ whole numbers and .* write (C\(.*\)); if they are amounts, (I\(.*\))$", WARNINGS)
def say_labels_or_amounts(call, found):
    for written in found.groups()[1:]:
        yield _with_term(call, found[1], written)


@advice(r"column '(.*)' of the design has mean .* \(in a formula: (scale)\), or the ridge", WARNINGS)
@advice(r"levels of '.*' have slopes of their own over '(.*)', .*(center)\(.*\) in the formula", WARNINGS)
def centre_or_scale(call, found):
    if isinstance(call.design, str) and any(found[1] in str(name) for name in obs_of(call)):
        yield _with_term(call, found[1], f"{found[2]}({word(found[1])})")


def _with_term(call, name, written):
    """Write a column of a formula in another way, wherever it stands, and ask for it by that name."""
    if not isinstance(call.design, str):
        return call
    plain = rf"(?<![\w`(.]){re.escape(word(name))}(?![\w`(.])"
    changed = replace(call, design=re.sub(plain, written, call.design))
    if isinstance(call.settings.get("reduced"), str):
        changed = changed.but(reduced=re.sub(plain, written, call.settings["reduced"]))
    return changed
