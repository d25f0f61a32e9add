"""Make the bundled motifs again: ``python tests/reference/make_jaspar.py PATH/TO/pyjaspar-4.0.0-py3-none-any.whl``.

The wheel holds JASPAR 2024 as an SQLite data base. Written is ``data/jaspar/JASPAR2024_CORE_vertebrates_nr.txt.gz``:
of the collection CORE, group vertebrates, the latest version of every base id, which JASPAR calls non-redundant, as
counts in JASPAR's text format.
"""

import gzip
import sqlite3
import sys
import tempfile
import zipfile
from pathlib import Path

import pandas as pd

TARGET = Path(__file__).parents[2] / "data" / "jaspar" / "JASPAR2024_CORE_vertebrates_nr.txt.gz"
DATABASE = "pyjaspar/data/JASPAR2024.sqlite"
LATEST = """
SELECT m.ID AS number, m.BASE_ID || '.' || MAX(m.VERSION) AS id, m.NAME AS name
FROM MATRIX m JOIN MATRIX_ANNOTATION a ON a.ID = m.ID
WHERE m.COLLECTION = 'CORE' AND a.TAG = 'tax_group' AND a.VAL = 'vertebrates'
GROUP BY m.BASE_ID ORDER BY m.BASE_ID
"""  # SQLite takes the other columns from the row of the maximum


def texts(connection):
    """Give every matrix as five lines of text."""
    latest = pd.read_sql_query(LATEST, connection)
    cells = pd.read_sql_query('SELECT ID, "row", col, val FROM MATRIX_DATA ORDER BY ID, "row", col', connection)
    counts = {key: part["val"] for key, part in cells.groupby(["ID", "row"])}
    for motif in latest.itertuples():
        rows = [f"{letter}  [ {' '.join(f'{x:.10g}' for x in counts[motif.number, letter])} ]" for letter in "ACGT"]
        yield "\n".join([f">{motif.id}\t{motif.name}", *rows, ""])


def main(wheel):
    with tempfile.TemporaryDirectory() as folder:
        path = zipfile.ZipFile(wheel).extract(DATABASE, folder)
        connection = sqlite3.connect(path)
        content = "".join(texts(connection)).encode()
        connection.close()
    TARGET.write_bytes(gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    main(sys.argv[1])
