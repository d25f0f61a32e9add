"""A few of the random studies of benchmarks/random_studies.py, and whether what judges them sees what is wrong."""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import random_studies
from small_studies import calls, draw, follow, judge, rules, slips

from scomics_lite import differential


def plain_call(number=21, **settings):
    """An AnnData, a formula, and settings of our own."""
    study = replace(draw.draw(number), settings=settings)
    return calls.call_of(study, np.random.default_rng(1), plain=True)


@pytest.mark.parametrize("number", range(3_004, 3_016))  # beyond those of the script
def test_no_raw_exception_no_contradiction_no_advice_that_leads_nowhere(number):
    report = random_studies.Report()
    random_studies.examine(number, report)
    assert not report.failures
    assert sum(report.ends.values()) >= 2


# --- what the judge sees ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shrunken():
    call = plain_call(shrink="ash")
    return call, judge.answer(call).table


def changed(table, column, value):
    """Change a number of the gene with the smallest p-value of those that were tested."""
    table = table.copy()
    row = table["pvalue"].where(table["status"] == "tested").argmin()
    table.iloc[row, table.columns.get_loc(column)] = value
    return table


@pytest.mark.parametrize(
    ("spoil", "seen"),
    [
        (lambda t: changed(t, "pvalue", 1.5), "p between 0 and 1"),
        (lambda t: changed(t, "pvalue", np.nan), "pvalue is NaN"),
        (lambda t: changed(t, "padj", np.nan), "padj is NaN"),
        (lambda t: changed(t, "padj", 0.0), "padj between p and 1"),
        (lambda t: changed(t, "padj", 0.99), "benjamini"),
        (lambda t: changed(t, "lfcSE", -1.0), "lfcSE not negative"),
        (lambda t: changed(t, "stat", np.inf), "no infinite number"),
        (lambda t: t.assign(stat=-t["stat"]), "sign of the change"),
        (lambda t: changed(t, "status", "all zero"), "against the status"),
        (lambda t: changed(t, "status", "fine"), "known status"),
        (lambda t: changed(t, "baseMean", 7e9), "baseMean is not the mean"),
        (lambda t: t.iloc[::-1], "genes in order"),
        (lambda t: t.drop(columns="lfcSE"), "columns"),
        (lambda t: changed(t, "shrunken", 99.0), "not larger"),
        (lambda t: changed(t, "svalue", 1.01), "rates between 0 and 1"),
        (lambda t: changed(t, "shrunken", np.nan), "something to shrink"),
    ],
)
def test_contradictions_are_seen(shrunken, spoil, seen):
    call, table = shrunken
    assert judge.inconsistencies(call, table) == []
    assert any(seen in fault for fault in judge.inconsistencies(call, spoil(table)))


def test_attributes_that_no_file_keeps_are_seen(shrunken):
    call, table = shrunken
    for attrs in ({"design": object()}, {"alpha": np.nan}, {"method": "ql"}):
        spoilt = table.copy()
        spoilt.attrs = table.attrs | attrs
        assert any("attrs" in fault for fault in judge.inconsistencies(call, spoilt))


def test_two_answers_to_one_question_are_seen(shrunken):
    call, table = shrunken
    one, same = (judge.Answer(call, frame) for frame in (table, table.copy()))
    assert judge.differences(one, same) == judge.differences_in_errors(one, same) == []
    for column, value in (("log2FoldChange", 3.0), ("log2FoldChange", 0.0), ("svalue", 0.9), ("status", "outlier")):
        other = judge.Answer(call, changed(table, column, value))
        assert f"another {column} in 1 of" in judge.differences(one, other)[0]
    assert judge.differences(one, judge.Answer(call, table.iloc[:-1])) != []
    slightly = judge.Answer(call, table.assign(pvalue=table["pvalue"] * 0.9 + 0.02))
    assert judge.differences_in_errors(one, slightly) != []


def test_raw_exceptions_and_warnings_of_libraries_are_seen(monkeypatch):
    def fail(*arguments, **settings):
        warnings.warn("overflow", RuntimeWarning, stacklevel=1)
        raise IndexError("out of bounds")

    monkeypatch.setattr(differential, "test", fail)
    faults = judge.answer(plain_call()).faults
    assert faults[0].startswith("raw IndexError: out of bounds")
    assert "RuntimeWarning" in faults[1]


def test_changes_to_what_was_handed_over_are_seen(monkeypatch):
    honest = differential.test

    def careless(adata, *arguments, **settings):
        table = honest(adata, *arguments, **settings)
        adata.X[0, 0] += 1
        return table

    monkeypatch.setattr(differential, "test", careless)
    assert "what was handed over has changed" in judge.answer(plain_call()).faults


# --- following --------------------------------------------------------------------------------------------------------


def test_messages_without_a_rule_and_advice_without_effect_are_failures(monkeypatch):
    call = plain_call()
    assert follow.follow(call, "this will not do").failure == "no rule for: this will not do"
    misspelt = call.but(method="wlad")
    refusal = judge.answer(misspelt).refusal
    assert follow.follow(misspelt, refusal).failure == ""
    rule = rules.rule_of(refusal)
    useless = replace(rule, ways=lambda call, found: [call])
    monkeypatch.setattr(rules, "REFUSALS", [useless])
    monkeypatch.setattr(follow, "rule_of", lambda message, rules=None: useless)
    assert follow.follow(misspelt, refusal).failure.startswith("refused again")


def test_every_rule_is_about_one_kind_of_message():
    patterns = [rule.pattern.pattern for rule in (*rules.REFUSALS, *rules.WARNINGS)]
    assert len(patterns) == len(set(patterns))


def test_slips_change_the_call_that_they_are_made_in():
    call = calls.call_of(draw.draw(21), np.random.default_rng(1), plain=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = [slip(call, np.random.default_rng(2)) for slip in slips.SLIPS]
    made = [other for other in made if other is not None]
    assert len(made) > 80
    assert all(isinstance(other, calls.Call) and other is not call for other in made)
    assert isinstance(call.counts.to_df(), pd.DataFrame)
