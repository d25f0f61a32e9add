"""What transcription factors bind to: matrices with the probabilities of the four bases at each place of a site."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scomics_lite.validation import InputError, did_you_mean, quoted

EVEN = (0.25, 0.25, 0.25, 0.25)
SUM_TO_ONE = 1e-6


@dataclass(frozen=True, eq=False)
class Motifs:
    """Motifs of transcription factors.

    Attributes
    ----------
    ids : tuple of str
        No two are the same.
    names : tuple of str
        Of the factors; one factor may have several motifs.
    matrices : tuple of ndarray, shape (width, 4)
        Probabilities of A, C, G, T, above zero.
    counts : tuple of (ndarray, shape (width, 4), or None)
        From which the probabilities were estimated, where that is known.
    """

    ids: tuple
    names: tuple
    matrices: tuple
    counts: tuple = None

    def __post_init__(self):
        set_field = object.__setattr__  # what dataclasses do themselves where they are frozen
        for field in ("ids", "names"):
            set_field(self, field, tuple(map(str, getattr(self, field))))
        set_field(self, "matrices", tuple(np.asarray(matrix, dtype=float) for matrix in self.matrices))
        set_field(self, "counts", (None,) * len(self.ids) if self.counts is None else tuple(self.counts))
        _check_motifs(self)

    def __len__(self):
        return len(self.ids)

    def __iter__(self):
        """Give id, name and matrix of each."""
        return zip(self.ids, self.names, self.matrices, strict=True)

    @property
    def labels(self):
        """The names, with the id behind where several motifs have the same: no two labels are the same."""
        often = Counter(self.names)
        labels = [name if often[name] == 1 else f"{name} {key}" for key, name in zip(self.ids, self.names, strict=True)]
        return tuple(labels)

    def select(self, names_or_ids):
        """Give some of the motifs, in this order.

        Parameters
        ----------
        names_or_ids : sequence of str
            Ids, labels, or names that one motif alone has.

        Returns
        -------
        Motifs

        Raises
        ------
        InputError
            For a name that is unknown, or that several motifs have.

        Examples
        --------
        >>> from scomics_lite.dna import jaspar_motifs
        >>> jaspar_motifs().select(["GATA1::TAL1", "MA0139.2"]).names
        ('GATA1::TAL1', 'CTCF')
        """
        if isinstance(names_or_ids, str):
            raise InputError(f"select takes a list of names or ids: select([{names_or_ids!r}])")
        places = [self._place(name) for name in names_or_ids]
        return Motifs(*([field[i] for i in places] for field in (self.ids, self.names, self.matrices, self.counts)))

    def _place(self, name):
        for known in (self.ids, self.labels):
            if name in known:
                return known.index(name)
        ids = [key for key, other in zip(self.ids, self.names, strict=True) if other == name]
        if ids:
            raise InputError(f"{len(ids)} motifs are called {name!r}; select by id: {', '.join(ids)}")
        raise InputError(f"no motif named {quoted(name)}; {_nearest(name, self)}")

    def table(self):
        """List the motifs.

        Returns
        -------
        DataFrame
            Indexed by id: name, width, information (bits, Σ over places of 2 + Σ p log2 p: Schneider et al. 1986),
            and sites, the mean number of sites a place was counted in (NaN where it is not known).

        Examples
        --------
        >>> from scomics_lite.dna import jaspar_motifs
        >>> jaspar_motifs().table().round(2).loc["MA0139.2"].to_dict()
        {'name': 'CTCF', 'width': 15, 'information': 14.87, 'sites': 911.2}
        """
        return pd.DataFrame(
            {
                "name": self.names,
                "width": [len(matrix) for matrix in self.matrices],
                "information": [np.sum(matrix * np.log2(matrix * 4)) for matrix in self.matrices],
                "sites": [np.nan if counts is None else counts.sum(axis=1).mean() for counts in self.counts],
            },
            index=pd.Index(self.ids, name="id"),
        )

    def log_odds(self, background=EVEN):
        """Give each motif's scores, log2(p / q) in bits, where q is how frequent a base is everywhere.

        Parameters
        ----------
        background : sequence of four numbers
            Frequencies of A, C, G, T. A stretch of DNA has two strands, so that A is as frequent as T and C as G.

        Returns
        -------
        list of ndarray, shape (width, 4)

        Raises
        ------
        InputError
            For frequencies that cannot be those of both strands.

        Examples
        --------
        >>> Motifs(["M1"], ["own"], [[[0.5, 0.25, 0.125, 0.125]]]).log_odds()
        [array([[ 1.,  0., -1., -1.]])]
        """
        q = check_background(background)
        return [np.log2(matrix / q) for matrix in self.matrices]


def _nearest(name, motifs):
    """Name what comes nearest among names and ids, without listing hundreds."""
    known = sorted({*motifs.names, *motifs.ids})
    if len(known) <= 20:
        return did_you_mean(name, known)
    guess = did_you_mean(name, known).split(" Known: ")[0]
    start = f"{guess} " if guess.startswith("did you mean") else ""
    return f"{start}{len(motifs)} motifs are known, .table() lists them"


def _check_motifs(motifs):
    lengths = {len(getattr(motifs, field)) for field in ("ids", "names", "matrices", "counts")}
    if len(lengths) != 1:
        raise InputError("ids, names, matrices and counts of motifs must be as many")
    twice = [key for key, often in Counter(motifs.ids).items() if often > 1]
    if twice:
        raise InputError(f"motif id {twice[0]!r} comes twice; no two motifs may have the same")
    for key, matrix in zip(motifs.ids, motifs.matrices, strict=True):
        if matrix.ndim != 2 or matrix.shape[1] != 4 or len(matrix) == 0:
            raise InputError(f"motif {key!r} has shape {matrix.shape}; needed is (width, 4), a row for each place")
        if not (matrix > 0).all() or not (np.abs(matrix.sum(axis=1) - 1) < SUM_TO_ONE).all():
            raise InputError(
                f"motif {key!r}: the four probabilities of each place must be above zero and add up to 1; "
                "probabilities_of(counts) makes such of counts"
            )


def check_background(background):
    """Check the frequencies of the four bases.

    Parameters
    ----------
    background : sequence of four numbers
        Of A, C, G, T.

    Returns
    -------
    ndarray of float64, shape (4,)

    Raises
    ------
    InputError
        For frequencies that are not above zero, do not add up to 1, or differ between the strands.

    Examples
    --------
    >>> check_background([0.3, 0.2, 0.2, 0.3])
    array([0.3, 0.2, 0.2, 0.3])
    """
    q = np.asarray(background, dtype=float)
    if q.shape != (4,) or not (q > 0).all() or abs(q.sum() - 1) > SUM_TO_ONE:
        raise InputError(
            f"background must be four frequencies of A, C, G, T above zero that add up to 1, not {background}"
        )
    both = (q + q[::-1]) / 2
    if np.abs(q - both).max() > SUM_TO_ONE:
        raise InputError(
            "background: both strands are read, so A must be as frequent as T, and C as G; averaged over the strands "
            f"yours are {[round(float(x), 6) for x in both]}"
        )
    return q


def probabilities_of(counts):
    """Estimate the probabilities of the bases from counts in known sites.

    p = (c + √N / 4) / (n + √N), with c a base's count, n the sum at this place, and N the mean of n over the places.
    A base never seen in N sites gets a probability nonetheless: added are √N sites of evenly mixed bases, many beside
    few sites and hardly any beside many. It is the rule of JASPAR's own tools (Wasserman and Sandelin 2004) and of
    Biopython's ``jaspar.calculate_pseudocounts``.

    Parameters
    ----------
    counts : array, shape (width, 4)

    Returns
    -------
    ndarray of float64, shape (width, 4)

    Examples
    --------
    >>> probabilities_of([[16, 0, 0, 0]])
    array([[0.85, 0.05, 0.05, 0.05]])
    """
    c = np.asarray(counts, dtype=float)
    n = c.sum(axis=1, keepdims=True)
    added = np.sqrt(n.mean())
    return (c + added / 4) / (n + added)
