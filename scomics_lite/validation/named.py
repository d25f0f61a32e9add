"""One number for each sample or gene, with its name: a Series that goes where an array went."""

import numpy as np
import pandas as pd


class NamedNumbers(pd.Series):
    """A Series that also takes what numpy code does with the numbers of all samples or genes.

    ``counts / s[:, None]`` divides the rows of a matrix, ``counts.T / s`` its columns, ``s[0]`` is the first where
    names are texts, and ``sparse_matrix[:, kept]`` selects genes. In everything else it is a Series.

    Examples
    --------
    >>> s = NamedNumbers([0.5, 2.0], index=["s1", "s2"])
    >>> np.array([[1, 2], [4, 8]]) / s[:, None]
    array([[2., 4.],
           [2., 4.]])
    >>> float(s["s2"]), float(s[0])
    (2.0, 0.5)
    """

    @property
    def _constructor(self):
        return NamedNumbers

    def __getitem__(self, key):
        if isinstance(key, tuple) and any(part is None for part in key):
            return self.to_numpy()[key]
        is_position = isinstance(key, int | np.integer) and not pd.api.types.is_integer_dtype(self.index.dtype)
        return self.iloc[key] if is_position else super().__getitem__(key)

    def __array_ufunc__(self, ufunc, method, *inputs, **settings):
        if method == "outer" or any(isinstance(one, np.ndarray) and one.ndim > 1 for one in inputs):
            inputs = [one.to_numpy() if isinstance(one, pd.Series) else one for one in inputs]
            return getattr(ufunc, method)(*inputs, **settings)
        return super().__array_ufunc__(ufunc, method, *inputs, **settings)

    def nonzero(self):
        """Give the positions of what is not zero, as an array does: scipy asks so for the columns to keep."""
        return self.to_numpy().nonzero()


def with_names(values, names):
    """Give numbers their names, where there are any.

    Parameters
    ----------
    values : ndarray, shape (k,)
    names : pandas.Index, shape (k,)
        0, 1, 2 … are none.

    Returns
    -------
    ndarray or NamedNumbers, shape (k,)

    Examples
    --------
    >>> with_names(np.array([1.0, 2.0]), pd.RangeIndex(2))
    array([1., 2.])
    """
    return values if isinstance(names, pd.RangeIndex) else NamedNumbers(values, index=names)
