"""What a simulated world can be asked for: settings that cannot be are refused by name."""

import numpy as np

from scomics_lite.simulate import drawing
from scomics_lite.simulate.regulation.grammar import READ
from scomics_lite.validation import InputError, is_number

LARGEST_SD = 3  # of natural logarithms: one standard deviation is 20 times the expression
SHORTEST_SPACING = 3_000  # base pairs: a region, and room for a gene's body and for distal SNPs


def source_of(rng):
    """Refuse what is no source of randomness, and make a generator of it."""
    drawing.check_settings(1, rng)
    return np.random.default_rng(rng)


def sources_of(rng, count):
    """Make so many sources of randomness of one, each with numbers of its own."""
    generator = source_of(rng)
    try:
        return generator.spawn(count)
    except TypeError:  # its bits do not come from a SeedSequence, such as those of a RandomState
        return [np.random.default_rng(seed) for seed in generator.integers(2**63, size=count)]


def check_world(n_genes, n_people, cell_types, spacing):
    """Refuse what cannot be, and list the cell types."""
    check_whole(n_genes=(n_genes, 10), n_people=(n_people, 10), spacing=(spacing, SHORTEST_SPACING))
    if isinstance(cell_types, str):
        raise InputError(f"cell_types is one text, {cell_types!r}; give a list of names: ['{cell_types}']")
    names = [str(name) for name in cell_types]
    slashed = [name for name in names if "/" in name]
    if slashed:
        raise InputError(
            f"cell type {slashed[0]!r}: its expression is written to a file in which a name has no '/'; call it "
            f"{slashed[0].replace('/', '_')!r}"
        )
    if not names or len(set(names)) < len(names):
        raise InputError(f"cell_types must be different names, one at least; got {names}")
    return names


def check_sizes(sequence_share, sequence_sd, environment_sd):
    """Refuse shares and standard deviations that cannot be."""
    if not is_number(sequence_share) or not 0 < sequence_share <= 1:
        raise InputError(f"sequence_share must be above 0 and at most 1; got {sequence_share!r}")
    for name, sd in {"sequence_sd": sequence_sd, "environment_sd": environment_sd}.items():
        if not is_number(sd) or not 0 < sd <= LARGEST_SD:
            raise InputError(f"{name} is a standard deviation of natural logarithms, above 0 and at most 3; got {sd!r}")


def check_people(distal_heritability, snp_spacing, window):
    """Refuse what people's SNPs cannot be."""
    if not is_number(distal_heritability) or not 0 <= distal_heritability < 1:
        raise InputError(f"distal_heritability must be at least 0 and below 1; got {distal_heritability!r}")
    if not is_number(snp_spacing) or not 20 <= snp_spacing <= 2_000:
        raise InputError(f"snp_spacing must be 20 to 2,000 base pairs; got {snp_spacing!r}")
    if not is_number(window) or not READ < window < np.inf:
        raise InputError(f"window must be above {READ:,} base pairs, what is read around a gene; got {window!r}")


def check_whole(**numbers):
    """Refuse what is no whole number, or too small: ``name=(value, smallest)``."""
    for name, (value, smallest) in numbers.items():
        if not is_number(value) or value != int(value) or value < smallest:
            raise InputError(f"{name} must be a whole number, {smallest:,} at least; got {value!r}")
