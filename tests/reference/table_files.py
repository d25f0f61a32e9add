"""What the makers of these tables share: cases handed to R, digits kept as R wrote them, bytes without dates."""

import gzip
import hashlib
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent


def save_cases(every, folder):
    """Write the cases {name: (obs, formulas, counts (n, g))} as the R scripts read them."""
    for name, (obs, formulas, counts) in every.items():
        names = [f"s{number}" for number in range(len(obs))]
        pd.DataFrame(counts.T, columns=names).to_csv(folder / f"{name}.counts.tsv", sep="\t", index=False)
        obs.set_axis(names).to_csv(folder / f"{name}.samples.tsv", sep="\t")
        (folder / f"{name}.formulas.txt").write_text("\n".join(formulas) + "\n")


def read(path, name, column="case"):
    """Read what R wrote of a case."""
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)  # digits stay as R wrote them
    table.insert(0, column, name)
    return table


def read_versions(folder):
    """Read which R and packages it were."""
    return pd.read_csv(f"{folder}/versions.tsv", sep="\t", index_col=0)["version"].to_dict()


def write(table, name):
    """Write a gzipped table whose bytes depend on its content alone; return their sha256."""
    packed = gzip.compress(table.to_csv(sep="\t", index=False, lineterminator="\n").encode(), mtime=0)
    (HERE / name).write_bytes(packed)
    return hashlib.sha256(packed).hexdigest()
