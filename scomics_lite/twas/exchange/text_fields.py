"""Fields of a block of text found, numbered and turned into numbers, by compiled loops over its bytes.

What takes the time in reading a table of millions of lines is done here once for each byte. Numbers come out as
Python's `float` would give them, correctly rounded to the last bit: what was written is what is read.
"""

from fractions import Fraction

import numpy as np
from numba import njit

NEWLINE, RETURN, SPACE, TAB, QUOTE = (ord(letter) for letter in '\n\r \t"')
PLUS, MINUS, POINT, ZERO, NINE, SMALL_E, LARGE_E = (ord(letter) for letter in "+-.09eE")
DIGITS = 18  # that fit into an int64
LARGEST = 250  # powers of ten beyond are left to Python's float, as are numbers of more digits
SPLITTER = 2.0**27 + 1  # halves the digits of a double (Dekker 1971)
UNSURE = 2.0**-98  # relative error of a product of two numbers that are sums of two doubles each; a bound


def _powers():
    """Give the powers of ten as sums of two doubles, rounded from exact fractions."""
    exact = [Fraction(10) ** power for power in range(-LARGEST, LARGEST + 1)]
    high = [float(one) for one in exact]
    return np.array([high, [float(one - Fraction(part)) for one, part in zip(exact, high, strict=True)]])


POWERS = _powers()


@njit(cache=True)
def find_fields(data, separator, slots, n_lines):
    r"""Find where the wanted fields of each line begin and end.

    Parameters
    ----------
    data : ndarray of uint8
        Whole lines.
    separator : int
        A byte; `SPACE` stands for any run of spaces and tabs.
    slots : ndarray of int, shape (columns,)
        Where each column goes in the result, -1 for those that are not wanted.
    n_lines : int

    Returns
    -------
    starts, ends : ndarray of int32, shape (n_lines, wanted)
        Without quotation marks and spaces around a field.
    fields : ndarray of int32, shape (n_lines,)
        How many fields a line has, 0 for an empty one.
    line_ends : ndarray of int32, shape (n_lines,)
        Where the line's newline is.

    Examples
    --------
    >>> data = np.frombuffer(b"rs1 0.5\nrs22  1\n", dtype=np.uint8)
    >>> starts, ends, fields, _ = find_fields(data, SPACE, np.array([0, 1]), 2)
    >>> starts.tolist(), ends.tolist(), fields.tolist()
    ([[0, 4], [8, 14]], [[3, 7], [12, 15]], [2, 2])
    """
    starts = np.zeros((n_lines, slots.max() + 1), np.int32)
    ends = np.zeros((n_lines, slots.max() + 1), np.int32)
    fields, line_ends = np.zeros(n_lines, np.int32), np.zeros(n_lines, np.int32)
    at = 0
    for line in range(n_lines):
        field = 0
        while True:
            while _is_blank(data[at], separator):
                at += 1
            if data[at] == NEWLINE and (separator == SPACE or field == 0):
                break
            start, stop, at = _field_at(data, at, separator)
            if field < len(slots) and slots[field] >= 0:
                starts[line, slots[field]], ends[line, slots[field]] = start, stop
            field += 1
            if data[at] == NEWLINE:
                break
            at += 1
        fields[line], line_ends[line] = field, at
        at += 1
    return starts, ends, fields, line_ends


@njit(inline="always")
def _is_blank(byte, separator):
    """Whether a byte is white, and does not separate fields by itself."""
    return byte in (SPACE, TAB, RETURN) and (byte != separator or separator == SPACE)


@njit
def _field_at(data, at, separator):
    """Find the end of the field that begins here, and the separator or newline behind it."""
    start, is_quoted = at, data[at] == QUOTE
    if is_quoted:
        start = at = at + 1
        while data[at] not in (QUOTE, NEWLINE):
            at += 1
        stop = at
    while data[at] not in (NEWLINE, separator) and not (separator == SPACE and data[at] in (TAB, RETURN)):
        at += 1
    if not is_quoted:
        stop = at
        while stop > start and _is_blank(data[stop - 1], separator):
            stop -= 1
    return start, stop, at


@njit(cache=True)
def number_words(data, starts, ends):
    """Give equal fields the same number, from 0 in the order in which they occur.

    Parameters
    ----------
    data : ndarray of uint8
    starts, ends : ndarray of int32, shape (n,)

    Returns
    -------
    codes : ndarray of int32, shape (n,)
    firsts : ndarray of int32
        The row where each number occurs first.

    Examples
    --------
    >>> data = np.frombuffer(b"A C A", dtype=np.uint8)
    >>> codes, firsts = number_words(data, np.array([0, 2, 4]), np.array([1, 3, 5]))
    >>> codes.tolist(), firsts.tolist()
    ([0, 1, 0], [0, 1])
    """
    size = 16
    while size < 2 * len(starts):
        size *= 2
    table = np.full(size, -1, np.int32)
    codes, firsts = np.empty(len(starts), np.int32), np.empty(len(starts), np.int32)
    found = 0
    for row in range(len(starts)):
        if row and _is_same(data, starts, ends, row, row - 1):
            codes[row] = codes[row - 1]
            continue
        place = _hash(data, starts[row], ends[row]) & (size - 1)
        while table[place] >= 0 and not _is_same(data, starts, ends, row, firsts[table[place]]):
            place = (place + 1) & (size - 1)
        if table[place] < 0:
            table[place], firsts[found] = found, row
            found += 1
        codes[row] = table[place]
    return codes, firsts[:found].copy()


