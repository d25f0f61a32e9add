"""Are the posterior probabilities of genes in a locus kept? ``python benchmarks/locus_posterior.py``.

200 loci of 8 genes and 250 SNPs in 100,000 bases (simulated, with LD). Expression has a heritability of 0.2 from two
SNPs; with probability 0.5 each of them is one of the neighbouring gene's. One gene is causal: its effect times sqrt(N)
is normal with variance 40, FOCUS's assumption. z-scores of SNPs have the LD of 1,000 people, `s_predixcan` and
`expression_correlation` that of 500 others, and weights are the true ones, or an elastic net's from 300 further people
(genes whose cross-validated correlation has p < 0.05, so that the causal gene may be lost). "without the causal gene":
the same after it has been taken out of the model, as if it were expressed in a tissue that was not measured.

"sets": of all loci and of those with a z beyond 4 or -4: how often, in percent, the 90 % credible set holds the causal
gene, how many rows it has, how often the gene with the largest probability is the causal one, and how often the gene
with the largest |z| is. Where the causal gene is not in the model: how often the set holds "none of these", and how
often a gene has a probability above 0.5 or 0.9, which is wrong then. "bins": genes by their probability, in percent,
where the causal gene is in the model: mean probability, share that is causal, and the number of genes. Prior
probabilities of a gene are FOCUS's 0.001 and 1 / 8. Standard errors in both are binomial.
"""

import argparse
from itertools import pairwise

import numpy as np
import pandas as pd

from scomics_lite import simulate
from scomics_lite.twas import (
    PredictionModel,
    covariances,
    expression_correlation,
    fit_elastic_net,
    locus_posterior,
    s_predixcan,
)

GENES, SNPS, VARIANCE = 8, 250, 40.0
PEOPLE = {"trained": 300, "panel": 500, "gwas": 1_000}
BINS = (0, 0.05, 0.2, 0.5, 0.8, 0.95, 1)
HIT = 4
NONE = "none of these"


def simulated_locus(rng):
    """Simulate a locus: dosages and expression of all people, the causal gene, and the GWAS."""
    seeds = [int(seed) for seed in rng.integers(2**31, size=3)]
    dosages = simulate.genotypes(sum(PEOPLE.values()), SNPS, spacing=400, rng=seeds[0])
    places = simulate.genes(dosages, GENES, rng=seeds[1])
    expression = simulate.expression(dosages, places, window=20_000, shared=0.5, heritability=0.2, rng=seeds[2])
    causal = rng.choice(expression.var_names)
    last = np.arange(-PEOPLE["gwas"], 0)
    x, t = dosages.X[last].astype(float), expression[last, causal].layers["genetic"][:, 0]
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    t = (t - t.mean()) / t.std()
    zscores = x.T @ (rng.normal(0, np.sqrt(VARIANCE)) * t / len(t) + rng.standard_normal(len(t)) / np.sqrt(len(t)))
    alleles = {"effect_allele": dosages.var["eff_allele"], "non_effect_allele": dosages.var["ref_allele"]}
    gwas = pd.DataFrame({"snp": dosages.var_names, **alleles, "zscore": zscores}).reset_index(drop=True)
    return dosages, expression, causal, gwas[x.std(axis=0) > 0]


def estimated(dosages, expression):
    """Learn a model from the first people; None where no gene can be predicted."""
    people, parts = slice(PEOPLE["trained"]), []
    kept = dosages[people, np.ptp(dosages.X[people], axis=0) > 0].to_memory()
    for gene in expression.var_names:
        fit = fit_elastic_net(kept, expression[people, gene].X[:, 0], lambda_ratio=0.05, n_lambdas=30)
        if fit.pvalue < 0.05 and fit.correlation > 0:
            weights = fit.weights[fit.weights != 0]
            part = kept.var.loc[weights.index, ["ref_allele", "eff_allele"]]
            parts.append(part.assign(gene=gene, weight=weights).rename_axis("rsid").reset_index())
    return PredictionModel(pd.concat(parts, ignore_index=True)) if parts else None


def without(model, gene):
    kept = [] if model is None else [one for one in model.genes if one != gene]
    return model.select(kept) if kept else None


