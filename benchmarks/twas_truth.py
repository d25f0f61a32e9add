"""What does a TWAS find, and what breaks it? On simulated truth: ``python benchmarks/twas_truth.py``.

Tables of some sets of simulated people; ``--tables`` chooses, ``--sets`` says how many. Standard errors are over sets.
A set: 100 genes in 20 loci along 20 million base pairs, five a locus, h² of expression 0.2 by two causal SNPs within
100,000 base pairs, which three times in ten are the neighbour's too. In 10 loci one gene acts on the trait; the 10
explain 1 % of its variance, and 200 SNPs that do something else another 0.5 %. 450 people train the weights
(`twas.fit_elastic_net` with five folds and 30 penalties down to a twentieth of the largest, window 150,000, SNPs of a
frequency of 0.01 or more; genes whose cross-validated predictions have a correlation above 0.1 and p < 0.05 are
tested). The GWAS has 50,000 other people, whose linkage disequilibrium is that of 2,500 (`simulate.gwas_summary`).

"genes": hits are p < 0.05 / 100. Of four ways to a p-value: S-PrediXcan with the elastic net's weights; with the best
eQTL as only SNP, for genes where its p is below 0.05 / SNPs in the window; with the true weights; and, without any
expression, the smallest p of the GWAS in the gene's window times its SNPs. In percent: causal genes among the hits
(power), loci with a causal gene in which there is a hit, hits that are not causal (false), and these by what they are:
genes that share a causal SNP with the causal gene, other genes of a locus with one, genes of loci without one.

"naming": which gene of a locus with a hit? All hits of the elastic net; the largest abs(z); `locus_posterior` above one
half; its 90 % credible set. In percent, causal genes that are named, and named genes that are not causal; the mean size
of a credible set, and how many hold the causal gene, of those in loci with one that was tested.

"misuse": the elastic net's weights and the ways to go wrong. 30 null GWAS, in which nothing acts on the trait: percent
of p < 0.05 and p < 0.001. Then the trait above: percent of genes whose z is off by 0.5 or more, power and false hits as
in "genes", and what `s_predixcan` says: warnings, and percent of genes whose status is not "ok". The ways: correlations
given as covariances; covariances from 500 people of another population (F_ST 0.1); a fifth of the SNPs with the sign of
the other allele, and alleles that do not say so; palindromic SNPs, half of which the GWAS reads on the other strand,
kept and dropped without frequencies, and kept with.
"""

import warnings
from dataclasses import dataclass
from functools import cache

import anndata
import numpy as np
import pandas as pd
from calibration import asked, heading, number

from scomics_lite import simulate, twas

GENES, LOCI, CAUSAL = 100, 20, 10
TRAINED, PANEL, OTHERS, GWAS_N = 450, 2_500, 500, 50_000
PENALTIES = {"folds": 5, "n_lambdas": 30, "lambda_ratio": 0.05}  # quicker than the defaults
WINDOW, LEVEL, NULLS = 150_000, 0.05 / GENES, 30
RAREST = 0.01


# --- data -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class World:
    """One set: people, what is true of them, and what was learned from some."""

    training: anndata.AnnData
    panel: anndata.AnnData
    others: anndata.AnnData
    genes: pd.DataFrame
    levels: anndata.AnnData
    trait: simulate.Trait
    gwas: pd.DataFrame
    model: twas.PredictionModel
    covariances: twas.Covariances


@cache
def world(seed):
    sizes = {"A": TRAINED + PANEL, "B": OTHERS}
    dosages = simulate.genotypes(sum(sizes.values()), LOCI * 500, populations=sizes, spacing=2_000, rng=seed)
    people, others = (dosages[dosages.obs["population"] == name] for name in sizes)
    frequency = people.X.mean(axis=0) / 2
    common = np.minimum(frequency, 1 - frequency) >= RAREST
    people, others = people[:, common].copy(), others[:, common].copy()
    genes = simulate.genes(people, GENES, loci=LOCI, locus_width=150_000, rng=seed)
    levels = simulate.expression(people, genes, window=100_000, shared=0.3, rng=seed)
    acting = genes.groupby("locus").sample(1, random_state=seed).sample(CAUSAL, random_state=seed).index
    shares = {"mediated": 0.01, "polygenic": 0.005, "n_causal_snps": 200}
    trait = simulate.trait(people, levels, causal_genes=acting, **shares, rng=seed)
    training, panel = people[:TRAINED].copy(), people[TRAINED:].copy()
    gwas = simulate.gwas_summary(panel, trait.snp_effects, GWAS_N, rng=seed)
    model = trained(training, levels, genes)
    return World(training, panel, others, genes, levels, trait, gwas, model, twas.covariances(training, model))


def near(snps, gene):
    """Mark the SNPs of a gene's window."""
    return snps["position"].between(gene["start"] - WINDOW, gene["end"] + WINDOW).to_numpy()


