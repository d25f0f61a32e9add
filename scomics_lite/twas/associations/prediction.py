"""Predicted expression: weighted sums of dosages, T_ig = Σ_l w_lg X_il, of all genes in one sparse product.

The model's SNPs are found among the dosages by rsid, varID or place, and their alleles compared: where the dosages
count the model's other allele, X becomes 2 − X.
"""

import os
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from scomics_lite.twas.associations.harmonisation import match_snps
from scomics_lite.twas.exchange.models import read_model
from scomics_lite.twas.genotypes.alleles import alignment, is_palindromic, is_strand_flip
from scomics_lite.twas.genotypes.dosages import read_dosages
from scomics_lite.validation import InputError, is_anndata, quoted, warn

NUMBERS = 8_000_000  # dosages held as floats at a time
FEW = 3  # examples in a message
PLACES = {"chromosome", "position"}
LITTLE = 0.1  # of the model's weights


class Found(NamedTuple):
    """What became of each row of the model's weights."""

    columns: np.ndarray  # (k,) of the dosages, -1 where not found
    signs: np.ndarray  # (k,) 1, -1 for the other allele, 0 where not used
    strand: np.ndarray  # (k,) read on the other strand
    palindromic: np.ndarray  # (k,) strands cannot be told apart; taken as written


def predict_expression(dosages, model, *, report=False):
    """Predict the expression of every gene of a model in every person.

    A missing dosage counts as the mean of its SNP among these people (MetaXcan's Predict counts a missing genotype of a
    VCF file as two reference alleles). A SNP that is not found, or has other alleles, adds nothing; a gene without any
    SNP is NaN for everybody, and a warning says so (in MetaXcan it is absent). SNPs on the other strand are read there
    (MetaXcan leaves them out); palindromic ones, A/T and C/G, are taken as they are written.

    Parameters
    ----------
    dosages : AnnData or DataFrame, shape (people, SNPs)
        Copies of the effect allele, 0 to 2, NaN where missing. An AnnData says which allele in ``var["ref_allele"]``
        and ``var["eff_allele"]``, and may name SNPs by place in ``var["chromosome"]`` and ``var["position"]``, or in
        ``var["varID"]``; of a table the alleles are taken as the model's.
    model : PredictionModel or path
        What `read_model` gives or reads.
    report : bool
        Whether to give a second table, of the SNPs of each gene.

    Returns
    -------
    expression : DataFrame, shape (people, genes)
        On the scale of the model, without its intercept.
    report : DataFrame
        Only with ``report=True``. A row for each gene: ``n_snps_in_model``, ``n_snps_used``; of those used
        ``n_flipped`` (2 − X), ``n_strand`` and ``n_palindromic``; ``n_other_alleles``, and ``missing``, the ids of SNPs
        that were not found or that nobody has a dosage of.

    Raises
    ------
    InputError
        If no SNP of the model is among the dosages, with ids of both sides.

    Warns
    -----
    UserWarning
        If genes have no SNP, or less than a tenth of the model's SNPs are used.

    Examples
    --------
    >>> from scomics_lite.twas.exchange.models import PredictionModel
    >>> weights = pd.DataFrame({"rsid": ["rs1", "rs2", "rs9"], "gene": "FTO", "weight": [0.5, -0.2, 1.0]})
    >>> model = PredictionModel(weights.assign(ref_allele="A", eff_allele="G"))
    >>> dosages = pd.DataFrame({"rs1": [0, 1, 2], "rs2": [1, 1, None]}, index=["ann", "bo", "cy"])
    >>> expression, report = predict_expression(dosages, model, report=True)
    >>> expression["FTO"].tolist()
    [-0.2, 0.3, 0.8]
    >>> report[["gene", "n_snps_in_model", "n_snps_used", "missing"]]
      gene  n_snps_in_model  n_snps_used missing
    0  FTO                3            2     rs9
    """
    model = read_model(model) if isinstance(model, str | os.PathLike) else model
    panel, weights = read_dosages(dosages), model.weights
    found = _find(weights, panel, dosages.var if is_anndata(dosages) else None)
    found, means = _with_means(found, panel.values)
    genes = pd.factorize(weights["gene"])[0]
    used = np.bincount(genes, found.signs != 0, len(model.genes)) > 0
    _warn_of_lost(found, model.genes[~used], weights, panel.snps)
    values = _sums(panel.values, found, means, weights["weight"].to_numpy(), genes, len(used))
    values[:, ~used] = np.nan
    expression = pd.DataFrame(values, panel.people, pd.Index(model.genes.to_numpy()))
    return (expression, _report(found, weights)) if report else expression


def _find(weights, panel, known):
    """Find each row of the weights among the dosages, with its alleles."""
    match = _best_match(weights, panel.snps, known)
    if not len(match.snps):
        tried = ", ".join(f"{key} {percent:.2g}%" for key, percent in match.found.items())
        raise InputError(
            f"none of the model's {weights['rsid'].nunique():,} SNPs is among the {len(panel.snps):,} of the dosages "
            f"({tried}). The model calls them {_some(weights['rsid'])}; the dosages call theirs {_some(panel.snps)}. "
            f"{_way_out(known)}"
        )
    sign, strand, palindromic = _compare(weights.iloc[match.snps], panel.alleles, match.rows)
    order = np.lexsort([sign == 0, match.snps])  # of several candidates for a SNP one whose alleles fit
    first = order[np.r_[True, np.diff(match.snps[order]) > 0]]
    found = Found(np.full(len(weights), -1), *(np.zeros(len(weights), kind) for kind in (np.int8, bool, bool)))
    for whole, part in zip(found, (match.rows, sign, strand, palindromic), strict=True):
        whole[match.snps[first]] = part[first]
    if not found.signs.any():
        raise InputError(
            f"the {len(first):,} SNPs of the model that the dosages have, by {match.key}, have other alleles: "
            f"{_alleles(weights.iloc[match.snps[0]])} there is {_alleles(panel.alleles.iloc[match.rows[0]])} here. Are "
            "both of the same build of the genome?"
        )
    return found