def looked_at(model, panel, gwas, prior):
    """Give the table of `locus_posterior`."""
    results = s_predixcan(gwas, model, covariances(panel, model), progress=False).set_index("gene")["zscore"].dropna()
    correlation = expression_correlation(panel, model, results.index, gwas=gwas)
    return locus_posterior(results, correlation, prior=prior, prior_variance=VARIANCE)


def studied(loci):
    """Collect a row for each row of a table, locus, case and prior."""
    rng, rows = np.random.default_rng(1), []
    for locus in range(loci):
        dosages, expression, causal, gwas = simulated_locus(rng)
        first = PEOPLE["trained"]
        panel = dosages[first : first + PEOPLE["panel"]].to_memory()
        true = PredictionModel(expression.uns["truth"]["weights"])
        models = {"true weights": true, "estimated weights": estimated(dosages, expression)}
        models |= {f"{name}, without the causal gene": without(model, causal) for name, model in models.items()}
        for case, model in models.items():
            if model is None:
                continue
            for prior in (1e-3, 1 / GENES):
                table = looked_at(model, panel, gwas, prior)
                is_causal = np.where(table["gene"] == NONE, causal not in model, table["gene"] == causal)
                rows.append(table.assign(locus=locus, case=case, prior=prior, is_causal=is_causal))
    return pd.concat(rows, ignore_index=True)


def heading(*columns):
    print("\n|", " | ".join(columns), "|\n" + "|---" * len(columns) + "|")


def percent(hits):
    hits = np.asarray(hits, dtype=float)
    return f"{100 * hits.mean():.0f} ± {100 * np.sqrt(hits.mean() * (1 - hits.mean()) / len(hits)):.0f}"


def sets(rows):
    """How often the truth is in the credible set, and on top."""
    heading(
        "weights",
        "prior",
        "loci",
        "number",
        "set holds the truth",
        "rows",
        "largest pip is right",
        "largest z is right",
    )
    heads = []
    for (case, prior), part in rows.groupby(["case", "prior"], sort=False):
        by_locus = part.groupby("locus")
        found = by_locus.apply(described, include_groups=False)
        present = found[found["present"]] if "without" not in case else found[~found["present"]]
        for name, some in (("all", present), (f"z beyond {HIT}", present[present["largest"] > HIT])):
            if not len(some):
                continue
            if "without" in case:
                heads.append((case, prior, name, some))
                continue
            cells = percent(some["held"]), f"{some['rows'].mean():.1f}", percent(some["pip"]), percent(some["z"])
            print(f"| {case} | {prior:g} | {name} | {len(some)} | {' | '.join(cells)} |")
    heading("weights", "prior", "loci", "number", 'set holds "none of these"', "a gene has pip > 0.5", "> 0.9")
    for case, prior, name, some in heads:
        cells = percent(some["held"]), percent(some["gene"] > 0.5), percent(some["gene"] > 0.9)
        print(f"| {case} | {prior:g} | {name} | {len(some)} | {' | '.join(cells)} |")


def described(table):
    genes = table[table["gene"] != NONE]
    return pd.Series(
        {
            "present": genes["is_causal"].any(),
            "held": table.loc[table["is_causal"].astype(bool), "in_credible_set"].any(),
            "rows": table["in_credible_set"].sum(),
            "pip": genes.loc[genes["pip"].idxmax(), "is_causal"],
            "z": genes.loc[genes["zscore"].abs().idxmax(), "is_causal"],
            "gene": genes["pip"].max(),
            "largest": genes["zscore"].abs().max(),
        }
    )


def bins(rows):
    """Probabilities beside frequencies."""
    heading("weights", "prior", "pip, percent", "mean pip", "causal", "genes")
    genes = rows[rows["gene"] != NONE]
    genes = genes[genes.groupby(["locus", "case", "prior"])["is_causal"].transform("any")]
    for (case, prior), part in genes.groupby(["case", "prior"], sort=False):
        for low, high in pairwise(BINS):
            some = part[(part["pip"] > low) & (part["pip"] <= high)]
            if len(some):
                cells = f"{100 * some['pip'].mean():.1f}", percent(some["is_causal"]), f"{len(some):,}"
                print(f"| {case} | {prior:g} | {100 * low:g} to {100 * high:g} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loci", type=int, default=200)
    loci = parser.parse_args().loci
    print(f"{loci} loci; numpy {np.__version__}")
    rows = studied(loci)
    sets(rows)
    bins(rows)


if __name__ == "__main__":
    main()
