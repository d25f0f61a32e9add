"""From DNA to hits on simulated truth: ``python benchmarks/dna_to_hit.py``.

Worlds of `simulate.regulatory_world` with 1,000 genes (or `--genes`); `--settings` chooses, of these, as (sequence
share, distal heritability): the share of the variance of expression across genes that sequences cause, and the mean
share of the variance between people that SNPs outside the sequences read explain. A trait follows the expression of 20
genes in B cells, which explains 2 % of its variance, and other SNPs explain 1 %; the GWAS has 100,000 others.

"steps": `twas.scpredixcan` on 300 people in two processes, from files of the world: minutes, CPU minutes (children
included) and the largest memory of the main process, step by step. 20 donors with 30 cells of each of three types;
features are the 100 motifs of `simulate.motif_bank`, half of which the world plants; window 20,000 bases, which holds
all that acts.

"power": 450 people. Two ways to weights: l-ctPred, from `scpredixcan`, with single cells of 20 donors; and PrediXcan's,
an elastic net on what the 450 themselves express in each cell type (log counts per million of 100 cells each), by
`twas.fit_elastic_net` with five folds and 30 penalties down to a twentieth of the largest; genes are tested whose
cross-validated predictions have a correlation above 0.1 and p < 0.05. (`train_models` does the same in folds within
folds, and takes ten times as long.)
Of S-PrediXcan in each cell type and of S-MultiXcan, at p < 0.05 / genes tested (Bonferroni) and at a false discovery
rate of 5 % (Benjamini and Hochberg): hits; power, percent of the 20 causal genes that are hits; and of the hits the
percent that are causal, in LD with a causal gene (their genetic expression in B cells is correlated with it, r² > 0.05,
in the world's people), and neither. Beside it the median across genes of the correlation of predicted with genetic
expression in B cells across people, and the percent of genes with the right sign.
"""

import argparse
import json
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import measure
import numpy as np
import pandas as pd

SETTINGS = {"0.5/0.1": (0.5, 0.1), "0.5/0": (0.5, 0.0), "0.1/0.1": (0.1, 0.1), "0.9/0.1": (0.9, 0.1)}
PEOPLE, TIMED, CAUSAL, WINDOW, ACTING = 450, 300, 20, 20_000, "B"
LINKED, LEVEL = 0.05, 0.05
PENALTIES = {"folds": 5, "n_lambdas": 30, "lambda_ratio": 0.05}  # quicker than the defaults
STEPS = ("1_ctpred", "2_people", "3_linear", "4_association")


def world_of(setting, people, genes):
    from scomics_lite import simulate

    share, distal = SETTINGS[setting]
    return simulate.regulatory_world(genes, people, sequence_share=share, distal_heritability=distal, rng=12)


def gwas_of(world):
    return world.gwas(causal_genes=CAUSAL, cell_type=ACTING, mediated=0.02, polygenic=0.01, rng=3)


def path_of(world, gwas, folder, **settings):
    """Run the four steps on a world's files."""
    from scomics_lite import dna, simulate, twas

    world.write(folder / "study", gwas=gwas)
    files = {"genome": "genome.fa", "genes": "genes.gtf", "cells": "cells.h5ad", "people": "people.vcf.gz"}
    return twas.scpredixcan(
        folder / "work",
        **{name: folder / "study" / file for name, file in files.items()},
        gwas=folder / "study" / "gwas.txt.gz",
        featuriser=dna.MotifFeatures(simulate.motif_bank()),
        window=WINDOW,
        processes=2,
        progress=False,
        **settings,
    )


# --- what the steps take ----------------------------------------------------------------------------------------------


def timed(genes):
    """Do the work of a child process: print what each step took, as a line of JSON."""
    world, taken = world_of("0.5/0.1", TIMED, genes), {}
    state = {"began": time.perf_counter(), "cpu": measure.cpu_seconds()}

    def heard(line):
        step = line.split(":")[0]
        if line.endswith("minutes"):
            now = {"began": time.perf_counter(), "cpu": measure.cpu_seconds()}
            taken[step] = [now["began"] - state["began"], now["cpu"] - state["cpu"], measure.peak_mb()]
            state.update(now)

    with tempfile.TemporaryDirectory() as folder:
        gwas = gwas_of(world)
        state.update(began=time.perf_counter(), cpu=measure.cpu_seconds())
        path_of(world, gwas, Path(folder), report=heard)
    print(json.dumps(taken))


def steps(genes):
    found = measure.report([sys.executable, __file__, "--timed", "--genes", genes])
    if isinstance(found, str):
        print(found)
        return
    print(f"\n## steps: {genes:,} genes, {TIMED} people\n\n| step | minutes | CPU minutes | MB |\n|---|---|---|---|")
    for name in STEPS:
        seconds, cpu, peak = found[name]
        print(f"| {name} | {seconds / 60:.1f} | {cpu / 60:.1f} | {peak:,.0f} |")
    seconds, cpu, peak = np.array([found[name] for name in STEPS]).T
    print(f"| all | {seconds.sum() / 60:.1f} | {cpu.sum() / 60:.1f} | {peak.max():,.0f} |")


# --- power ------------------------------------------------------------------------------------------------------------


def near(dosages, gene):
    """Give the dosages of the SNPs of a gene's window."""
    places = dosages.var["position"].between(gene.tss - WINDOW, gene.tss + WINDOW)
    return dosages[:, (places & (dosages.var["chromosome"] == gene.chromosome)).to_numpy()].copy()


