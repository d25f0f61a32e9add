"""The linear models of all cell types together, and the folder of PredictDB files that they are written to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scomics_lite.twas.exchange.file_access import new_file
from scomics_lite.twas.exchange.gene_covariances import Covariances
from scomics_lite.validation import InputError, quoted

JOINT, FIDELITY, SNPS = "joint_covariances.txt.gz", "fidelity.csv", "snps.csv.gz"
COUNTS = {"n_snps": "Int64", "n_window": "Int64"}  # of `fidelity`: whole numbers where there is none, too
UNSAFE = r"[^\w.+-]+"  # characters that some file system or shell takes for something else


@dataclass(frozen=True, eq=False, repr=False)
class LinearModels:
    """Weights that say nearly what ctPred says, of every cell type; from `linearise`.

    Attributes
    ----------
    models : dict of PredictionModel
        By cell type. ``pred.perf.R2`` is the squared correlation with ctPred in people left out.
    covariances : dict of Covariances
        By cell type, for `s_predixcan`.
    joint_covariances : Covariances
        Of the SNPs that a gene has in any cell type, for `s_multixcan`.
    fidelity : DataFrame
        A row for every gene and cell type: ``cell_type``, ``gene``, ``genename``; ``fidelity``, the share of the
        variance of ctPred's predictions that the linear model explains in people left out, 1 - Σ(y - ŷ)² / Σ(y - ȳ)²,
        below 0 where it is worse than the mean; ``fidelity_in_sample``, the same in the people it was fitted on;
        ``correlation``, in people left out; ``n_snps`` that have a weight, of ``n_window`` (<NA> where nothing was
        tried); and ``status``: "kept", "not predictive", "no weights" (no SNP was chosen), "constant prediction" (no
        variant changes it: nothing to learn), "no prediction", "no SNP in window", "no position", "no expression" (not
        among the predictions), "not in genes".
    snps : DataFrame
        What `filter_snps` said of every SNP.
    """

    models: Mapping
    covariances: Mapping
    joint_covariances: Covariances
    fidelity: pd.DataFrame
    snps: pd.DataFrame

    def __repr__(self):
        each = ", ".join(f"{name} ({len(model):,} genes)" for name, model in self.models.items())
        return f"LinearModels: {each}"

    def write(self, folder, *, overwrite=False):
        """Write the files of PredictDB, two a cell type, as `read_model`, `read_covariance` and MetaXcan read them.

        Parameters
        ----------
        folder : path
            Made if it is not there. Gets ``CELL TYPE.db`` and ``CELL TYPE.txt.gz``, where signs and spaces of a name
            become "_"; ``joint_covariances.txt.gz``, ``fidelity.csv`` and ``snps.csv.gz``. Of a cell type without a
            kept gene there is the model's file alone, whose table ``training`` says why.
        overwrite : bool
            Whether files of these names may be replaced.

        Returns
        -------
        dict of tuple of Path
            The model's and the covariances' file of each cell type that has genes.

        Raises
        ------
        InputError
            Where a file is there already, or two cell types would have the same file.

        Examples
        --------
        >>> empty = LinearModels({}, {}, Covariances.from_matrices({}), pd.DataFrame({"gene": []}), pd.DataFrame())
        >>> empty.write("linear")
        {}
        >>> sorted(path.name for path in Path("linear").iterdir())
        ['fidelity.csv', 'snps.csv.gz']
        """
        folder, stems = Path(folder), file_stems(self.models)
        folder.mkdir(parents=True, exist_ok=True)
        paths = {name: (folder / f"{stem}.db", folder / f"{stem}.txt.gz") for name, stem in stems.items()}
        for name, (model, _) in paths.items():
            self.models[name].write(model, overwrite=overwrite)
        paths = {name: both for name, both in paths.items() if len(self.models[name])}
        for name, (_, covariance) in paths.items():
            self.covariances[name].write(covariance, overwrite=overwrite)
        if paths:
            self.joint_covariances.write(folder / JOINT, overwrite=overwrite)
        for name, table, index in ((FIDELITY, self.fidelity, False), (SNPS, self.snps, True)):
            with new_file(folder / name, overwrite=overwrite) as file:
                table.to_csv(file, index=index)
        return paths


def file_stems(names):
    """Make file names of the names of cell types.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    dict of str

    Raises
    ------
    InputError
        If two have the same, on file systems that take small letters for capitals too.

    Examples
    --------
    >>> file_stems(["CD4+ T", "NK/ILC", "B"])
    {'CD4+ T': 'CD4+_T', 'NK/ILC': 'NK_ILC', 'B': 'B'}
    """
    stems, taken = {}, {Path(JOINT).name.split(".")[0]: "the covariances of all"}
    for name in names:
        stems[name] = re.sub(UNSAFE, "_", str(name)).strip(".") or "_"
        other = taken.setdefault(stems[name].lower(), name)
        if other != name:
            raise InputError(
                f"cell types {quoted(other)} and {quoted(name)} would have the same file, {stems[name]}.db; give one "
                "another name"
            )
    return stems
