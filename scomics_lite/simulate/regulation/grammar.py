"""The rules by which the DNA around a gene's start tells how much the gene is expressed, for each cell type."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scomics_lite.simulate.regulation.reference_genomes import REGION
from scomics_lite.validation import InputError

BIN = 128
READ = REGION + 64  # sites at the edges of the region are read to their ends
N_ACTIVE, N_PAIRS = 40, 8
PRESENT = 0.7  # probability that a factor is there in a cell type
SYNERGY = 0.15  # of the variance that the sequence explains, what pairs do together


@dataclass(frozen=True, eq=False)
class Grammar:
    """What a sequence x does to the logarithm of expression in cell type c.

        level_c(x) = scale_c (Σ_k a_kc φ_k(x) + Σ_(k,l) b_klc φ_k(x) φ_l(x) - mean_c),  φ_k = 1 - exp(-n_k(x))

    n_k(x) is the expected number of sites of motif k in the region, of either strand, each place counted by its
    occupancy, as `scomics_lite.dna.MotifFeatures` does: φ_k is the probability that at least one protein is bound if
    these are Poisson, and so grows less and less.

    Attributes
    ----------
    scanner : scomics_lite.dna.MotifFeatures
        Looks for the motifs.
    effects : DataFrame, shape (motifs, cell types)
        a: activators have positive ones, repressors negative ones, idle motifs 0.
    pairs : DataFrame
        ``motif``, ``partner`` and one column of b for each cell type.
    mean, scale : Series, shape (cell types,)
        They make levels of the reference genome's genes centred, and give them the variance asked for.
    """

    scanner: object
    effects: pd.DataFrame
    pairs: pd.DataFrame
    mean: pd.Series
    scale: pd.Series

    @property
    def length(self):
        """Number of letters that are read."""
        return READ

    def bound(self, sequences):
        """Probability φ that a motif is bound, (n, motifs).

        Parameters
        ----------
        sequences : sequence of str
            Each of `length` letters, the start of transcription in the middle (letter length // 2, counted from 0).
        """
        return bound(self.scanner, sequences)

    def levels(self, sequences):
        """Natural logarithm of expression that sequences lead to, less the mean of the genes, (n, cell types).

        Parameters
        ----------
        sequences : sequence of str
            As for `bound`.
        """
        return (self.raw(self.bound(sequences)) - self.mean.to_numpy()) * self.scale.to_numpy()

    def raw(self, phi):
        """Add up effects of motifs and pairs, (n, cell types), before they are centred and scaled."""
        motif, partner = (self.effects.index.get_indexer(self.pairs[column]) for column in ("motif", "partner"))
        together = phi[:, motif] * phi[:, partner]
        return phi @ self.effects.to_numpy() + together @ self.pairs[self.effects.columns].to_numpy()


def bound(scanner, sequences):
    """Probability φ that a motif is bound, (n, motifs)."""
    wrong = next((one for one in sequences if len(one) != READ), None)
    if wrong is not None:
        raise InputError(
            f"a sequence has {len(wrong):,} letters and the grammar reads {READ:,}: ask dna.reference_sequences or "
            f"dna.haplotype_sequences for length={READ}"
        )
    return 1 - np.exp(-scanner.features(list(sequences)).astype(float) * (REGION // BIN))


def draw_grammar(motifs, sequences, cell_types, sd, generator):
    """Draw effects that explain a variance of sd² among the genes whose `sequences` are given.

    Effects are drawn for one standard deviation of φ in these genes: no motif matters more for being frequent.
    """
    from scomics_lite import dna  # here, not above: torch takes two seconds to import

    scanner = dna.MotifFeatures(motifs, length=READ, bin_width=BIN, bins=REGION // BIN)
    phi = bound(scanner, sequences)
    n_motifs, cell_types = len(motifs), list(cell_types)
    active = np.sort(generator.choice(n_motifs, N_ACTIVE, replace=False))
    effects = np.zeros((n_motifs, len(cell_types)))
    effects[active] = _draw_effects(N_ACTIVE, len(cell_types), generator) / phi[:, active].std(axis=0)[:, None]
    effects = pd.DataFrame(effects, pd.Index(motifs.names, name="motif"), cell_types)
    pairs = _draw_pairs(phi, active, effects, generator)
    nothing = pd.Series(0.0, cell_types)
    drawn = Grammar(scanner, effects, pairs, nothing, nothing + 1)
    raw = drawn.raw(phi)
    return replace(drawn, mean=nothing + raw.mean(axis=0), scale=nothing + sd / raw.std(axis=0))


def _draw_pairs(phi, active, effects, generator):
    """Pairs of active motifs, and what they do together, of the share of variance that `SYNERGY` says."""
    motif, partner = generator.choice(active, (2, N_PAIRS), replace=False)
    together = (phi[:, motif] * phi[:, partner]).std(axis=0)
    size = np.sqrt(SYNERGY / (1 - SYNERGY) * N_ACTIVE / N_PAIRS)
    strength = size * _draw_effects(N_PAIRS, effects.shape[1], generator) / together[:, None]
    names = {"motif": effects.index[motif], "partner": effects.index[partner]}
    return pd.DataFrame(names).join(pd.DataFrame(strength, columns=effects.columns))


def _draw_effects(n, n_cell_types, generator):
    """Draw effects (n, cell types): up or down, and nothing in cell types that lack the factor; one has it at least."""
    present = generator.random((n, n_cell_types)) < PRESENT
    present[np.arange(n), generator.integers(n_cell_types, size=n)] = True
    return generator.choice([-1.0, 1.0], (n, 1)) * present