def trained(training, levels, genes):
    """Fit the elastic net's weights of all genes that can be predicted."""
    parts = []
    for name, gene in genes.iterrows():
        window = training[:, near(training.var, gene)]
        fit = twas.fit_elastic_net(window, levels[:TRAINED, name].X.ravel(), **PENALTIES)
        if fit.correlation > 0.1 and fit.pvalue < 0.05:
            rows = training.var.loc[fit.nonzero.index, ["ref_allele", "eff_allele"]].rename_axis("rsid").reset_index()
            parts.append(rows.assign(gene=name, weight=fit.nonzero.to_numpy()))
    return twas.PredictionModel(pd.concat(parts, ignore_index=True))


def one_snp_model(known):
    """Take each gene's best eQTL as its model, where it is significant among the SNPs of the window."""
    rows = []
    for name, gene in known.genes.iterrows():
        window = known.training[:, near(known.training.var, gene)]
        table = twas.marginal_eqtls(window, known.levels[:TRAINED, name].X.ravel())
        best = table.loc[table["pvalue"].idxmin()]
        if best["pvalue"] * len(table) < 0.05:
            rows.append((best["snp"], name, best["beta"], best["non_effect_allele"], best["effect_allele"]))
    return twas.PredictionModel(pd.DataFrame(rows, columns=["rsid", "gene", "weight", "ref_allele", "eff_allele"]))


def associated(gwas, model, covariances, **options):
    """Test by S-PrediXcan; a table by gene, and how many warnings there were."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = twas.s_predixcan(gwas, model, covariances, progress=False, **options)
    return table.set_index("gene"), len(caught)


def smallest_pvalues(known):
    """Give the smallest p of the GWAS near each gene, times the number of SNPs there."""
    own = {name: known.gwas.loc[near(known.gwas, gene), "pvalue"] for name, gene in known.genes.iterrows()}
    return pd.Series({name: min(1, len(p) * p.min()) for name, p in own.items()})


# --- what is counted --------------------------------------------------------------------------------------------------


def kinds(known):
    """Say what each gene is: causal, sharing a causal SNP with one that is, beside one, or far from all."""
    causal = known.trait.gene_effects != 0
    snps = known.levels.uns["truth"]["weights"].groupby("gene")["rsid"].agg(set)
    locus = known.genes["locus"]
    of_locus = {locus[gene]: gene for gene in causal.index[causal]}

    def kind(gene):
        acting = of_locus.get(locus[gene])
        if acting is None:
            return "far"
        if acting == gene:
            return "causal"
        return "shares" if snps[gene] & snps[acting] else "beside"

    return pd.Series({gene: kind(gene) for gene in known.genes.index})


def percent(part, whole):
    return 100 * part / whole if whole else np.nan


def found(known, pvalues):
    """Cells of the table of genes for one way to a p-value."""
    kind, hit = kinds(known), pvalues.reindex(known.genes.index) < LEVEL
    locus, hits = known.genes["locus"], int(hit.sum())
    true_loci = locus[kind == "causal"]
    cells = {"genes tested": pvalues.notna().sum(), "hits": hits}
    cells["power"] = percent((hit & (kind == "causal")).sum(), CAUSAL)
    cells["loci with a hit"] = percent(true_loci.isin(locus[hit]).sum(), CAUSAL)
    cells["false"] = percent((hit & (kind != "causal")).sum(), hits)
    return cells | {name: percent((hit & (kind == name)).sum(), hits) for name in ("shares", "beside", "far")}


def show(first, sets):
    """Print means and standard errors of ``[{row: {column: value}}]``, one dict a set."""
    columns = list(next(iter(sets[0].values())))
    heading(first, *columns)
    for row in sets[0]:
        values = np.array([[one[row][column] for column in columns] for one in sets], dtype=float)
        counts = np.maximum((~np.isnan(values)).sum(axis=0), 1)
        means, errors = np.nanmean(values, axis=0), np.nanstd(values, axis=0, ddof=1) / np.sqrt(counts)
        cells = [number(mean, error, 2 if abs(mean) < 2 else 1) for mean, error in zip(means, errors, strict=True)]
        print(f"| {row} |", " | ".join(cells), "|")


# --- tables -----------------------------------------------------------------------------------------------------------


def genes_table(sets):
    print("\n## genes")
    results = []
    for seed in range(sets):
        known = world(seed)
        true = twas.PredictionModel(known.levels.uns["truth"]["weights"])
        models = {"elastic net": known.model, "best eQTL": one_snp_model(known), "true weights": true}
        pvalues = {
            name: associated(known.gwas, model, twas.covariances(known.training, model))[0]["pvalue"]
            for name, model in models.items()
        }
        pvalues["smallest p in the window"] = smallest_pvalues(known)
        results.append({name: found(known, own) for name, own in pvalues.items()})
    show("way", results)


def named(known, chosen):
    """Cells of the table of names: `chosen` are genes."""
    kind = kinds(known)[list(chosen)]
    true = (kind == "causal").sum()
    return {"named": len(kind), "causal named": percent(true, CAUSAL), "false": percent(len(kind) - true, len(kind))}


def naming_table(sets):
    print("\n## naming")
    results, credible = [], []
    for seed in range(sets):
        known = world(seed)
        table = associated(known.gwas, known.model, known.covariances)[0].dropna(subset="zscore")
        table = table.join(known.genes["locus"])
        hit_loci = table.loc[table["pvalue"] < LEVEL, "locus"].unique()
        strongest, likely, held = [], [], []
        for locus in hit_loci:
            z = table.loc[table["locus"] == locus, "zscore"]
            strongest.append(z.abs().idxmax())
            posterior = twas.locus_posterior(z, twas.expression_correlation(known.training, known.model, list(z.index)))
            likely += list(posterior.loc[(posterior["pip"] > 0.5) & posterior["gene"].isin(z.index), "gene"])
            causal = [gene for gene in z.index if known.trait.gene_effects[gene] != 0]
            inside = set(posterior.loc[posterior["in_credible_set"], "gene"])
            held += [(len(inside), causal[0] in inside)] if causal else []
        hits = table.index[table["pvalue"] < LEVEL]
        ways = {"all hits": hits, "largest abs(z)": strongest, "posterior above one half": likely}
        results.append({way: named(known, chosen) for way, chosen in ways.items()})
        sizes, right = np.array(held, dtype=float).T
        credible.append({"90 % credible set": {"loci": len(held), "size": sizes.mean(), "hold": 100 * right.mean()}})
    show("way", results)
    show("", credible)


def as_correlations(covariances):
    matrices = {}
    for gene in covariances.genes:
        matrix = covariances.of(gene)
        sd = np.sqrt(np.diag(matrix))
        matrices[gene] = matrix / np.outer(sd, sd)
    return twas.Covariances.from_matrices(matrices)


def misuses(known, gwas, seed):
    """Each way's GWAS, covariances and options, by name."""
    generator = np.random.default_rng(seed)
    sign = np.where(generator.random(len(gwas)) < 0.2, -1, 1)
    flipped = gwas.assign(beta=gwas["beta"] * sign, zscore=gwas["zscore"] * sign)
    letters = gwas["effect_allele"], gwas["non_effect_allele"]
    turned = twas.is_palindromic(*letters) & (generator.random(len(gwas)) < 0.5)
    strands = gwas.assign(effect_allele=letters[0].where(~turned, letters[1]))
    strands["non_effect_allele"] = letters[1].where(~turned, letters[0])
    silent = strands.drop(columns="frequency")
    weights = known.model.weights
    frequency = known.training.var["frequency"].reindex(weights["rsid"]).to_numpy()
    with_frequency = twas.PredictionModel(weights.assign(frequency=frequency), known.model.extra)
    right = known.covariances
    return {
        "right": (gwas, known.model, right, {}),
        "correlations": (gwas, known.model, as_correlations(right), {}),
        "panel of another population": (gwas, known.model, other_covariances(known), {}),
        "a fifth of the signs wrong": (flipped, known.model, right, {}),
        "palindromic, kept": (silent, known.model, right, {}),
        "palindromic, dropped": (silent, known.model, right, {"palindromic": "drop"}),
        "palindromic, kept, frequencies": (strands, with_frequency, right, {}),
    }


