"""Real data sets, fetched and checked, and simulated stand-ins that come with the package.

All chapters. Read `catalogue` first: `available` and `load`. `downloads` fetches and verifies, `readers` turns files
into AnnData and MuData, `genotype_readers` those of genotypes, and `shapes` holds what they share; `standins` simulates
what the course falls back on without a network, `genotype_standins` its genotypes. `quantifications` reads files of
your own, by salmon, kallisto and RSEM.
"""

from scomics_lite.bundled import data_folder
from scomics_lite.datasets.catalogue import available, fetch, load, make_bundled
from scomics_lite.datasets.downloads import DownloadError
from scomics_lite.datasets.quantifications import read_quantifications

__all__ = [
    "DownloadError",
    "available",
    "data_folder",
    "fetch",
    "load",
    "make_bundled",
    "read_quantifications",
]
