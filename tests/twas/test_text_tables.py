"""Text tables: fields are what splitting the lines gives, wherever a block happens to end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scomics_lite.twas import read_covariance
from scomics_lite.twas.exchange import text_tables
from scomics_lite.twas.exchange.text_tables import TextTable
from scomics_lite.validation import InputError

FIELD = st.text("abcrs01.-é", min_size=1, max_size=5)
TABLES = st.lists(st.lists(FIELD, min_size=3, max_size=3), min_size=1, max_size=12)


@pytest.fixture(params=[1, 7, 64, 1 << 23])
def block(request, monkeypatch):
    monkeypatch.setattr(text_tables, "BLOCK", request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@settings(max_examples=25, deadline=None)
@given(
    rows=TABLES, separator=st.sampled_from(["\t", ",", ";", " ", " \t ", "   "]), size=st.sampled_from([1, 9, 1 << 23])
)
def test_fields_are_those_of_split(rows, separator, size, folder):
    (folder / "table").write_text("\n".join(separator.join(row) for row in [["x", "y", "z"], *rows]), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_tables, "BLOCK", size)
        blocks = list(TextTable(folder / "table").blocks({"z": "category", "x": str}))
    found = [pair for one in blocks for pair in zip(one.words("x"), one.words("z"), strict=True)]
    assert found == [(row[0], row[2]) for row in rows]
    assert np.concatenate([one.lines for one in blocks]).tolist() == list(range(2, len(rows) + 2))
    known = {}
    codes = np.concatenate([one.codes("z", known) for one in blocks])
    assert [list(known)[code] for code in codes] == [row[2] for row in rows]


@pytest.mark.usefixtures("block")
def test_lines_keep_their_numbers_over_comments_empty_and_broken_lines(folder):
    (folder / "table").write_text('## about\n\nx,y\n1,2\n\n3\n"4,4",5\n6,7,8\n9,\n10,11')
    table = TextTable(folder / "table")
    blocks = list(table.blocks({"x": str, "y": "category"}))
    assert [line for one in blocks for line in one.lines] == [4, 7, 9, 10]
    assert [word for one in blocks for word in one.words("x")] == ["1", "4,4", "9", "10"]
    assert [word for one in blocks for word in one.words("y")] == ["2", "5", "", "11"]
    assert [tuple(broken) for one in blocks for broken in one.broken] == [(6, "3", 1), (8, "6,7,8", 3)]


@pytest.mark.usefixtures("block")
def test_a_covariance_file_is_the_same_however_it_is_cut(folder):
    lines = [
        f"g{gene} rs{gene}{a} rs{gene}{b} {gene + a * b / 7!r}"
        for gene in range(3)
        for a in range(4)
        for b in range(a, 4)
    ]
    (folder / "cov").write_text("\n".join(["GENE RSID1 RSID2 VALUE", *lines, ""]))
    known = read_covariance(folder / "cov")
    assert known.of("g2").loc["rs21", "rs23"] == 2 + 3 / 7
    assert len(known.values) == len(lines)


def test_a_separator_is_one_character(folder):
    (folder / "table").write_text("x|y\n1|2\n")
    assert TextTable(folder / "table", "|").columns == ["x", "y"]
    with pytest.raises(InputError, match="separator is a single character"):
        TextTable(folder / "table", "||")
