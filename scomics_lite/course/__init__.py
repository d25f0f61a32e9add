"""The course around the chapters: exercises and their checks, the commands, the gallery, the glossary."""

from scomics_lite.course.checks import check

__all__ = ["check", "glossary"]


def glossary():
    """Return the course's terms, English and Chinese, as a DataFrame (term, chinese, meaning, chapter).

    Examples
    --------
    >>> from scomics_lite.course import glossary
    >>> list(glossary().columns)
    ['term', 'chinese', 'meaning', 'chapter']
    """
    # Imported here: a check needs neither pandas nor the data sets.
    import pandas as pd

    from scomics_lite.datasets import data_folder

    return pd.read_csv(data_folder() / "glossary.csv", dtype=str)
