"""Size factors and library sizes: one scale in the letters of DESeq2 and of edgeR, and the way between them.

Reached as `scomics_lite.normalization.to_size_factors` and so on; the letters are explained there.
"""

import numpy as np


def to_size_factors(norm_factors, library_sizes):
    """Turn edgeR's normalization factors into size factors: s = N f, scaled to geometric mean 1.

    Parameters
    ----------
    norm_factors, library_sizes : array_like, shape (n,)
        f and N of every sample.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> to_size_factors([1.0, 1.0], [1_000_000, 4_000_000])
    array([0.5, 2. ])
    """
    return geometric_mean_one(np.asarray(norm_factors, dtype=float) * np.asarray(library_sizes))


def to_norm_factors(size_factors, library_sizes):
    """Turn size factors into edgeR's normalization factors: f = s / N, scaled to geometric mean 1.

    Parameters
    ----------
    size_factors, library_sizes : array_like, shape (n,)
        s (on any scale) and N of every sample.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> to_norm_factors([0.5, 2.0], [1_000_000, 4_000_000])
    array([1., 1.])
    """
    return geometric_mean_one(np.asarray(size_factors, dtype=float) / np.asarray(library_sizes))


def effective_library_sizes(size_factors, library_sizes):
    """Turn size factors of any scale into edgeR's effective library sizes: proportional to s, and as large as the N.

    They are the N f of `to_norm_factors`: their geometric mean is that of the library sizes.

    Parameters
    ----------
    size_factors, library_sizes : array_like, shape (n,)
        s (on any scale) and N of every sample.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> effective_library_sizes([0.5, 1.0], [1_000_000, 8_000_000])
    array([2000000., 4000000.])
    """
    log_s, log_n = np.log(np.asarray(size_factors, dtype=float)), np.log(library_sizes)
    return np.exp(log_s + (log_n - log_s).mean())


def geometric_mean_one(values):
    """Scale positive values so that their geometric mean is 1.

    Examples
    --------
    >>> geometric_mean_one([1.0, 4.0])
    array([0.5, 2. ])
    """
    return values / np.exp(np.log(values).mean())
