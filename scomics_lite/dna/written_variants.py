"""Variants written into DNA: letters replaced, taken out and put in, while one base keeps its place.

A variant is written as an edit, (start, end, letters): what stands at offsets start to end - 1 makes room for letters.
What both alleles share is no part of it, so that a deletion AT to A takes out the T alone and leaves the A for other
variants; an insertion has start = end and stands before the letter at this offset.
"""

from typing import NamedTuple

from scomics_lite.dna.letters import reverse_complement


class Edit(NamedTuple):
    """One change of a text."""

    start: int
    end: int
    letters: str

    @property
    def growth(self):
        """By how many letters the text gets longer."""
        return len(self.letters) - (self.end - self.start)

    def turned(self, length):
        """Give the same change of a text of so many letters, told on the other strand."""
        return Edit(length - self.end, length - self.start, reverse_complement(self.letters))


def edits_between(old, new, offset):
    """Give the edits that turn an allele into another.

    Parameters
    ----------
    old, new : str
        The letters that are there, and those that come.
    offset : int
        Where `old` begins.

    Returns
    -------
    list of Edit
        Of alleles of the same length one for each letter that differs; else one, without the letters that both share
        at their ends.

    Examples
    --------
    >>> edits_between("AT", "A", 10), edits_between("A", "ACC", 10)
    ([Edit(start=11, end=12, letters='')], [Edit(start=11, end=11, letters='CC')])
    >>> edits_between("ACG", "TCA", 10)
    [Edit(start=10, end=11, letters='T'), Edit(start=12, end=13, letters='A')]
    """
    if len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True), start=offset)
        return [Edit(place, place + 1, after) for place, (before, after) in pairs if before != after]
    first = int(old[:1] == new[:1])  # the base that VCF puts before an indel is no part of it, whatever follows
    tail = _shared(old[first:][::-1], new[first:][::-1])
    old, new = old[: len(old) - tail], new[: len(new) - tail]
    head = _shared(old, new)
    return [Edit(offset + head, offset + len(old), new[head:])]


def _shared(one, other):
    """Count the letters that two texts share from their starts."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def clash(edits):
    """Find two edits that cannot both be made: they change the same letters, or put letters into the same place.

    Parameters
    ----------
    edits : list of Edit
        In order.

    Returns
    -------
    int or None
        The place of the second of them.

    Examples
    --------
    >>> clash([Edit(3, 6, ""), Edit(5, 6, "A")]), clash([Edit(3, 6, ""), Edit(6, 6, "A")])
    (1, None)
    """
    for place in range(1, len(edits)):
        before, after = edits[place - 1], edits[place]
        both_insert = before.start == before.end == after.start == after.end
        if after.start < before.end or both_insert:
            return place
    return None


def written(letters, edits, anchor, before, after):
    """Make edits, and cut out what stands around one base.

    Parameters
    ----------
    letters : str
    edits : list of Edit
        In order, without a clash; none of them moves the base at `anchor`.
    anchor : int
        The offset of the base that keeps its place.
    before, after : int
        How many letters to give before this base, and behind it.

    Returns
    -------
    str or None
        ``before + 1 + after`` letters: more of `letters` where edits took some out, less where they put some in. None
        where `letters` has not enough.

    Examples
    --------
    >>> written("AAACGTTT", [Edit(2, 3, ""), Edit(5, 5, "GG")], anchor=4, before=2, after=2)
    'ACGGG'
    """
    pieces, at = [], 0
    for edit in edits:
        pieces += (letters[at : edit.start], edit.letters)
        at = edit.end
    pieces.append(letters[at:])
    text = "".join(pieces)
    centre = anchor + sum(edit.growth for edit in edits if edit.end <= anchor)
    if centre < before or centre + after >= len(text):
        return None
    return text[centre - before : centre + after + 1]
