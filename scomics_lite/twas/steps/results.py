"""What the four steps found, read from their files: the same after a run as after it was repeated."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scomics_lite.twas.exchange.models import read_model
from scomics_lite.twas.linearised.model_folders import COUNTS, FIDELITY, file_stems

LEARN, PERSONAL, LINEAR, ASSOCIATE = "1_ctpred", "2_people", "3_linear", "4_association"  # folders
CTPRED, PERFORMANCE, PREDICTED = "ctpred.safetensors", "performance.csv", "expression.h5ad"
ASSOCIATION, MULTIXCAN = "association.csv", "multixcan.csv"
NAMES = ("cell_type", "gene", "genename")


@dataclass(frozen=True, eq=False, repr=False)
class ScPrediXcanResult:
    """What `scpredixcan` found, and where its files are.

    Attributes
    ----------
    association : DataFrame
        S-PrediXcan's table of every cell type, one below the other: ``cell_type``, then the columns of `s_predixcan`.
        Of several GWAS ``trait`` comes first.
    multixcan : DataFrame
        Of `s_multixcan` across the cell types; of several GWAS ``trait`` comes first.
    fidelity : DataFrame
        How closely l-ctPred follows ctPred across people, by gene and cell type.
    performance : DataFrame
        How well ctPred, and ridge on the same features, predict percentiles across genes: by cell type and part of the
        split.
    models : dict of str to PredictionModel
        l-ctPred's weights by cell type.
    folder : Path
        Of the four steps.
    """

    association: pd.DataFrame
    multixcan: pd.DataFrame
    fidelity: pd.DataFrame
    performance: pd.DataFrame
    models: dict
    folder: Path

    def __repr__(self):
        genes = self.association["gene"].nunique()
        return f"ScPrediXcanResult: {genes:,} genes, cell types {', '.join(self.models)}; in {self.folder}"


def read_results(folder, traits=("",)):
    """Read what a finished run left in its folder.

    Parameters
    ----------
    folder : Path
    traits : sequence of str
        Names of the GWAS; "" of a single one.

    Returns
    -------
    ScPrediXcanResult

    Examples
    --------
    >>> tables = {"1_ctpred/performance": ["pearson"], "3_linear/fidelity": ["cell_type", "n_snps", "n_window"]}
    >>> tables |= {"4_association/association": ["gene", "pvalue"], "4_association/multixcan": ["gene", "pvalue"]}
    >>> for name, columns in tables.items():
    ...     Path(name).parent.mkdir(exist_ok=True)
    ...     pd.DataFrame(columns=columns).to_csv(f"{name}.csv", index=False)
    >>> list(read_results(Path()).association)
    ['gene', 'pvalue']
    """
    linear = folder / LINEAR
    return ScPrediXcanResult(
        _of_traits(folder, traits, ASSOCIATION),
        _of_traits(folder, traits, MULTIXCAN),
        read_csv(linear / FIDELITY).astype(COUNTS),
        read_csv(folder / LEARN / PERFORMANCE),
        {cell_type: read_model(path) for cell_type, path in model_files(linear).items()},
        folder,
    )


def association_folder(trait):
    """Name the folder of step 4 of a GWAS.

    Parameters
    ----------
    trait : str
        "" for a single GWAS.

    Returns
    -------
    str

    Examples
    --------
    >>> association_folder(""), association_folder("height")
    ('4_association', '4_association_height')
    """
    return f"{ASSOCIATE}_{trait}" if trait else ASSOCIATE


def model_files(place):
    """List the models of step 3.

    Parameters
    ----------
    place : Path
        The step's folder.

    Returns
    -------
    dict of str to Path
        By cell type, in their order.

    Examples
    --------
    >>> fidelity = pd.DataFrame({"cell_type": ["CD4+ T", "B"], "gene": "FTO"})
    >>> fidelity.to_csv("fidelity.csv", index=False)
    >>> {name: path.name for name, path in model_files(Path()).items()}
    {'CD4+ T': 'CD4+_T.db', 'B': 'B.db'}
    """
    names = read_csv(place / FIDELITY, usecols=["cell_type"])["cell_type"].drop_duplicates()
    return {name: place / f"{stem}.db" for name, stem in file_stems(names).items()}


def read_csv(path, **settings):
    """Read a table as it was written, to the last digit; names stay texts where they look like numbers.

    Parameters
    ----------
    path : Path
    **settings
        Of `pandas.read_csv`.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> pd.DataFrame({"gene": ["NA"], "x": [0.1 + 0.2]}).to_csv("table.csv", index=False)
    >>> read_csv(Path("table.csv")).to_dict("list")
    {'gene': ['NA'], 'x': [0.30000000000000004]}
    """
    names = {"keep_default_na": False, "na_values": [""], "dtype": dict.fromkeys(NAMES, str)}  # a gene may be called NA
    return pd.read_csv(path, float_precision="round_trip", **names, **settings)


def _of_traits(folder, traits, name):
    """Read a table of each GWAS; put them below each other, if they have names."""
    tables = {trait: read_csv(folder / association_folder(trait) / name) for trait in traits}
    if "" in tables:
        return tables[""]
    named = [table.assign(trait=trait)[["trait", *table.columns]] for trait, table in tables.items()]
    return pd.concat(named, ignore_index=True)
