"""3,000 random small studies, judged, and what refusals say done: ``python benchmarks/random_studies.py``.

Study number k is drawn with the seed k: 2 to 12 samples in 2 to 4 groups, 3 to 300 genes, 20 to 1e7 counts a sample,
designs, names, types, containers and settings of all kinds. It is asked in its plain form, an AnnData and a formula,
and in another one, and the two tables must be the same. In every third study somebody slips, too: counts are
transposed, a name is misspelt, a setting is that of another method. In every third the design has a mean for each
group in place of an intercept, where the question allows it, and changes must agree to a hundredth of their errors.

- Nothing but an InputError may be raised, no warnings but the package's own be given, nothing that was handed over be
  changed.
- Rows must be consistent: numbers are there or not as the status says, p-values and rates lie between 0 and 1, padj is
  that of Benjamini and Hochberg, statistics have the sign of what they claim, means are those of the counts, and so on.
- What a refusal says is done to the very call that it refused, and so on until there is a table. Where it names several
  ways out, one of them has to lead there. Of each kind of warning with an advice, the first 20 are heeded too.

Printed are how the calls ended, the refusals by what was done about them, and every failure with its study.
"""

import argparse
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
from small_studies import calls, draw, follow, judge, rules
from small_studies.slips import SLIPS

STUDIES = 3_000
EVERY = 3  # so often somebody slips
TRIES = 30  # to find one a form for it
HEEDED = 20  # warnings of each kind
KINDS, ENDS = ("plain", "other form", "recoded", "slip"), ("table", "refused", "failed")
COMPARED = {"other form": judge.differences, "recoded": judge.differences_in_errors}


@dataclass
class Report:
    """How studies came out."""

    ends: Counter = field(default_factory=Counter)  # of calls
    statuses: Counter = field(default_factory=Counter)  # of genes
    advice: Counter = field(default_factory=Counter)  # by rule
    examples: dict = field(default_factory=dict)  # by rule
    failures: list = field(default_factory=list)

    def add(self, number, kind, answer):
        """Count one call."""
        end = "failed" if answer.faults else "table" if answer.table is not None else "refused"
        self.ends[kind, end] += 1
        self.failures += [f"study {number}, {kind}: {fault}" for fault in answer.faults]
        if answer.table is not None:
            self.statuses.update(answer.table["status"])

    def followed(self, number, trail):
        """Count what was done about a message, and about those that came after it."""
        for rule, message in trail.met:
            self.advice[rule] += 1
            self.examples.setdefault(rule, f"study {number}: {message}")
        if trail.failure:
            self.failures.append(f"study {number}, advice that led nowhere: {trail.failure}")


def examine(number, report):
    """Draw a study, ask it, judge what it answers, and follow what it says."""
    asked = forms(number)
    answers = {kind: judge.answer(call) for kind, call in asked.items()}
    for kind, answer in answers.items():
        report.add(number, kind, answer)
        if answer.refusal:
            report.followed(number, follow.follow(asked[kind], answer.refusal))
        for message in answer.warned if answer.table is not None else ():
            _heed(number, asked[kind], message, report)
    for kind, differences in COMPARED.items():
        pair = [answers[name] for name in ("plain", kind) if name in answers and answers[name].table is not None]
        if len(pair) == 2:
            report.failures += [f"study {number}, {kind}: {text}" for text in differences(*pair)]


def forms(number):
    """Give the calls of a study, by kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study, rng = draw.draw(number), np.random.default_rng([number, 1])
        plain, other = (calls.call_of(study, rng, plain=plain) for plain in (True, False))
        slipped = _slipped(study, SLIPS[number // EVERY % len(SLIPS)], rng) if number % EVERY == 0 else None
        recoded = calls.recoded(study, plain) if number % EVERY == 1 else None
    asked = {"plain": plain, "other form": other, "recoded": recoded, "slip": slipped}
    return {kind: call for kind, call in asked.items() if call is not None}


def _slipped(study, slip, rng):
    """Put a study into forms until one gives an occasion for a slip; None where none does."""
    for _ in range(TRIES):
        call = calls.call_of(study, rng)
        slipped = slip(call, rng)
        if slipped is not None:
            return replace(slipped, meant=call)
    return None


def _heed(number, call, message, report):
    rule = rules.rule_of(message, rules.WARNINGS)
    if rule is not None and report.advice[rule.name] < HEEDED:
        report.followed(number, follow.heed(call, message))


# --- tables -----------------------------------------------------------------------------------------------------------


def show(report):
    print("\n| calls |", " | ".join(ENDS), "|\n|---|---|---|---|")
    for kind in KINDS:
        print(f"| {kind} |", " | ".join(f"{report.ends[kind, end]:,}" for end in ENDS), "|")
    print("\nGenes:", ", ".join(f"{number:,} {status}" for status, number in report.statuses.most_common()))
    print("\n| what messages said to do, and was done | times | for example |\n|---|---|---|")
    for rule, times in report.advice.most_common():
        print(f"| {rule} | {times:,} | {report.examples[rule][:100]} |")
    known = dict.fromkeys(rule.name for rule in (*rules.REFUSALS, *rules.WARNINGS))
    print(f"\nAdvice that nobody was given: {', '.join(known.keys() - report.advice) or 'none'}")
    print("\n".join([f"\nFailures: {len(report.failures)}", *report.failures]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=STUDIES, help="how many")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    arguments = parser.parse_args()
    report, start = Report(), time.perf_counter()
    for number in range(arguments.first, arguments.first + arguments.studies):
        examine(number, report)
    print(f"{arguments.studies:,} studies, {time.perf_counter() - start:,.0f} s")
    show(report)


if __name__ == "__main__":
    main()
