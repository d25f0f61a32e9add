"""Shrunken fold changes and false sign rates beside a table of tests, about the same genes and the same question."""

from dataclasses import replace

import numpy as np
import pandas as pd

from scomics_lite import glm
from scomics_lite.empirical_bayes import ash
from scomics_lite.multiple_testing import average_rate

COLUMNS = ["shrunken", "shrunkenSE", "lfsr", "svalue"]


def by_ash(table, lfc_threshold):
    """Shrink fold changes by their standard errors: normal ones, or t where the variances' degrees of freedom count.

    Parameters
    ----------
    table : DataFrame
        Of tests, with ``status``. Outliers are not claimed to be anything, and teach the others nothing.
    lfc_threshold : float
        In log2: above 0 the rates are about changes that are not larger, or have the other sign.

    Returns
    -------
    DataFrame
        `COLUMNS`, indexed by gene.
    """
    effects, errors = table["log2FoldChange"].to_numpy(), table["lfcSE"].to_numpy()
    known = np.isfinite(effects) & (errors > 0) & (table["status"] != "outlier").to_numpy()
    df = table.loc[known, "df"].to_numpy() if "df" in table else None
    result = ash(effects[known], errors[known], df=df)
    rates = result.lfsr if lfc_threshold == 0 else result.false_sign_or_small(lfc_threshold)
    shrunken = pd.DataFrame(np.nan, index=table.index, columns=COLUMNS)
    svalue = average_rate(rates)
    shrunken.loc[known] = np.column_stack([result.posterior_mean, result.posterior_sd, rates, svalue])
    return shrunken


def by_likelihood(fit, contrast, table, lfc_threshold, prior_scale, map):
    """Shrink one coefficient by its likelihood and a Cauchy prior.

    Parameters
    ----------
    fit : GlmFit
    contrast
        One coefficient, as for `scomics_lite.glm.cauchy_shrinkage`.
    table : DataFrame
        Of tests, with ``status``.
    lfc_threshold : float
    prior_scale : float or None
    map : callable

    Returns
    -------
    DataFrame
        `COLUMNS`, indexed by gene.
    """
    outlier = (table["status"] == "outlier").to_numpy()
    fit = replace(fit, status=np.where(outlier, "outlier", fit.status))  # outliers teach the prior nothing
    settings = {"prior_scale": prior_scale, "lfc_threshold": lfc_threshold, "map": map}
    found = glm.cauchy_shrinkage(fit, contrast, **settings)[["log2FoldChange", "lfcSE", "lfsr", "svalue"]]
    return found.set_axis(COLUMNS, axis=1).where(table["lfcSE"] > 0)