def _way_out(known):
    """Say what to do about names that do not meet."""
    if known is not None and set(known) >= PLACES:
        return (
            "They have chromosome and position: are these of the model's build of the genome, and has the model a "
            "column varID with places, such as chr1_1000_A_G_b38?"
        )
    return (
        "Give the dosages' var the columns chromosome and position, or name SNPs as the model does: "
        "dosages.var_names = …"
    )


def _best_match(weights, snps, known):
    """Match by what the dosages' SNPs are called; if less than all are found so, by their other names and places."""
    names = [snps]
    if known is not None and "varID" in known:
        names.append(pd.Index(known["varID"].astype(str)))
    matches = [match_snps(weights, some) for some in names]
    best = max(matches, key=lambda match: match.found[match.key])
    if best.found[best.key] < 50 and known is not None and set(known) >= PLACES:
        places = known["chromosome"].astype(str) + ":" + known["position"].astype(str)
        match = match_snps(weights, pd.Index(places))
        best = match if match.found[match.key] > best.found[best.key] else best
    return best


def _compare(weights, alleles, columns):
    """Compare alleles of the model with those of the dosages; without any, the dosages' are the model's."""
    letters = [weights[name].array for name in ("ref_allele", "eff_allele")]
    palindromic = is_palindromic(*letters)
    if alleles is None:
        return np.ones(len(columns), np.int8), np.zeros(len(columns), bool), palindromic
    letters += [alleles[name].array.take(columns) for name in ("ref_allele", "eff_allele")]
    return alignment(*letters), is_strand_flip(*letters), palindromic


def _alleles(row):
    return f"{row['ref_allele']}/{row['eff_allele']}"


def _some(names):
    distinct = list(dict.fromkeys(names))
    return ", ".join(quoted(name) for name in distinct[:FEW]) + (" …" if len(distinct) > FEW else "")


def _warn_of_lost(found, genes, weights, snps):
    share = np.count_nonzero(found.signs) / len(weights)
    if len(genes):
        lost = weights.loc[weights["gene"].isin(genes), "rsid"]
        warn(
            f"{len(genes):,} of {weights['gene'].nunique():,} genes have no SNP among the dosages and are NaN: "
            f"{_some(genes)}. Their SNPs are {_some(lost)}; the dosages have {_some(snps)}"
        )
    elif share < LITTLE:
        warn(
            f"only {share:.1%} of the model's weights are used; it calls SNPs {_some(weights['rsid'])}, the dosages "
            f"call theirs {_some(snps)}. Were SNPs filtered? report=True gives those that are missing"
        )


def _with_means(found, values):
    """Give every row of the weights the mean of its SNP's dosages; a SNP that nobody has a dosage of is not found."""
    used = found.signs != 0
    columns, places = np.unique(found.columns[used], return_inverse=True)
    total, known = np.zeros(len(columns)), np.zeros(len(columns))
    for rows in _some_people(len(values), len(columns)):
        x = values[rows, columns].astype(float)
        missing = np.isnan(x)
        total += np.where(missing, 0, x).sum(axis=0)
        known += (~missing).sum(axis=0)
    means = np.full(len(used), np.nan)
    means[used] = (total / np.where(known > 0, known, np.nan))[places]
    lost = np.isnan(means)
    return found._replace(columns=np.where(used & lost, -1, found.columns), signs=np.where(lost, 0, found.signs)), means


def _some_people(n, columns):
    """Cut the people so that a bounded number of dosages is held as floats."""
    size = max(1, NUMBERS // max(columns, 1))
    return [slice(first, first + size) for first in range(0, n, size)]


def _sums(values, found, means, weights, genes, n_genes):
    """Multiply dosages and weights: Σ w X where the same allele is counted, Σ w (2 − X) where the other one is."""
    used = np.flatnonzero(found.signs)
    columns, first, places = np.unique(found.columns[used], return_index=True, return_inverse=True)
    means, shape = means[used][first], (n_genes, len(columns))
    signed = sparse.csr_array((weights[used] * found.signs[used], (genes[used], places)), shape=shape)
    other = found.signs < 0
    twice = np.bincount(genes[other], 2 * weights[other], n_genes)
    expression = np.empty((len(values), n_genes))
    for people in _some_people(len(values), len(columns)):
        x = values[people, columns].astype(float)
        rows, missing = np.nonzero(np.isnan(x))
        x[rows, missing] = means[missing]
        expression[people] = (signed @ x.T).T + twice
    return expression


def _report(found, weights):
    """Count SNPs gene by gene."""
    used = found.signs != 0
    lost = (found.columns < 0) & ~used
    flags = {
        "n_snps_in_model": np.ones(len(weights), bool),
        "n_snps_used": used,
        "n_flipped": found.signs < 0,
        "n_strand": found.strand & used,
        "n_palindromic": found.palindromic & used,
        "n_other_alleles": ~used & ~lost,
    }
    counts = pd.DataFrame(flags, index=weights.index).groupby(weights["gene"], sort=False).sum()
    missing = weights["rsid"][lost].groupby(weights["gene"][lost], sort=False).agg(",".join)
    counts["missing"] = missing.reindex(counts.index, fill_value="")
    return counts.reset_index()
