"""Does a method keep its promises? Simulated studies in which the truth is known, and what was claimed beside it.

Chapters 4 and 5. A p-value, an adjusted p-value, a local false sign rate and an interval are claims about how often
something is wrong:

    p-value     of the genes that do not differ, a share t has p < t                            `pvalues`, `uniformity`
    padj        of the genes with padj < q, at most a share q does not differ                    `false_discoveries`
    lfsr        of the genes with an lfsr near l, a share l has the wrong sign, or no effect     `sign_errors`
    s-value     of the genes with svalue < q, at most a share q has                              `false_signs`
    interval    of the intervals at the level c, a share c holds the truth                       `coverage`

and two questions have no promise for an answer: how much a test finds (`power`), and whether a test of one thing calls
genes in which another one changed (`confusion`).

No real data set can show whether they hold. `study` simulates one set after the other, lets methods analyse it and
keeps the claims next to the truth, one row for every method, set and gene; the functions above count. All of it is a
DataFrame, so that a question of one's own is a line of pandas: ``results[results["baseMean"] > 10]`` has the genes with
enough counts. Settings that vary from study to study become a column, by which `pvalues`, `power` and `coverage` count
apart:

    pd.concat([study(simulate_with(sd), analyse, rng=1).assign(donor_sd=sd) for sd in (0, 0.2, 0.5)])

For counts like one's own, simulate with ``parameters=simulate.estimate_parameters(adata)`` and as many samples as there
are.

Sets, not genes, are what is repeated: the genes of one set share their dispersion trend, their prior and their bad
luck. So every standard error here is one over sets.

Read `studies` first: `study`, and what it keeps. `rates` counts calls, right and wrong ones; `estimates` signs and
intervals; `counting` holds what both need: shares, and their errors over sets.
"""

from scomics_lite.calibration.estimates import coverage, false_signs, sign_errors
from scomics_lite.calibration.rates import confusion, false_discoveries, power, pvalues, uniformity
from scomics_lite.calibration.studies import study

__all__ = [
    "confusion",
    "coverage",
    "false_discoveries",
    "false_signs",
    "power",
    "pvalues",
    "sign_errors",
    "study",
    "uniformity",
]
