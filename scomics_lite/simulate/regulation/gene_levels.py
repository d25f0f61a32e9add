"""How much genes are expressed on average: what the sequence says, and what it does not."""

import numpy as np

from scomics_lite.simulate.regulation.reference_genomes import standardised

SHARED = 0.8  # of the variance that neither sequence nor programs explain, what is the same in all cell types


def draw_gene_levels(shape, programs, sd, confounding, generator):
    """Draw what distinguishes genes beyond the DNA near their starts, (g, cell types), of variance sd².

    A share `confounding` of the variance follows the sum of the gene's programs u, which the sequence gives away
    without acting through it; the rest is nobody's.
    """
    n_genes, n_cell_types = shape
    shared, own = generator.normal(size=(n_genes, 1)), generator.normal(size=(n_genes, n_cell_types))
    rest = standardised(np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own)
    common = standardised(programs.sum(axis=1))[:, None]
    part = np.sqrt(confounding) * common + np.sqrt(1 - confounding) * rest
    return sd * standardised(part)
