"""One SNP at a time: the marginal effects of a gene's eQTLs, or the GWAS of a trait.

What prediction weights are not: each SNP's effect here is its own and that of every SNP it is in LD with, so the
effects of correlated SNPs cannot be added up to predict anything.
"""

import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite.blocks import map_blocks
from scomics_lite.multiple_testing import adjust
from scomics_lite.twas.associations.column_regressions import basis_of, linear
from scomics_lite.twas.genotypes.dosages import read_dosages
from scomics_lite.twas.genotypes.people import complete_people
from scomics_lite.validation import is_anndata

OF_SNPS = {"chromosome": "chromosome", "position": "position", "eff_allele": "effect_allele",
           "ref_allele": "non_effect_allele"}  # fmt: skip


def marginal_eqtls(dosages, expression, covariates=None):
    """Regress a gene's expression, or a trait, on each SNP by itself.

    y = a + x_l β_l + C γ + e by least squares, exactly: what covariates and intercept explain is taken out of both
    sides first (Frisch and Waugh 1933), which gives the β, se and degrees of freedom n − 2 − k of the whole regression.

    Parameters
    ----------
    dosages : AnnData or DataFrame, shape (people, SNPs)
        Copies of the effect allele; NaN leaves that person out for that SNP.
    expression : Series or array_like, shape (people,)
        Of one gene, or a phenotype. NaN leaves the person out. People are matched by name where both have names.
    covariates : DataFrame or array_like, shape (people, k), optional

    Returns
    -------
    DataFrame
        SNPs in their order, with the columns that `read_gwas` gives, so that it can be given to `s_predixcan`: ``snp``,
        where known ``chromosome, position, effect_allele, non_effect_allele``, then ``frequency`` (of the effect
        allele, among the people used), ``beta, se, zscore`` (β/se), ``pvalue`` (of the t distribution), ``padj``
        (Benjamini and Hochberg over these SNPs) and ``n``. NaN where a SNP has one genotype only, or is a combination
        of the covariates.

    Raises
    ------
    InputError
        If tables do not fit together, or too few people are complete.

    Examples
    --------
    >>> dosages = pd.DataFrame({"rs1": [0, 1, 2, 1, 0], "rs2": [1, 1, 1, 1, 1]})
    >>> marginal_eqtls(dosages, [0.1, 0.9, 2.2, 1.1, -0.1]).round(3)
       snp  frequency   beta     se  zscore  pvalue   padj  n
    0  rs1        0.4  1.086  0.078  13.876   0.001  0.001  5
    1  rs2        0.5    NaN    NaN     NaN     NaN    NaN  5
    """
    values, people, snps, _ = read_dosages(dosages)
    rows, y, z = complete_people(people, expression, covariates, ("dosages", "expression"))
    values = values if len(rows) == len(people) else values[rows]
    basis = basis_of(z, len(y))
    blocks = list(map_blocks(lambda x: _of_block(x, y, basis), values, np.arange(len(snps)), p=basis.shape[1]))
    frequency, beta, se, df, n = (np.concatenate(parts) for parts in zip(*(part for _, part in blocks), strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        zscore = beta / se
    pvalue = 2 * stats.t.sf(np.abs(zscore), np.maximum(df, 1))
    known = dosages.var if is_anndata(dosages) else pd.DataFrame(index=snps)
    table = {"snp": snps} | {new: known[old].to_numpy() for old, new in OF_SNPS.items() if old in known}
    tests = {"frequency": frequency, "beta": beta, "se": se, "zscore": zscore, "pvalue": pvalue}
    return pd.DataFrame(table | tests | {"padj": adjust(pvalue), "n": n})


def _of_block(x, y, basis):
    beta, se, df, n = linear(x, y, basis)
    copies = np.where(np.isnan(x), 0, x).sum(axis=0)
    return copies / np.where(n > 0, 2 * n, np.nan), beta, se, df, n
