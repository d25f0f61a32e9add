"""Where the files are that come with the package: data sets, the glossary, and the matrices of motifs."""

from pathlib import Path


def data_folder():
    """Return the folder of the registry and of the bundled sets, in a checkout or in an installed package.

    Returns
    -------
    Path

    Raises
    ------
    FileNotFoundError
        For an installation without it.

    Examples
    --------
    >>> (data_folder() / "SOURCES.tsv").is_file()
    True
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_data", package.parent / "data"):
        if (folder / "SOURCES.tsv").is_file():
            return folder
    raise FileNotFoundError(f"no data folder beside {package}: the installation is incomplete, repeat it")
