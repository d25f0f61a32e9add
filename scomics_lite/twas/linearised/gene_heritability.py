"""How much of the differences between people in a gene's expression the SNPs near it explain together."""

import numpy as np
import pandas as pd
from tqdm import tqdm

from scomics_lite.progress import no_bar
from scomics_lite.twas.genotypes.people import columns_of, same_people
from scomics_lite.twas.linearised.restricted_likelihood import estimate, restricted_likelihood
from scomics_lite.twas.weights.gene_windows import Windows
from scomics_lite.twas.weights.gram_matrices import Columns
from scomics_lite.twas.weights.training_data import TrainingData
from scomics_lite.validation import InputError, is_anndata, once, quoted

SPARE = 10  # people beyond the covariates: the fewest that we take for a likelihood
NUMBERS = ["h2", "se", "lower", "upper", "pvalue"]
FLAT = 1e-12  # of the largest value of a gene: rounding


def cis_heritability(dosages, expression, genes, *, window=1e6, around="tss", covariates=None, progress=True):
    """Estimate the share of a gene's variance between people that the SNPs near it explain (cis-heritability).

    The SNPs of the window have effects of their own, drawn from one normal distribution, each in standard deviations of
    its SNP: y = Cβ + g + e, and g has the covariance σ² h2 K with K = Z Zᵀ / m of the m standardised SNPs (Yang et al.
    2011). h2 is where the restricted likelihood (REML) is largest; see `restricted_likelihood`. No single effect is
    estimated, so that h2 is what a prediction from these SNPs could reach at best: the ceiling of a model's R².

    h2 is not let below 0, as GCTA's default has it. So of genes without heritability half are 0 and the others above,
    and a mean over them is above 0.

    Parameters
    ----------
    dosages : AnnData, people × SNPs
        As `read_vcf` and `read_plink` give it. A missing dosage counts as the mean of its SNP. Rare SNPs weigh as much
        as common ones, and `filter_snps` says which are.
    expression : DataFrame or AnnData, people × genes
        People are matched by name. Of an AnnData with layers, one a cell type, all are done.
    genes : DataFrame
        Indexed by gene: ``chromosome`` and ``tss``, or ``start`` and ``end``.
    window : float
        Bases on both sides whose SNPs are used.
    around : {"tss", "gene"}
        Where they are counted from.
    covariates : DataFrame, people × covariates, optional
        Whose parts in expression are fitted together with the SNPs'. A constant is always among them.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    DataFrame
        A row for each gene, and each cell type where there are layers (``cell_type``): ``gene``, ``h2``, ``se`` (NaN
        where h2 is 0 or 1: read the interval), ``lower`` and ``upper`` (95%, profile likelihood), ``pvalue`` of h2 = 0
        (likelihood ratio, an equal mixture of χ² with 0 and 1 degrees of freedom), ``n_snps`` (that vary), and
        ``status``: "estimated", "no SNP in window", "constant expression", "expression missing in … people".

    Raises
    ------
    InputError
        If tables do not fit together, there are too few people, or a covariate is missing.

    Examples
    --------
    >>> import anndata
    >>> rng = np.random.default_rng(1)
    >>> snps = pd.DataFrame({"chromosome": "1", "position": np.arange(20) * 1000, "ref_allele": "A", "eff_allele": "G"})
    >>> dosages = anndata.AnnData(rng.binomial(2, 0.4, (200, 20)), var=snps.set_index("rs" + snps.index.astype(str)))
    >>> expression = pd.DataFrame({"FTO": dosages.X[:, 3] + rng.normal(size=200)}, dosages.obs_names)
    >>> genes = pd.DataFrame({"chromosome": ["1"], "tss": [4000]}, index=["FTO"])
    >>> cis_heritability(dosages, expression, genes, window=1e5, progress=False).round(2)
      gene    h2    se  lower  upper  pvalue  n_snps     status
    0  FTO  0.26  0.08   0.13   0.45     0.0      20  estimated
    """
    layers = is_anndata(expression) and len(expression.layers) > 0
    tables = {name: expression.to_df(name) for name in expression.layers} if layers else {"": expression}
    with once():
        data = {name: TrainingData(dosages, table, genes, around) for name, table in tables.items()}
    first = next(iter(data.values()))
    rows, fixed = _covariates(covariates, first.people[first.rows])
    windows, found = Windows(dosages.var, window), []
    for gene in tqdm(first.genes, "genes", disable=no_bar(progress)):
        each = [one.task(gene, windows, 0) for one in data.values()]
        traits = np.column_stack([task[2] for task in each])[rows]
        found.append(_gene(gene, list(data), each[0][1][rows], traits, fixed))
    table = pd.concat(found, ignore_index=True)
    return table if layers else table.drop(columns="cell_type")


def _covariates(covariates, people):
    """Give the rows of people who have covariates, and these with a column of ones."""
    fixed = np.ones((len(people), 1))
    rows = np.arange(len(people))
    if covariates is not None:
        matrix, others, names = columns_of(covariates, "covariates")
        rows, places = same_people(people, others, "expression", "covariates")
        matrix = np.asarray(matrix, dtype=float)[places]
        lost = np.argwhere(np.isnan(matrix))
        if len(lost):
            person, column = lost[0]
            who = quoted(people[rows[person]])
            raise InputError(
                f"covariate {quoted(names[column])} is missing for {who} ({len(lost):,} such values); leave them "
                "out: covariates.dropna()"
            )
        fixed = np.column_stack([fixed[rows], matrix])
    if len(rows) < fixed.shape[1] + SPARE:
        raise InputError(
            f"{len(rows)} people have dosages, expression and covariates; with {fixed.shape[1] - 1} covariates "
            f"{fixed.shape[1] + SPARE} are needed, and for an interval of any use some hundred"
        )
    return rows, fixed


def _gene(gene, cell_types, dosages, traits, fixed):
    """Give a gene's rows of the table, one a cell type."""
    columns = Columns(dosages) if dosages.shape[1] else None
    n_snps = 0 if columns is None else int(columns.varying.sum())
    table = pd.DataFrame({"cell_type": cell_types, "gene": gene}).reindex(columns=["cell_type", "gene", *NUMBERS])
    table = table.astype(dict.fromkeys(NUMBERS, float)).assign(n_snps=n_snps)
    table["status"] = [_why_not(n_snps, y, fixed) for y in traits.T]
    able = (table["status"] == "estimated").to_numpy()
    if able.any():
        result = estimate(restricted_likelihood(columns.z[:, columns.varying], traits[:, able], fixed))
        table.loc[able, NUMBERS] = np.column_stack([getattr(result, name) for name in NUMBERS])
    return table


def _why_not(n_snps, y, fixed):
    missing = int(np.isnan(y).sum())
    if missing:
        return f"expression missing in {missing:,} people"
    if not n_snps:
        return "no SNP in window"
    left = y - fixed @ np.linalg.lstsq(fixed, y, rcond=None)[0]
    return "constant expression" if np.ptp(left) <= FLAT * np.abs(y).max() else "estimated"
