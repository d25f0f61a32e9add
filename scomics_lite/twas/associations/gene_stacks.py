"""The SNPs of many genes side by side: covariances found for a model, and genes of equal size stacked.

Genes have few SNPs and there are thousands of genes. `Panel` finds each covariance's two SNPs in the model, for all
genes at once; `stacks` then puts genes with equally many usable SNPs together, as vectors (b, n) and matrices
(b, n, n), so that a formula for one gene is one line for all of them. Stacks are made one after the other and have a
bounded size.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scomics_lite.twas.associations.harmonisation import match_snps

STACK = 1_000_000  # numbers in the matrices of a stack


@dataclass(frozen=True, eq=False)
class Stack:
    """Genes with equally many usable SNPs."""

    genes: np.ndarray  # (b,) places among the model's genes
    rows: np.ndarray  # (b, n) places of their SNPs among the model's weights
    columns: tuple  # of (b, n): whatever numbers there are for each SNP
    covariances: np.ndarray  # (b, n, n), NaN where a pair is not known

    @property
    def nbytes(self):
        """What a stack weighs, for those who send it to another process."""
        return self.covariances.nbytes


class Panel:
    """The covariances of a model's SNPs, found gene by gene.

    Parameters
    ----------
    model : PredictionModel
        With g genes and k weights.
    covariance : Covariances

    Attributes
    ----------
    genes : ndarray of int, shape (k,)
        The gene of each weight.
    has_gene : ndarray of bool, shape (g,)
        Which genes have covariances.
    variances : ndarray, shape (k,)
        The diagonal; NaN where it is not known.
    sizes : ndarray of int, shape (g,)
        How many SNPs of each gene have a variance, those that the model does not use included.

    Examples
    --------
    >>> from scomics_lite.twas.exchange.covariance_files import Covariances
    >>> from scomics_lite.twas.exchange.models import PredictionModel
    >>> weights = pd.DataFrame({"rsid": ["rs1", "rs2", "rs1"], "gene": ["g1", "g1", "g2"], "weight": 0.1})
    >>> model = PredictionModel(weights.assign(ref_allele="A", eff_allele="G"))
    >>> matrix = pd.DataFrame([[0.3, 0.1], [0.1, 0.4]], ["rs2", "rs1"], ["rs2", "rs1"])
    >>> panel = Panel(model, Covariances.from_matrices({"g1": matrix}))
    >>> panel.variances, panel.has_gene
    (array([0.4, 0.3, nan]), array([ True, False]))
    >>> panel.pairs([0])
    (array([1, 1, 0]), array([1, 0, 0]), array([0.3, 0.1, 0.4]))
    """

    def __init__(self, model, covariance):
        self.covariance, self._values = covariance, np.asarray(covariance.values)
        self.genes = np.repeat(np.arange(len(model.genes)), np.diff(model.starts))
        self._of_gene = pd.Index(covariance.genes).get_indexer(model.genes)
        self.has_gene = self._of_gene >= 0
        self._rows = self._find(model.weights)
        self.variances, sizes = self._diagonal()
        self.sizes = np.append(sizes, 0)[self._of_gene]  # place -1 is the 0

    def pairs(self, genes):
        """Give all pairs of SNPs of some genes: places i and j of their weights (-1: not in the model), and Σ_ij."""
        c, at, values = self.covariance, self._of_gene[genes], self._values
        entries = _ranges(c.row_starts[at], c.row_starts[at + 1])
        begin = np.repeat(c.snp_starts[at], c.row_starts[at + 1] - c.row_starts[at])
        return self._rows[begin + c.first[entries]], self._rows[begin + c.second[entries]], values[entries]

    def _find(self, weights):
        """Places of the covariances' SNPs among the weights; -1 for those that the gene does not have."""
        names = self.covariance.snp_names
        match = match_snps(weights, names)
        gene = self._of_gene[self.genes[match.snps]]
        here = pd.Series(match.snps, gene * np.int64(len(names)) + match.rows)[gene >= 0]
        sizes = np.diff(self.covariance.snp_starts)
        there = np.repeat(np.arange(len(sizes)), sizes) * np.int64(len(names)) + self.covariance.snp_codes
        return here[~here.index.duplicated()].reindex(there, fill_value=-1).to_numpy()

    def _diagonal(self):
        """Variances by weight, and how many there are in each of the covariances' genes."""
        c = self.covariance
        diagonal = np.flatnonzero((c.first == c.second) & ~np.isnan(self._values))
        gene = np.searchsorted(c.row_starts, diagonal, side="right") - 1
        rows = self._rows[c.snp_starts[gene] + c.first[diagonal]]
        variances = np.full(len(self.genes), np.nan)
        variances[rows[rows >= 0]] = self._values[diagonal[rows >= 0]]
        return variances, np.bincount(gene, minlength=len(c.genes))


