"""Size factors and library sizes: one scale in the letters of DESeq2 and of edgeR, and the way between them.

Reached as `scomics_lite.normalization.to_size_factors` and so on; the letters are explained there.
"""

import numpy as np
import pandas as pd

from scomics_lite.validation import check_positive, with_names


def to_size_factors(norm_factors, library_sizes):
    """Turn edgeR's normalization factors into size factors: s = N f, scaled to geometric mean 1.

    Parameters
    ----------
    norm_factors, library_sizes : array_like or Series, shape (n,)
        f and N of every sample, positive. Where both have names, they are in one order.

    Returns
    -------
    ndarray or Series, shape (n,)
        A Series where f or N has names.

    Examples
    --------
    >>> to_size_factors([1.0, 1.0], [1_000_000, 4_000_000])
    array([0.5, 2. ])
    """
    f, n, samples = _both(norm_factors, library_sizes, "norm factors")
    return with_names(geometric_mean_one(f * n), samples)


def to_norm_factors(size_factors, library_sizes):
    """Turn size factors into edgeR's normalization factors: f = s / N, scaled to geometric mean 1.

    Parameters
    ----------
    size_factors, library_sizes : array_like or Series, shape (n,)
        s (on any scale) and N of every sample, positive. Where both have names, they are in one order.

    Returns
    -------
    ndarray or Series, shape (n,)
        A Series where s or N has names.

    Examples
    --------
    >>> to_norm_factors([0.5, 2.0], [1_000_000, 4_000_000])
    array([1., 1.])
    """
    s, n, samples = _both(size_factors, library_sizes, "size factors")
    return with_names(geometric_mean_one(s / n), samples)


def effective_library_sizes(size_factors, library_sizes):
    """Turn size factors of any scale into edgeR's effective library sizes: proportional to s, and as large as the N.

    They are the N f of `to_norm_factors`: their geometric mean is that of the library sizes.

    Parameters
    ----------
    size_factors, library_sizes : array_like or Series, shape (n,)
        s (on any scale) and N of every sample, positive. Where both have names, they are in one order.

    Returns
    -------
    ndarray or Series, shape (n,)
        A Series where s or N has names.

    Examples
    --------
    >>> effective_library_sizes([0.5, 1.0], [1_000_000, 8_000_000])
    array([2000000., 4000000.])
    """
    s, n, samples = _both(size_factors, library_sizes, "size factors")
    return with_names(np.exp(np.log(s) + np.log(n / s).mean()), samples)


def geometric_mean_one(values):
    """Scale positive values so that their geometric mean is 1.

    Parameters
    ----------
    values : ndarray

    Returns
    -------
    ndarray

    Examples
    --------
    >>> geometric_mean_one([1.0, 4.0])
    array([0.5, 2. ])
    """
    return values / np.exp(np.log(values).mean())


def _both(factors, library_sizes, what):
    """Check two numbers for each sample; give two arrays, and the names of the samples where either has them."""
    indexes = [one.index for one in (library_sizes, factors) if isinstance(one, pd.Series)]
    samples = indexes[0] if indexes else pd.RangeIndex(np.size(library_sizes))
    library_sizes = check_positive(library_sizes, samples, "library sizes")
    return check_positive(factors, samples, what), library_sizes, samples