def trained(windows, levels, genes):
    """Fit PrediXcan's weights of all genes that can be predicted."""
    from scomics_lite import twas

    parts = []
    for gene, window, y in zip(genes, windows, levels.T, strict=True):
        if np.ptp(y) == 0:
            continue
        fit = twas.fit_elastic_net(window, y, **PENALTIES)
        if fit.correlation > 0.1 and fit.pvalue < 0.05:
            rows = window.var.loc[fit.nonzero.index, ["ref_allele", "eff_allele"]].rename_axis("rsid").reset_index()
            parts.append(rows.assign(gene=gene, weight=fit.nonzero.to_numpy()))
    return twas.PredictionModel(pd.concat(parts, ignore_index=True))


def by_eqtls(world, gwas):
    """Train PrediXcan's models on what people express; give S-PrediXcan's and S-MultiXcan's tables."""
    from scomics_lite import normalization, twas

    sums, models, tables = world.pseudobulk(rng=4), {}, {}
    dosages = world.dosages[:, twas.filter_snps(world.dosages)["keep"].to_numpy()].copy()
    windows = [near(dosages, gene) for gene in world.genes.itertuples()]
    for name in world.cell_types:
        own = sums[(sums.obs["cell_type"] == name).to_numpy()]
        assert list(own.obs["person"]) == list(dosages.obs_names)
        models[name] = trained(windows, np.asarray(normalization.log_cpm(own)), world.genes.index)
        covariances = twas.covariances(dosages, models[name])
        tables[name] = twas.s_predixcan(gwas.table, models[name], covariances, progress=False)
    joint = twas.s_multixcan(tables, models, twas.covariances(dosages, models), gwas=gwas.table)
    predicted = twas.predict_expression(world.dosages, models[ACTING])
    return tables | {"S-MultiXcan": joint}, predicted


def by_dna(world, gwas, folder):
    """Run the four steps; give the same."""
    from scomics_lite import twas

    result = path_of(world, gwas, folder)
    tables = {name: table for name, table in result.association.groupby("cell_type", sort=False)}
    predicted = twas.predict_expression(world.dosages, result.models[ACTING])
    return tables | {"S-MultiXcan": result.multixcan}, predicted


def kinds(world, gwas):
    """Say what each gene is: causal, in LD with a causal one, or neither."""
    causal = gwas.trait.gene_effects != 0
    levels = world.expression.to_df(f"genetic[{ACTING}]")
    acting = levels.loc[:, causal.index[causal]].to_numpy()
    deviations = (levels - levels.mean()).to_numpy()
    acting = acting - acting.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        squared = (deviations.T @ acting) ** 2
        squared /= (deviations**2).sum(axis=0)[:, None] * (acting**2).sum(axis=0)
    here, there = world.genes["chromosome"], world.genes.loc[causal.index[causal], "chromosome"]
    squared[here.to_numpy()[:, None] != there.to_numpy()] = 0  # chance, between chromosomes
    linked = np.nanmax(squared, axis=1) > LINKED
    found = pd.Series(np.where(linked, "linked", "far"), world.genes.index)
    found[causal.index[causal]] = "causal"
    return found


def counted(table, kind):
    """Count hits at both levels: number, power, and what they are, in percent."""
    from scomics_lite.multiple_testing import adjust

    tested = table.dropna(subset="pvalue").set_index("gene")["pvalue"]
    cells = [f"{len(tested):,}"]
    for hits in (tested.index[tested < LEVEL / len(tested)], tested.index[np.asarray(adjust(tested)) < LEVEL]):
        of = kind.reindex(hits).value_counts()
        parts = [of.get(name, 0) for name in ("causal", "linked", "far")]
        shares = [f"{100 * part / max(len(hits), 1):.0f}" for part in parts]
        cells.append(f"{len(hits)} · {100 * parts[0] / CAUSAL:.0f} · {' / '.join(shares)}")
    return cells


def across_people(world, predicted):
    """Correlate predicted with genetic expression of each gene; give median and percent of right signs."""
    genetic = world.expression.to_df(f"genetic[{ACTING}]")[predicted.columns]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        r = predicted.corrwith(genetic).dropna()
    return f"{r.median():.2f} · {100 * (r > 0).mean():.0f} of {len(r):,}"


def power(setting, genes):
    world = world_of(setting, PEOPLE, genes)
    gwas = gwas_of(world)
    kind = kinds(world, gwas)
    linked = (kind == "linked").sum()
    print(f"\n## power, {setting}: {genes:,} genes, {linked} in LD with the {CAUSAL} causal ones\n")
    columns = ["weights", "test", "genes", "Bonferroni: hits · power · causal / linked / far", "the same, FDR 5 %"]
    print("|", " | ".join([*columns, "r across people · right sign"]), "|\n" + "|---" * 6 + "|")
    with tempfile.TemporaryDirectory() as folder:
        ways = {"l-ctPred": partial(by_dna, world, gwas, Path(folder)), "eQTL": partial(by_eqtls, world, gwas)}
        for way, made in ways.items():
            tables, predicted = made()
            for name, table in tables.items():
                people = across_people(world, predicted) if name == ACTING else ""
                print("|", " | ".join([way, name, *counted(table, kind), people]), "|", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", nargs="*", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--genes", type=int, default=1_000)
    parser.add_argument("--no-steps", action="store_true")
    parser.add_argument("--timed", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    if arguments.timed:
        timed(arguments.genes)
        return
    if not arguments.no_steps:
        steps(arguments.genes)
    for setting in arguments.settings:
        power(setting, arguments.genes)


if __name__ == "__main__":
    main()