def other_covariances(known):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return twas.covariances(known.others, known.model)


def misuse_table(sets):
    print("\n## misuse")
    results = []
    for seed in range(sets):
        known = world(seed)
        snps = known.panel[:, known.model.weights["rsid"].unique()].copy()
        nothing, small = pd.Series(dtype=float), {}
        for null in range(NULLS):
            gwas = simulate.gwas_summary(snps, nothing, GWAS_N, rng=1_000 * seed + null)
            for name, (table, *others, options) in misuses(known, gwas, null).items():
                small.setdefault(name, []).append(associated(table, *others, **options)[0]["pvalue"])
        right = associated(known.gwas, known.model, known.covariances)[0]["zscore"]
        cells = {}
        for name, (table, *others, options) in misuses(known, known.gwas, seed).items():
            result, warned = associated(table, *others, **options)
            p, shown = pd.concat(small[name]).dropna(), found(known, result["pvalue"])
            cells[name] = {"null p < 0.05": 100 * (p < 0.05).mean(), "null p < 0.001": 100 * (p < 0.001).mean()}
            off = (result["zscore"] - right.reindex(result.index)).abs() > 0.5
            cells[name] |= {"z off": 100 * off.mean(), "power": shown["power"]}
            cells[name] |= {"false": shown["false"], "warnings": warned}
            cells[name]["genes not ok"] = 100 * (result["status"] != "ok").mean()
        results.append(cells)
    show("way", results)


TABLES = {"genes": genes_table, "naming": naming_table, "misuse": misuse_table}


if __name__ == "__main__":
    count, chosen = asked(__doc__, TABLES, sets=4)
    for table in chosen:
        table(count)
