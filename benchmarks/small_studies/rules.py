"""What is done about a message: patterns, and functions that do what messages like these say."""

import re
from collections.abc import Callable
from dataclasses import dataclass

REFUSALS, WARNINGS = [], []


@dataclass(frozen=True)
class Rule:
    """A kind of message and its ways out: ``ways(call, match)`` yields a call for each that the message names."""

    name: str
    pattern: re.Pattern
    ways: Callable


def advice(pattern, rules=REFUSALS):
    """Register a function for the messages that begin with a pattern."""

    def register(function):
        rules.append(Rule(function.__name__.replace("_", " "), re.compile(pattern, re.DOTALL), function))
        return function

    return register


def rule_of(message, rules=REFUSALS):
    """Find the rule of a message, or None."""
    return next((rule for rule in rules if rule.pattern.match(message)), None)
