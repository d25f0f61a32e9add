"""Tell whose cells these are: cells of one donor resemble each other, and are no replicates of a treatment."""

import re

import pandas as pd

from scomics_lite.validation.arguments import no_labels
from scomics_lite.validation.notices import warn

# What a column is called that says whose cell it is. Where there are several, the first kind is the one to sum by: two
# samples of one donor are no replicates either.
PEOPLE = {"donor", "patient", "individual", "subject", "participant", "person"}
INDIVIDUALS = PEOPLE | {"animal", "mouse", "rat", "fish", "embryo"}
SAMPLES = {"sample", "specimen", "biosample", "replicate", "rep", "biorep", "orig", "library"}
FILLERS = {"id", "ident", "name", "label", "number", "no", "nr", "code", "bio", "biological", "cell", "cells"}


def warn_of_donors(obs, tested=(), *, layer=None):
    """Warn where a test of cells is about to take the cells of a few donors for replicates.

    Cells of one donor share what is particular to the donor. A test that takes them for independent finds differences
    between donors, of which there are always some, and the p-values come out far too small.

    Parameters
    ----------
    obs : DataFrame, a row for each cell
        Columns called donor, patient, mouse, sample_id, orig.ident or the like are looked for that have at least two
        levels and fewer than there are cells.
    tested : str or sequence of str
        The columns whose levels are compared, which sums of cells have to keep apart.
    layer : str, optional
        The layer of the raw counts, for the call in the message.

    Warns
    -----
    UserWarning
        Names the column and the call that sums the cells of each donor; or says that there is nothing to sum for, where
        no level that is compared has two donors.

    Examples
    --------
    >>> import warnings
    >>> obs = pd.DataFrame({"donor_id": list("aabbaabb"), "drug": ["no"] * 4 + ["yes"] * 4})
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_of_donors(obs, "drug")
    >>> print(caught[0].message)
    cells of one donor are no replicates, and by column 'donor_id' these 8 cells are of 2: p-values come out far too \
small. Sum the counts of each first, and test the sums by scomics_lite.differential.test: \
sums = scomics_lite.differential.pseudobulk(adata, ['donor_id', 'drug'])
    """
    tested = [tested] if isinstance(tested, str) else list(tested)
    obs = obs.loc[:, ~obs.columns.duplicated()]
    donor = _donor_column(obs, tested)
    if donor is None:
        return
    compared = [name for name in tested if not pd.api.types.is_float_dtype(obs[name])]  # floats are no labels
    columns = [donor, *(name for name in compared if obs.groupby(donor, observed=True)[name].nunique().max() > 1)]
    found = obs[[donor, *compared]].drop_duplicates()
    message = (
        f"cells of one {_noun(donor)} are no replicates, and by column {donor!r} these {len(obs):,} cells are of "
        f"{obs[donor].nunique():,}: p-values come out far too small. "
    )
    if compared and not found.duplicated(compared).any():
        levels = " and ".join(map(repr, compared))
        warn(f"{message}No level of {levels} has cells of two, so nothing can tell {levels} from {donor!r}")
        return
    arguments = repr(columns[0] if len(columns) == 1 else columns) + (f", layer={layer!r}" if layer else "")
    warn(
        f"{message}Sum the counts of each first, and test the sums by scomics_lite.differential.test: "
        f"sums = scomics_lite.differential.pseudobulk(adata, {arguments})"
    )


def _donor_column(obs, tested):
    """Find the column that says whose cells these are, individuals before samples; None where there is none."""
    for nouns in (INDIVIDUALS, SAMPLES):
        for name, column in obs.items():
            words = _words(name)
            if name in tested or not words & nouns or words - nouns - FILLERS or no_labels(column):
                continue
            if 1 < column.nunique() < len(column):
                return name
    return None


def _words(name):
    """Take a name apart: sample_id, sampleID, "Sample ID" and sample.id are {"sample", "id"}."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(name))
    return set(re.findall(r"[a-z]+", apart.lower()))


def _noun(name):
    """Name in the singular what a column holds; a column such as orig.ident holds samples."""
    return next((noun for noun in sorted(INDIVIDUALS | {"replicate"}) if noun in _words(name)), "sample")
