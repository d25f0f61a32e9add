"""Which SNPs lie near a gene: from so many bases before its start to so many after its end."""

import numpy as np
import pandas as pd

from scomics_lite.validation import InputError, is_anndata, is_number, quoted

AROUND = ("gene", "tss")
PLACE = ["chromosome", "position"]
ALLELES = ["ref_allele", "eff_allele"]


class Windows:
    """Finds the SNPs of a panel that lie within a window of a gene.

    Parameters
    ----------
    snps : DataFrame
        Of a panel: ``chromosome`` (with or without "chr") and ``position``, in any order.
    window : float
        Bases on both sides.

    Examples
    --------
    >>> snps = pd.DataFrame({"chromosome": ["1", "1", "chr1", "2"], "position": [300, 100, 200, 100]})
    >>> Windows(snps, 50).near("1", 160, 250)
    array([2, 0])
    """

    def __init__(self, snps, window):
        if not (is_number(window) and window >= 0):
            raise InputError(f"window is a number of bases, 0 or more, such as 1e6; got {window!r}")
        position = pd.to_numeric(snps["position"], errors="coerce").to_numpy(dtype=float)
        order = np.argsort(position, kind="stable")
        order = order[: np.count_nonzero(~np.isnan(position))]  # NaN come last
        chromosomes = plain_chromosomes(snps["chromosome"]).to_numpy()[order]
        codes, self.chromosomes = pd.factorize(chromosomes)
        self.places = {name: order[codes == code] for code, name in enumerate(self.chromosomes)}
        self.positions = {name: position[places] for name, places in self.places.items()}
        self.window = float(window)

    def near(self, chromosome, start, end):
        """Give the places in the panel of the SNPs near a gene, by position.

        Parameters
        ----------
        chromosome : str
        start, end : float

        Returns
        -------
        ndarray of int
        """
        name = _plain(chromosome)
        if name not in self.places:
            return np.zeros(0, dtype=int)
        first = np.searchsorted(self.positions[name], start - self.window, "left")
        last = np.searchsorted(self.positions[name], end + self.window, "right")
        return self.places[name][first:last]


def plain_chromosomes(names):
    """Write chromosomes without "chr": 1, 2, X.

    Parameters
    ----------
    names : Series

    Returns
    -------
    Series of str

    Examples
    --------
    >>> plain_chromosomes(pd.Series(["chr1", 2, "X"])).tolist()
    ['1', '2', 'X']
    """
    column = pd.Categorical(names)
    return pd.Series(np.array([_plain(name) for name in column.categories] + ["nan"])[column.codes], dtype=object)


def _plain(name):
    text = str(name)
    text = text[:-2] if text.endswith(".0") else text  # a column of numbers with gaps
    return text[3:] if text.lower().startswith("chr") else text


def check_panel(dosages):
    """Refuse dosages whose SNPs have no place or no alleles: neither a window nor a model can be made of them.

    Parameters
    ----------
    dosages : AnnData, people × SNPs

    Raises
    ------
    InputError
        Names the columns that are missing.

    Examples
    --------
    >>> check_panel(pd.DataFrame({"rs1": [0, 1]}))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: training needs each SNP's place and alleles: dosages are an AnnData with the \
columns chromosome, position, ref_allele, eff_allele in var, as read_plink and read_vcf give it; got a DataFrame
    """
    needed = [*PLACE, *ALLELES]
    lost = [name for name in needed if name not in dosages.var] if is_anndata(dosages) else needed
    if lost:
        got = f"var lacks {', '.join(lost)}" if is_anndata(dosages) else f"got a {type(dosages).__name__}"
        raise InputError(
            "training needs each SNP's place and alleles: dosages are an AnnData with the columns "
            f"{', '.join(needed)} in var, as read_plink and read_vcf give it; {got}"
        )


def gene_places(genes, around="gene"):
    """Give chromosome, start and end of genes; those of whom something is missing are left out.

    Parameters
    ----------
    genes : DataFrame
        Indexed by gene: ``chromosome``, ``start`` and ``end``, or ``tss``.
    around : {"gene", "tss"}
        Whether windows begin at start and end, or at the transcription start site.

    Returns
    -------
    DataFrame
        ``chromosome``, ``start`` and ``end``.

    Raises
    ------
    InputError
        If columns are missing, a gene comes twice, or ends before it starts.

    Examples
    --------
    >>> gene_places(pd.DataFrame({"chromosome": "1", "start": [100, 400], "end": [200, 300]}, index=["FTO", "TP53"]))
    Traceback (most recent call last):
    scomics_lite.validation.InputError: genes: 'TP53' ends (300) before it starts (400), and 0 more do; start is the \
smaller number on both strands
    """
    if around not in AROUND:
        raise InputError(f"around={around!r}: windows are around the 'gene' or the 'tss'")
    columns = ["chromosome", "start", "end"] if around == "gene" else ["chromosome", "tss"]
    if not isinstance(genes, pd.DataFrame):
        raise InputError(f"genes is a DataFrame indexed by gene, with {', '.join(columns)}; got {type(genes).__name__}")
    lost = [name for name in columns if name not in genes]
    if lost:
        tss = "; genes['tss'] = genes['start'].where(genes['strand'] == '+', genes['end'])" if "tss" in lost else ""
        raise InputError(f"genes has no column {', '.join(lost)} (columns: {', '.join(map(str, genes.columns))}){tss}")
    if not genes.index.is_unique:
        name = genes.index[genes.index.duplicated()][0]
        raise InputError(f"genes: {quoted(name)} comes twice; keep one row: genes[~genes.index.duplicated()]")
    places = genes[columns].set_axis(
        ["chromosome", "start", "end"] if around == "gene" else ["chromosome", "start"], axis=1
    )
    places = places.assign(end=places["start"]) if around == "tss" else places
    for name in ("start", "end"):
        places[name] = pd.to_numeric(places[name], errors="coerce")
    backwards = places.index[places["end"] < places["start"]]
    if len(backwards):
        one = places.loc[backwards[0]]
        raise InputError(
            f"genes: {quoted(backwards[0])} ends ({one['end']:.0f}) before it starts ({one['start']:.0f}), and "
            f"{len(backwards) - 1:,} more do; start is the smaller number on both strands"
        )
    return places.dropna()
