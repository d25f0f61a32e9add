"""Follow advice: do what a message says, then what the next one says, until there is a table."""

import warnings
from dataclasses import dataclass

from small_studies import advice_on_data, advice_on_questions
from small_studies.handles import summed
from small_studies.judge import answer
from small_studies.rules import WARNINGS, rule_of

MOST_REFUSALS = 12  # in a row, each for another reason
REGISTERED = advice_on_data, advice_on_questions  # on import


@dataclass(frozen=True)
class Trail:
    """What came of following: the rules and messages that were met, and why it led nowhere, if it did."""

    met: tuple  # of pairs
    failure: str = ""


def follow(call, message, seen=()):
    """Do what a refusal says, and so on. Of several ways out one has to lead to a table."""
    rule = rule_of(message)
    if rule is None:
        return Trail((("no rule", message),), f"no rule for: {message}")
    met = ((rule.name, message),)
    if message in seen or len(seen) > MOST_REFUSALS:
        return Trail(met, f"refused again: {message}")
    try:
        ways = _ways(rule, call, message)
    except Exception as error:  # whatever it is: the message cannot be followed as it stands
        return Trail(met, f"{type(error).__name__}: {error} (following: {message})")
    failures = []
    for way in ways:
        result = answer(way)
        if result.faults:
            return Trail(met, f"{result.faults[0]} (after: {message})")
        further = Trail(()) if result.table is not None else follow(way, result.refusal, (*seen, message))
        if not further.failure:
            return Trail(met + further.met)
        failures.append(further.failure)
    return Trail(met, f"{'; or '.join(failures) or 'no way out'} (after: {message})")


def heed(call, message):
    """Do what a warning says: there must be a table then, and no such warning. None for warnings without advice."""
    rule = rule_of(message, WARNINGS)
    if rule is None:
        return None
    met, failure = ((rule.name, message),), ""
    for way in _ways(rule, call, message):
        result = answer(way)
        if result.refusal:
            failure = failure or follow(way, result.refusal).failure
        elif result.faults or message in result.warned:
            failure = f"{result.faults or 'warned again'} (after: {message})"
    return Trail(met, failure)


def _ways(rule, call, message):
    """List the calls that a message leads to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(rule.ways(summed(call), rule.pattern.match(message)))
