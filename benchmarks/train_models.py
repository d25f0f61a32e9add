"""Models of all genes, in three ways: ``python benchmarks/train_models.py``.

Simulated genotypes with LD, 200 people, genes with 300 SNPs in their windows, half of the genes with one causal SNP.
`twas.train_models` in one process, in two, and by a Dask client with two workers; each way in a process of its own, one
thread each. Genes per second with and without the start of the workers (two genes are trained first; compiled code
comes from numba's cache), CPU seconds of all processes where the system tells, the largest memory of the main process,
and whether model and covariances are the same numbers.
"""

import argparse
import json
import os
import sys
import time

import measure
import numpy as np
import pandas as pd

WAYS = ("serial", "2 processes", "Dask, 2 workers")
SNPS_EACH, PEOPLE = 300, 200


def study(n_genes):
    """Genes 10 Mb apart; neighbouring SNPs have haplotypes that agree nine times of ten."""
    import anndata

    rng, m = np.random.default_rng(0), n_genes * SNPS_EACH
    new = rng.random((2 * PEOPLE, m)) < rng.uniform(0.05, 0.5, m)
    kept = rng.random((2 * PEOPLE, m)) < 0.9
    kept[:, ::SNPS_EACH] = False
    last = np.maximum.accumulate(np.where(kept, 0, np.arange(m)), axis=1)
    haplotypes = np.take_along_axis(new, last, axis=1)
    dosages = haplotypes[:PEOPLE].astype(np.int8) + haplotypes[PEOPLE:]
    position = np.repeat(np.arange(n_genes), SNPS_EACH) * 10_000_000 + np.tile(np.arange(SNPS_EACH), n_genes) * 1_000
    snps = pd.DataFrame({"chromosome": "1", "position": position, "ref_allele": "A", "eff_allele": "G"})
    expression = pd.DataFrame(rng.normal(size=(PEOPLE, n_genes)), columns=[f"g{i}" for i in range(n_genes)])
    for gene in range(0, n_genes, 2):
        expression[f"g{gene}"] += dosages[:, gene * SNPS_EACH + SNPS_EACH // 2] * 0.7
    people = pd.Index([f"p{i}" for i in range(PEOPLE)])
    starts = np.arange(n_genes) * 10_000_000 + 100_000
    genes = pd.DataFrame({"chromosome": "1", "start": starts, "end": starts + 100_000}, expression.columns)
    panel = anndata.AnnData(dosages, pd.DataFrame(index=people), snps.set_index("rs" + snps.index.astype(str)))
    return panel, expression.set_axis(people), genes


def measure_one(way, n_genes):
    """Do the work of a child process; print what it took and a digest of the numbers."""
    from scomics_lite import twas

    panel, expression, genes = study(n_genes)
    settings = {"progress": False, "keep": "all"}
    first = genes[:2]
    if way == WAYS[2]:
        from distributed import Client

        start = time.perf_counter()
        with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
            twas.train_models(panel, expression, first, client=client, **settings)
            begun = time.perf_counter() - start
            (model, covariance), took = measure.clocked(
                lambda: twas.train_models(panel, expression, genes, client=client, **settings)
            )
    else:
        settings |= {"processes": 2 if way == WAYS[1] else 1}
        start = time.perf_counter()
        twas.train_models(panel, expression, first, **settings)
        begun = time.perf_counter() - start
        (model, covariance), took = measure.clocked(lambda: twas.train_models(panel, expression, genes, **settings))
    numbers = [model.weights["weight"], model.extra["rho_avg"], *(covariance.of(gene) for gene in model.genes)]
    took |= {"begun": begun, "digest": [float(np.sum(np.asarray(one))) for one in numbers]}
    print(json.dumps(took))


def main(n_genes):
    print(
        f"{n_genes} genes x {SNPS_EACH:,} SNPs x {PEOPLE} people; {os.cpu_count()} cores; first: two genes and start-up"
    )
    print(f"{'way':16} {'first s':>8} {'seconds':>8} {'genes/s':>8} {'CPU s':>7} {'MB':>6}  same numbers")
    digests = []
    for way in WAYS:
        found = measure.report([sys.executable, __file__, "--one", way, "--genes", n_genes])
        if isinstance(found, str):
            print(f"{way:16} {found}")
            continue
        digests.append(found["digest"])
        rate, same = n_genes / found["seconds"], digests[-1] == digests[0]
        numbers = f"{found['begun']:8.1f} {found['seconds']:8.1f} {rate:8.2f} {found['cpu']:7.1f} {found['peak']:6.0f}"
        print(f"{way:16} {numbers}  {'yes' if same else 'NO'}", flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--genes", type=int, default=20)
    arguments.add_argument("--one", choices=WAYS)
    given = arguments.parse_args()
    if given.one:
        measure_one(given.one, given.genes)
    else:
        main(given.genes)