@njit
def _is_same(data, starts, ends, row, other):
    """Whether two fields hold the same bytes."""
    a, b = starts[row], starts[other]
    left = ends[row] - a
    if ends[other] - b != left:
        return False
    while left and data[a + left - 1] == data[b + left - 1]:  # names differ at their ends
        left -= 1
    return left == 0


@njit
def _hash(data, start, stop):
    """Mix the bytes of a field into one number (Fowler, Noll and Vo's hash 1a)."""
    mixed = np.uint64(14695981039346656037)
    for i in range(start, stop):
        mixed = (mixed ^ np.uint64(data[i])) * np.uint64(1099511628211)
    return np.int64((mixed ^ (mixed >> np.uint64(32))) & np.uint64(0x7FFFFFFF))


@njit(cache=True)
def parse_numbers(data, starts, ends):
    """Turn fields into numbers.

    Parameters
    ----------
    data : ndarray of uint8
    starts, ends : ndarray of int32, shape (n,)

    Returns
    -------
    values : ndarray, shape (n,)
        Correctly rounded; NaN where `unsure`.
    unsure : ndarray of int64
        Rows that are left to Python's `float`: words, more digits than usual, and sizes beyond 1e±250.

    Examples
    --------
    >>> data = np.frombuffer(b"0.1 NA -2e3", dtype=np.uint8)
    >>> parse_numbers(data, np.array([0, 4, 7]), np.array([3, 6, 11]))
    (array([ 1.e-01,     nan, -2.e+03]), array([1]))
    """
    values = np.empty(len(starts))
    unsure, many = np.empty(len(starts), np.int64), 0
    for row in range(len(starts)):
        value = _number_at(data, starts[row], ends[row])
        values[row] = value
        if value != value:
            unsure[many] = row
            many += 1
    return values, unsure[:many].copy()


@njit
def _number_at(data, start, stop):
    """Read one decimal number; NaN where that is not possible with certainty."""
    at, digits, count, power, has_point, some = start, 0, 0, 0, False, False
    is_negative = stop > start and data[start] == MINUS
    if stop > start and data[start] in (PLUS, MINUS):
        at += 1
    while at < stop and (ZERO <= data[at] <= NINE or (data[at] == POINT and not has_point)):
        if data[at] == POINT:
            has_point = True
        else:
            digits, some = 10 * digits + (data[at] - ZERO), True
            count += count > 0 or data[at] > ZERO
            power -= has_point
            if count > DIGITS:
                return np.nan
        at += 1
    if at < stop and some and data[at] in (SMALL_E, LARGE_E):
        exponent, at = _exponent_at(data, at + 1, stop)
        power += exponent
    if at != stop or not some:
        return np.nan
    value = 0.0 if digits == 0 else _times_power(digits, power)
    return -value if is_negative else value


@njit
def _exponent_at(data, at, stop):
    """Read a whole number with its sign, and where it ends; one that is not there ends before it begins."""
    sign = -1 if at < stop and data[at] == MINUS else 1
    if at < stop and data[at] in (PLUS, MINUS):
        at += 1
    if at == stop or stop - at > 4:
        return 0, -1
    exponent = 0
    while at < stop and ZERO <= data[at] <= NINE:
        exponent, at = 10 * exponent + (data[at] - ZERO), at + 1
    return sign * exponent, at


@njit
def _times_power(digits, power):
    """Give digits × 10^power, rounded once.

    Both factors are sums of two doubles, a + b and s + t. The product a s is split into p and its rounding error
    without loss (Dekker 1971), the small products are added to that error, and the sum is rounded. If a slightly
    smaller or larger error would round to another double, nobody can be sure of the last bit.
    """
    if not -LARGEST <= power <= LARGEST:
        return np.nan
    a = float(digits)
    b = float(digits - np.int64(a))
    s, t = POWERS[0, power + LARGEST], POWERS[1, power + LARGEST]
    p = a * s
    a_high, s_high = SPLITTER * a - (SPLITTER * a - a), SPLITTER * s - (SPLITTER * s - s)
    a_low, s_low = a - a_high, s - s_high
    error = ((a_high * s_high - p) + a_high * s_low + a_low * s_high) + a_low * s_low
    error += a * t + b * s
    below, above = p + (error - UNSURE * p), p + (error + UNSURE * p)
    return below if below == above else np.nan
