"""Several questions to one fit: ``python benchmarks/contrasts.py``.

A simulated table of 20,000 genes x 100 samples in four groups, fixed seed, three contrasts. In one process each, with
one thread: three calls of `differential.test`, and one `differential.fit` with ``study.tests``. Both give the same
tables, which the script checks. Seconds are those of the calls, the counts already in memory.
"""

import argparse
import json
import sys

import measure
import numpy as np
import pandas as pd

CONTRASTS = {
    "B": ("condition", "B", "A"),
    "C": ("condition", "C", "A"),
    "D against C": ("condition", "D", "C"),
}
METHODS = ("wald", "ql", "voom")
WAYS = ("three calls", "a study")


def counts(scale):
    from scomics_lite import simulate

    n = max(3, round(25 * scale))
    return simulate.bulk_counts([group for group in "ABCD" for _ in range(n)], round(20_000 * scale), rng=1)


def answer(adata, method, way):
    """Give a function that answers all three questions one way."""
    from scomics_lite import differential

    settings = {"method": method, "progress": False}
    if way == "a study":
        return lambda: differential.fit(adata, "~ condition", **settings).tests(CONTRASTS)
    return lambda: {
        name: differential.test(adata, "~ condition", contrast, **settings) for name, contrast in CONTRASTS.items()
    }


def measure_one(method, way, scale):
    """Do the work of a child process; print what it took and a digest of the numbers."""
    tables, took = measure.clocked(answer(counts(scale), method, way))
    numbers = pd.concat(list(tables.values())).select_dtypes("number").to_numpy()
    took["digest"] = [float(np.nansum(numbers * weight)) for weight in (1.0, np.arange(len(numbers))[:, None])]
    print(json.dumps(took))


def main(scale):
    print(f"{'method':8} {'way':12} {'seconds':>8} {'CPU s':>8} {'MB':>6}")
    for method in METHODS:
        digests = []
        for way in WAYS:
            found = measure.report([sys.executable, __file__, "--one", method, way, "--scale", scale])
            if isinstance(found, str):
                print(f"{method:8} {way:12} {found}")
                continue
            digests.append(found["digest"])
            print(f"{method:8} {way:12} {found['seconds']:8.2f} {found['cpu']:8.2f} {found['peak']:6.0f}")
        same = len(digests) == len(WAYS) and np.allclose(*digests, rtol=1e-12)
        print(f"{method:8} the tables are {'the same' if same else 'NOT the same'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="of genes and samples; 0.1 tries it out")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure_one(*arguments.one, arguments.scale)
    else:
        main(arguments.scale)
