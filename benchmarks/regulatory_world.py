"""Does a model that predicts genes well predict people well? ``python benchmarks/regulatory_world.py``.

Tables of some simulated worlds (`simulate.regulatory_world`); ``--tables`` chooses, ``--sets`` says how many. Standard
errors are over worlds. A world: 1,000 genes and 200 people, three cell types. What distinguishes genes beyond the DNA
near their starts is drawn anew for every setting of the dial (`sequence_share`) and of `confounding`, as the world
does; genome, people and what DNA does to them are the same for all settings.

"dial": models learn percentiles of the genes' true mean expression from 100 motifs (`twas.RidgePredictor`, and
`twas.CtPred` with its defaults), by the chromosome split. Across genes: Pearson's correlation of predicted and true
percentile on the test chromosomes, beside that of what the sequence truly does (the ceiling of a model that knows
nothing but the grammar). Across people: mean correlation of predicted expression with what DNA near the gene truly does
(``near``), over genes of which this explains 5 % of the variance or more, and the percentage of these genes with the
right sign; the same percentage on validation and test chromosomes alone, which the weights have not seen.

"people": what the world is like. Percent of SNPs in a region and in a planted site; quantiles of the share of variance
that DNA near a gene explains, and percent of genes above 0.05; the smallest share of ``near`` that a weighted sum of
SNPs keeps, over genes.
"""

from functools import cache

import anndata
import numpy as np
import pandas as pd
from calibration import asked, heading, number

from scomics_lite import dna, simulate, twas
from scomics_lite.simulate.regulation.gene_levels import draw_gene_levels

GENES, PEOPLE = 1_000, 200
SHARES, CONFOUNDING = (0.1, 0.3, 0.5, 0.7, 0.9), (0.0, 0.7, 0.9)
LEAST = 0.05
QUANTILES = (0.1, 0.5, 0.9, 0.99)


@cache
def world(seed):
    return simulate.regulatory_world(GENES, PEOPLE, rng=seed)


def means(known, share, confounding, seed):
    """Draw the genes' mean expression under another setting of the dial, genes × cell types."""
    var = known.expression.var
    sequence = var[[f"sequence[{name}]" for name in known.cell_types]].set_axis(known.cell_types, axis=1)
    sd = known.settings["sequence_sd"] * np.sqrt(1 / share - 1)
    programs, generator = known.genes.filter(like="program").to_numpy(), np.random.default_rng([seed, 1])
    return sequence, sequence + draw_gene_levels(sequence.shape, programs, sd, confounding, generator)


def settings_of(known, seed):
    """Percentiles and ceiling under every setting; columns are (confounding, share, cell type)."""
    targets, ceilings = {}, {}
    for confounding in CONFOUNDING:
        for share in SHARES:
            sequence, mean = means(known, share, confounding, seed)
            for name in known.cell_types:
                key = f"{confounding} {share} {name}"
                targets[key], ceilings[key] = mean[name], sequence[name]
    return twas.expression_percentiles(np.exp(pd.DataFrame(targets))), pd.DataFrame(ceilings)


def judged(known, model, featuriser, features, percentiles, split):
    """Tell across genes and across people, by setting and cell type."""
    across = twas.across_genes(model.predict(features), percentiles, split)["pearson"].rename("genes")
    predicted = twas.personal_expression(known.genome, known.genes, known.dosages, featuriser, model, progress=False)
    layers = {key: known.expression.layers[f"near[{key.split()[-1]}]"] for key in percentiles}
    truth = anndata.AnnData(obs=known.expression.obs, var=known.expression.var, layers=layers)
    people = twas.across_people(predicted, truth)
    heritable = {key: known.expression.var[f"heritability_near[{key.split()[-1]}]"] for key in percentiles}
    heritability = pd.DataFrame(heritable)
    unseen = people[people["gene"].map(split).ne("train").to_numpy()]
    table = pd.concat(
        [across, _correlation(people, heritability), _right(people, heritability), _right(unseen, heritability)], axis=1
    )
    return table.set_axis(["genes", "people", "right", "right, unseen genes"], axis=1)


def _correlation(people, heritability):
    h2 = heritability.rename_axis("gene").reset_index().melt("gene", var_name="cell_type", value_name="h2")
    known = people.merge(h2, on=["gene", "cell_type"])
    return known[known["h2"] >= LEAST].groupby("cell_type")["correlation"].mean()


def _right(people, heritability):
    return 100 * twas.sign_share(people, heritability=heritability, least=LEAST)["share"]


def dial_table(sets):
    results = []
    for seed in range(1, sets + 1):
        known = world(seed)
        featuriser = dna.MotifFeatures(simulate.motif_bank())
        features = twas.reference_features(known.genome, known.genes, featuriser, progress=False)
        percentiles, ceilings = settings_of(known, seed)
        split = twas.chromosome_split(known.genes)
        ceiling = twas.across_genes(ceilings, percentiles, split)["pearson"].rename("ceiling")
        models = {"ridge": twas.RidgePredictor(), "ctPred": twas.CtPred(rng=seed)}
        for name, model in models.items():
            options = {} if name == "ridge" else {"progress": False}
            model.fit(features, percentiles, split, **options)
            table = judged(known, model, featuriser, features, percentiles, split).join(ceiling)
            results.append(table.assign(model=name, seed=seed))
    results = pd.concat(results)
    results[["confounding", "share"]] = [key.split()[:2] for key in results.index]
    by_world = results.groupby(["model", "confounding", "share", "seed"], sort=False).mean()
    columns = ["genes", "ceiling", "people", "right", "right, unseen genes"]
    heading("model", "confounding", "sequence share", *columns)
    for key, own in by_world.groupby(level=[0, 1, 2], sort=False):
        cells = [number(own[name].mean(), own[name].sem(), 1 if "right" in name else 2) for name in columns]
        print("|", " | ".join([*key, *cells]), "|")


def people_table(sets):
    rows = [description(world(seed)) for seed in range(1, sets + 1)]
    heading(*rows[0])
    table = pd.DataFrame(rows)
    print("|", " | ".join(number(table[name].mean(), table[name].sem(), 3) for name in table), "|")


def description(known):
    """Give the numbers of one world."""
    snps, var = known.dosages.var, known.expression.var
    h2 = np.concatenate([var[f"heritability_near[{name}]"] for name in known.cell_types])
    row = {"SNPs in a region": 100 * (snps["region"] != "").mean(), "in a site": 100 * (snps["site"] != "").mean()}
    row |= {f"{quantile:g} quantile": np.quantile(h2, quantile) for quantile in QUANTILES}
    row["above 0.05"] = 100 * (h2 > LEAST).mean()
    row["kept by a sum"] = known.gwas(rng=1).linear["r2"].min()
    return row


TABLES = {"dial": dial_table, "people": people_table}


def main():
    sets, tables = asked(__doc__, TABLES, sets=2)
    for table in tables:
        table(sets)


if __name__ == "__main__":
    main()