def stacks(panel, used, columns):
    """Put genes with equally many usable SNPs together.

    Parameters
    ----------
    panel : Panel
    used : ndarray of bool, shape (k,)
        Which SNPs are usable; each has a variance in the panel.
    columns : sequence of ndarray, shape (k,)
        Numbers of the SNPs, such as weights and z-scores.

    Yields
    ------
    Stack
        All genes with one usable SNP, then those with two, and so on. Genes without any are in no stack.

    Examples
    --------
    >>> from scomics_lite.twas.exchange.covariance_files import Covariances
    >>> from scomics_lite.twas.exchange.models import PredictionModel
    >>> weights = pd.DataFrame({"rsid": ["rs1", "rs2", "rs1"], "gene": ["g1", "g1", "g2"], "weight": [0.1, 0.2, 0.3]})
    >>> model = PredictionModel(weights.assign(ref_allele="A", eff_allele="G"))
    >>> matrix = pd.DataFrame([[0.3, 0.1], [0.1, 0.4]], ["rs1", "rs2"], ["rs1", "rs2"])
    >>> panel = Panel(model, Covariances.from_matrices({"g1": matrix, "g2": matrix}))
    >>> for stack in stacks(panel, np.ones(3, dtype=bool), [weights["weight"].to_numpy()]):
    ...     print(stack.genes, stack.columns[0], stack.covariances.tolist())
    [1] [[0.3]] [[[0.3]]]
    [0] [[0.1 0.2]] [[[0.3, 0.1], [0.1, 0.4]]]
    """
    sizes = np.bincount(panel.genes[used], minlength=len(panel.sizes))
    begin = np.cumsum(sizes) - sizes
    places = np.flatnonzero(used)
    slots = np.full(len(used), -1)
    slots[places] = np.arange(len(places)) - begin[panel.genes[places]]  # the SNP's place among those of its gene
    for n in np.unique(sizes[sizes > 0]):
        genes = np.flatnonzero(sizes == n)
        for part in np.array_split(genes, -(-len(genes) * int(n) ** 2 // STACK)):
            rows = places[begin[part][:, None] + np.arange(n)]
            yield Stack(part, rows, tuple(column[rows] for column in columns), _matrices(panel, part, n, slots))


def _matrices(panel, genes, n, slots):
    """Stack the covariances of genes with n SNPs each, (b, n, n)."""
    i, j, values = panel.pairs(genes)
    inside = (i >= 0) & (j >= 0) & (slots[i] >= 0) & (slots[j] >= 0)
    i, j, values = i[inside], j[inside], values[inside]
    stack = np.full((len(genes), n, n), np.nan)
    gene = np.searchsorted(genes, panel.genes[i])
    stack[gene, slots[i], slots[j]] = stack[gene, slots[j], slots[i]] = values
    return stack


def _ranges(starts, ends):
    """All numbers of several ranges, one range after the other."""
    lengths = ends - starts
    return np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
