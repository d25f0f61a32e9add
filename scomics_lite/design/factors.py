"""A design that knows its factors: which sample has which level, whatever its columns are called."""

import re

import numpy as np
import pandas as pd

from scomics_lite.validation import InputError, did_you_mean


class Design(pd.DataFrame):
    """A table of samples x coefficients that knows which sample has which level of which factor.

    `scomics_lite.design.design_matrix` makes them. A Design is a DataFrame wherever one is wanted, and is frozen: what
    it knows would be wrong for other numbers. Rows and columns taken out of it, ``design.loc[samples]``,
    ``design[columns]`` and ``design.drop(columns=...)``, are a Design again; everything else that changes a table
    (``design.copy()``, ``design.assign(...)``) gives an ordinary DataFrame, without factors.

    Parameters
    ----------
    matrix : DataFrame, shape (n, p)
        The columns, numbers.
    factors : DataFrame of categories, n rows, optional
        A column for each factor: the level that each sample has, and all its levels as categories.
    formula : str, optional
        What the columns were made by.

    Attributes
    ----------
    matrix : DataFrame, shape (n, p)
        The columns as an ordinary table, which may be changed.
    factors : DataFrame, n rows
        A copy of what was given; without columns where no factors are known.
    formula : str or None
        None for a part of the columns, which no formula describes.

    Examples
    --------
    >>> labels = pd.DataFrame({"drug": pd.Categorical(["no", "yes", "yes"])}, index=["s1", "s2", "s3"])
    >>> matrix = pd.DataFrame({"Intercept": 1.0, "drug[yes]": [0.0, 1.0, 1.0]}, index=labels.index)
    >>> design = Design(matrix, labels, "~ drug")
    >>> design.samples_of("drug", "yes").tolist()
    ['s2', 's3']
    >>> design.loc[["s1", "s3"]].samples_of("drug", "yes").tolist()
    ['s3']
    >>> design["drug[yes]"] = 0
    Traceback (most recent call last):
    scomics_lite.validation.InputError: a Design cannot be changed, since what it knows of its factors would be wrong \
then: change a table of its numbers, design.copy()
    """

    _metadata = ["_labels", "_formula"]  # noqa: RUF012 (pandas wants a list; what pickle keeps beside the table)

    def __init__(self, matrix, factors=None, formula=None):
        super().__init__(pd.DataFrame(matrix).astype(float))
        labels = pd.DataFrame(index=self.index) if factors is None else factors.copy()
        if len(labels) != len(self):
            raise InputError(f"the factors are those of {len(labels)} samples, the design has {len(self)}")
        object.__setattr__(self, "_labels", labels)
        object.__setattr__(self, "_formula", None if formula is None else str(formula))

    @property
    def _constructor(self):
        return pd.DataFrame

    @property
    def matrix(self):
        """The columns as an ordinary DataFrame, which may be changed, shape (n, p)."""
        return self.copy()

    @property
    def factors(self):
        """The level of every factor that each sample has, n rows."""
        return self._labels.copy()

    @property
    def formula(self):
        """What the columns were made by, or None."""
        return self._formula

    def factor(self, name):
        """Find a factor by its name in the formula, or by that of the column behind it: batch for C(batch).

        Parameters
        ----------
        name : str

        Returns
        -------
        Series of categories, shape (n,)
        """
        names = [str(factor) for factor in self._labels]
        wrapped = re.compile(rf"C\(`?{re.escape(str(name))}`?[,)]")
        near = [str(name)] if str(name) in names else [factor for factor in names if wrapped.match(factor)]
        if len(near) != 1:
            raise InputError(f"the design has no factor {str(name)!r}; {did_you_mean(name, names)}")
        return self._labels[near[0]]

    def samples_of(self, factor, level):
        """Name the samples that have a level of a factor.

        Parameters
        ----------
        factor, level : str
            Names, as in the formula and in the data.

        Returns
        -------
        Index
        """
        labels = self.factor(factor)
        levels = [str(one) for one in labels.cat.categories]
        if str(level) not in levels:
            raise InputError(f"factor {labels.name!r} has no level {str(level)!r}; {did_you_mean(level, levels)}")
        return self.index[(labels.astype(str) == str(level)).to_numpy()]

    def reference(self, factor):
        """Give the level that the others of a factor are compared with: the only one without a column, or None.

        Parameters
        ----------
        factor : str

        Returns
        -------
        str or None
        """
        labels = self.factor(factor)
        lacking = [str(level) for level in labels.cat.categories if f"{labels.name}[{level}]" not in self.columns]
        return lacking[0] if len(lacking) == 1 else None

    # --- parts of a design, which are designs ---

    def __getitem__(self, key):
        return self._part(super().__getitem__(key))

    def drop(self, *arguments, **settings):
        """Leave out columns or samples; as the method of a DataFrame, but for ``inplace``."""
        if settings.get("inplace"):
            self._refuse()
        return self._part(super().drop(*arguments, **settings))

    @property
    def loc(self):
        """Choose by names."""
        return _Selection(self, super().loc)

    @property
    def iloc(self):
        """Choose by positions."""
        return _Selection(self, super().iloc)

    @property
    def at(self):
        """Read one number by its names."""
        return _Selection(self, super().at)

    @property
    def iat(self):
        """Read one number by its position."""
        return _Selection(self, super().iat)

    def _part(self, table):
        """Make a Design of rows and columns of this one; other things stay what they are."""
        if isinstance(table, pd.Series):
            return table.copy()  # or a number set in it would be set here
        if not isinstance(table, pd.DataFrame) or not self.index.is_unique:
            return table
        if not (table.index.isin(self.index).all() and table.columns.isin(self.columns).all()):
            return table
        whole = list(table.columns) == list(self.columns)
        return Design(table, self._labels.loc[table.index], self._formula if whole else None)

    # --- frozen ---

    def _refuse(self, *_, **__):
        raise InputError(
            "a Design cannot be changed, since what it knows of its factors would be wrong then: change a table of its "
            "numbers, design.copy()"
        )

    __setitem__ = __delitem__ = insert = pop = update = _update_inplace = _refuse

    def __setattr__(self, name, value):
        if name in ("index", "columns") or not name.startswith("_"):
            self._refuse()
        object.__setattr__(self, name, value)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


