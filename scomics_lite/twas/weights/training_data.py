"""What a model is trained on: dosages and expression of the same people, cut to what each gene needs."""

import numpy as np
from scipy import sparse

from scomics_lite.twas.genotypes.dosages import read_dosages
from scomics_lite.twas.genotypes.people import columns_of, same_people
from scomics_lite.twas.weights.finished_genes import digest
from scomics_lite.twas.weights.gene_windows import ALLELES, PLACE, check_panel, gene_places
from scomics_lite.validation import InputError, quoted, warn

FEW = 3  # examples in a message


class TrainingData:
    """Dosages and expression of the same people, and the places of the genes.

    Parameters
    ----------
    dosages : AnnData, people × SNPs
    expression : DataFrame or AnnData, people × genes
    genes : DataFrame
        Places, by gene.
    around : {"gene", "tss"}

    Attributes
    ----------
    genes : list
        Those that have a place and an expression, in the order of `genes`.
    panel : AnnData
        Dosages as they came.
    rows : ndarray of int
        Its people who have expression too.
    snps, places, annotation : DataFrame
        Of all SNPs; of the genes that have a place; `genes` as it came.
    """

    def __init__(self, dosages, expression, genes, around):
        check_panel(dosages)
        self.dosages, self.people, snps, _ = read_dosages(dosages)
        self.matrix, people, self.columns = columns_of(expression, "expression")
        self.rows, self.other = same_people(self.people, people, "dosages", "expression")
        self.whole = len(self.rows) == len(self.people)
        self.panel, self.snps = dosages, dosages.var.set_axis(snps)
        self.places, self.annotation = gene_places(genes, around), genes
        self.genes = [gene for gene in self.places.index if gene in self.columns]
        self._check()

    def _check(self):
        placed, measured = self.annotation.index, self.columns
        if not placed.isin(measured).any():
            raise InputError(
                f"no gene is in both: genes has {_some(placed)}, expression {_some(measured)}. Have both the same kind "
                "of id, with or without version? index.str.split('.').str[0] takes it off"
            )
        lost = [gene for gene in placed if gene not in self.places.index]
        if not self.genes:
            raise InputError(
                f"none of the genes has a place, such as {_some(lost)}; fill it in: "
                "genes.loc[name, ['chromosome', 'start', 'end']] = …"
            )
        if lost:
            warn(f"{len(lost):,} of {len(placed):,} genes have no position: {_some(lost)}")

    def fingerprint(self):
        """Give digests of all that results depend on."""
        return {
            "dosages": digest(self.dosages, self.snps.index, self.snps[[*PLACE, *ALLELES]].astype(str)),
            "people": digest(self.people[self.rows]),
            "expression": digest(self._expression(self.genes)),
            "genes": digest(self.places.loc[self.genes].astype(str)),
        }

    def task(self, gene, windows, seed):
        """Give what `fit_gene` takes: the gene's part of the numbers, and no more."""
        columns = windows.near(*self.places.loc[gene])
        some = self.dosages[:, columns] if self.whole else self.dosages[np.ix_(self.rows, columns)]
        return gene, some, self._expression([gene])[:, 0], [seed, *str(gene).encode()]

    def _expression(self, genes):
        columns = self.matrix[:, self.columns.get_indexer(genes)]
        columns = columns.toarray() if sparse.issparse(columns) else columns
        return np.asarray(columns, dtype=float)[self.other]

    @property
    def people_trained_on(self):
        """The panel without people who have no expression."""
        return self.panel if self.whole else self.panel[self.rows]


def _some(names):
    return ", ".join(quoted(name) for name in list(names)[:FEW]) + (" …" if len(names) > FEW else "")