class _Selection:
    """What chooses from a Design, such as its ``loc``, and sets nothing."""

    def __init__(self, design, indexer):
        self._design, self._indexer = design, indexer

    def __getitem__(self, key):
        return self._design._part(self._indexer[key])

    def __getattr__(self, name):  # pandas asks its indexers for more than users do
        return getattr(self._indexer, name)

    def __setitem__(self, key, value):
        self._design._refuse()


def as_design(table):
    """Give any design as a Design: numbers, with text for the names of columns.

    Parameters
    ----------
    table : Design, DataFrame or array_like, shape (n, p)
        An array gets columns ``x0``, ``x1`` … Booleans, whole numbers, pandas' nullable and sparse columns become
        floats.

    Returns
    -------
    Design, shape (n, p)
        Without factors where the table knows none.

    Examples
    --------
    >>> as_design([[1, 0], [1, 1]]).columns.tolist()
    ['x0', 'x1']
    >>> as_design(pd.get_dummies(pd.Series(["a", "b", "a"])))
         a    b
    0  1.0  0.0
    1  0.0  1.0
    2  1.0  0.0
    """
    if isinstance(table, Design):
        return table
    frame = _numbers_of(table) if isinstance(table, pd.DataFrame) else _frame_of_array(table)
    if frame.empty:
        raise InputError(f"the design is empty: {frame.shape[0]} samples x {frame.shape[1]} coefficients")
    if not frame.columns.is_unique:
        raise InputError(f"the design has two columns {frame.columns[frame.columns.duplicated()][0]!r}; rename one")
    return Design(frame)


def _numbers_of(frame):
    """Turn the columns of a DataFrame into floats, or name the one that holds something else."""
    frame = frame.rename(columns=str)
    columns = [frame.iloc[:, j] for j in range(frame.shape[1])]  # by position: two may have one name
    for column in columns:
        kind = column.dtype.subtype if isinstance(column.dtype, pd.SparseDtype) else column.dtype
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_complex_dtype(kind):
            raise InputError(
                f"column {column.name!r} of the design holds no numbers but {kind} values; a formula makes columns of "
                f"them: scomics_lite.design.design_matrix(obs, '~ {quoted(column.name)}')"
            )
    values = [column.to_numpy(dtype=float, na_value=np.nan) for column in columns]
    return pd.DataFrame(np.column_stack(values) if values else None, index=frame.index, columns=frame.columns)


def _frame_of_array(table):
    if isinstance(table, str):
        raise InputError(
            f"here a design is a table of numbers, and {table!r} is a formula. The table is made by "
            f"scomics_lite.design.design_matrix(obs, {table!r}), where obs is adata.obs or your sample sheet"
        )
    try:
        values = np.asarray(table)
        values = values if np.iscomplexobj(values) else values.astype(float)
    except (TypeError, ValueError):
        raise InputError(
            f"a design is a formula, '~ batch + condition', or a table of numbers; got {table!r}"
        ) from None
    if values.ndim != 2 or np.iscomplexobj(values):
        kind = f"{values.dtype} values" if np.iscomplexobj(values) else f"an array of shape {values.shape}"
        raise InputError(f"a design is a table of real numbers, samples x coefficients; got {kind}")
    return pd.DataFrame(values, columns=[f"x{j}" for j in range(values.shape[1])])


def quoted(name):
    """Write the name of a column as a formula wants it: in backticks, unless it is one plain word.

    Examples
    --------
    >>> quoted("RIN score"), quoted("sex")
    ('`RIN score`', 'sex')
    """
    return name if str(name).isidentifier() else f"`{name}`"
