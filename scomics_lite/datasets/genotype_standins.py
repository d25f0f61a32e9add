"""Stand-ins of the sets with genotypes: simulated, in the form of the real ones, with known truth.

`SETTINGS` is all that was taken from the real sets: numbers of people and SNPs, distances, F_ST, effects, noise. No
genotype of a real person goes into them. `make` draws a set from its settings; `standins` stores both.
"""

import anndata
import numpy as np
import pandas as pd
from scipy import stats

from scomics_lite import simulate
from scomics_lite.datasets.shapes import pair

# A `seed` is the year of the real set's paper. The populations of bigsnpr_example, in the order of its people.
SETTINGS = {
    "bigsnpr_example": {
        "seed": 2018,
        "kind": "populations",
        "people": dict(
            zip(
                [f"POP{number}" for number in range(1, 20)],
                [34, 28, 15, 35, 31, 25, 30, 35, 35, 20, 22, 25, 31, 25, 32, 33, 26, 16, 19],
                strict=True,
            )
        ),
        "genotypes": {"n_snps": 1_000, "chromosome": "1", "start": 100, "spacing": 1_000, "fst": 0.0233},
        "cases": 157,
    },
    "susie_n3": {
        "seed": 2020,
        "kind": "traits",
        "people": 574,
        "genotypes": {"n_snps": 1_001, "chromosome": "19", "start": 8_126_132, "spacing": 200},
        "effects": [[1.19, -0.83, 1.40], [0.04, 1.10, -0.77]],
        "residual_variance": [6.29, 1.65],
    },
    "geuvadis_chr19": {
        "seed": 2013,
        "kind": "genes",
        "people": 91,
        "genotypes": {"n_snps": 1_000, "chromosome": "19", "start": 1_392_635, "spacing": 2_000, "min_frequency": 0.05},
        "missing": 0.0122,
        "genes": 50,
        "heritability": 0.5,
        "log_count_mean": 5.0,
        "log_count_sd": 1.5,
    },
    "geuvadis_eqtl_sets": {
        "seed": 2013,
        "kind": "sets",
        "people": 373,
        "genotypes": {"n_snps": 1_000, "chromosome": "1", "start": 0, "spacing": 100_000, "min_frequency": 0.04},
        "genes": [3 if number in (3, 8, 9, 18, 21, 22, 30, 37) else 2 for number in range(1, 63)],  # of each set
        "missing": {"variants": 3, "people": 29},
        "log_mean": {"mean": 1.36, "sd": 1.75},
        "log_variation": {"mean": -0.9, "sd": 0.5},
        "variation_by_mean": -0.18,
        "log_heritability": {"mean": -2.15, "sd": 0.75},
        "heritability_bounds": [0.02, 0.7],
        "skew": 0.4,
    },
}


def make(recipe):
    """Make a stand-in from its settings.

    Parameters
    ----------
    recipe : dict
        A value of `SETTINGS`.

    Returns
    -------
    AnnData or MuData
        As the reader of the real set returns it, ids beginning with ``sim_``, alleles known, and ``uns["truth"]``.

    Examples
    --------
    >>> make(SETTINGS["susie_n3"]).shape
    (574, 1001)
    """
    people, settings = recipe["people"], recipe["genotypes"]
    populations = people if isinstance(people, dict) else None
    n = sum(people.values()) if populations else people
    dosages = simulate.genotypes(n, populations=populations, rng=recipe["seed"], **settings)
    rng = np.random.default_rng([recipe["seed"], 1])  # a stream of its own beside the genotypes'
    draw = {"populations": _populations, "traits": _traits, "genes": _genes, "sets": _sets}[recipe["kind"]]
    return draw(dosages, recipe, rng)


def _populations(dosages, recipe, rng):
    obs = dosages.obs.assign(phenotype=1 + rng.permutation(np.arange(len(dosages)) < recipe["cases"]))
    return _plain(_rarer_counted(dosages), obs, recipe)


def _rarer_counted(dosages):
    """Count copies of the rarer allele, as PLINK does."""
    dosages = dosages.copy()
    common = dosages.X.mean(axis=0) > 1
    dosages.X = np.where(common, 2 - dosages.X, dosages.X)
    ref, eff = dosages.var["ref_allele"].to_numpy(), dosages.var["eff_allele"].to_numpy()
    dosages.var["ref_allele"], dosages.var["eff_allele"] = np.where(common, eff, ref), np.where(common, ref, eff)
    return dosages


def _traits(dosages, recipe, rng):
    common = np.flatnonzero(np.abs(dosages.X.mean(axis=0) - 1) < 0.8)  # frequencies from 0.1 to 0.9
    effects = np.zeros((dosages.n_vars, 2))
    for trait, sizes in enumerate(recipe["effects"]):
        effects[rng.choice(common, len(sizes), replace=False), trait] = sizes
    residual_variance = np.array(recipe["residual_variance"])
    traits = (dosages.X - dosages.X.mean(axis=0)) @ effects
    traits += rng.normal(size=traits.shape) * np.sqrt(residual_variance)
    obs = pd.DataFrame(traits, columns=["trait_1", "trait_2"], index=dosages.obs_names)
    adata = _plain(dosages, obs, recipe)
    adata.var["frequency"] = dosages.var["frequency"].to_numpy()
    adata.var[["effect_1", "effect_2"]] = effects
    adata.uns["residual_variance"] = residual_variance
    return adata


def _genes(dosages, recipe, rng):
    genes = simulate.genes(dosages, recipe["genes"], rng=rng)
    h2 = np.where(np.arange(len(genes)) % 2, recipe["heritability"], 0.0)
    levels = simulate.expression(dosages, genes, heritability=h2, rng=rng)
    expected = np.exp(rng.normal(recipe["log_count_mean"], recipe["log_count_sd"], len(genes)) + levels.X / 2)
    depth = rng.uniform(0.7, 1.4, (len(dosages), 1))
    counts = rng.poisson(4 * depth * expected) / 4  # fourths of a read, as reads are shared out among transcripts
    var = genes[["chromosome", "start", "end"]].assign(n_transcripts=1, heritability=h2)
    var.index = "sim_" + var.index.astype(object)
    expression = anndata.AnnData(counts, obs=pd.DataFrame(index=dosages.obs_names), var=var.rename_axis(None))
    weights = levels.uns["truth"]["weights"].drop(columns="varID")
    expression.uns["truth"] = {"weights": weights.assign(gene="sim_" + weights["gene"], rsid="sim_" + weights["rsid"])}
    genotypes = _plain(dosages, pd.DataFrame(index=dosages.obs_names), recipe)
    genotypes.X[rng.random(genotypes.shape) < recipe["missing"]] = np.nan
    both = pair(expression.obs, genotypes=genotypes, expression=expression)
    both.uns["truth"] = genotypes.uns.pop("truth")
    return both


def _sets(dosages, recipe, rng):
    """Give each of some variants its own genes, and each of these a level that is linear in the variant's copies."""
    sizes = recipe["genes"]
    frequency = dosages.var["frequency"].to_numpy()
    found = frequency * (1 - frequency)  # the commoner a variant, the more of the variance it explains
    chosen = rng.choice(dosages.n_vars, len(sizes), replace=False, p=found / found.sum())
    genotypes = _plain(dosages[:, np.sort(chosen)].copy(), pd.DataFrame(index=dosages.obs_names), recipe)
    numbers = np.arange(1, len(sizes) + 1)
    genotypes.var["eqtl_set"] = numbers
    expression = _linear_levels(genotypes, np.repeat(numbers, sizes), recipe, rng)
    without = rng.choice(len(sizes), recipe["missing"]["variants"], replace=False)
    genotypes.X[: recipe["missing"]["people"], without] = np.nan  # the same people at all of them, as in the real set
    both = pair(expression.obs, genotypes=genotypes, expression=expression)
    both.uns["truth"] = genotypes.uns.pop("truth")
    return both


def _linear_levels(genotypes, eqtl_set, recipe, rng):
    """Draw levels mean (1 + variation (sqrt(h2) z + sqrt(1 - h2) e)), z the standardised copies, e a skewed noise."""
    n = len(eqtl_set)
    mean, variation, h2 = (
        np.exp(_normal_quantiles(recipe[f"log_{part}"], n, rng)) for part in ("mean", "variation", "heritability")
    )
    variation *= (mean / np.exp(recipe["log_mean"]["mean"])) ** recipe["variation_by_mean"]
    sd, h2 = mean * variation, h2.clip(*recipe["heritability_bounds"])
    copies = genotypes.X[:, eqtl_set - 1].astype(float)
    slope = rng.choice([-1, 1], n) * sd * np.sqrt(h2) / copies.std(axis=0)
    noise = _skewed((len(copies), n), recipe["skew"], rng)
    levels = mean + slope * (copies - copies.mean(axis=0)) + sd * np.sqrt(1 - h2) * noise
    step = 2.0 ** np.round(np.log2(sd / 32))  # few binary digits make a small file, and add no noise that one could see
    var = pd.DataFrame({"eqtl_set": eqtl_set, "mean": mean, "slope": slope, "heritability": h2})
    var.index = [f"sim_gene{number:03d}" for number in range(1, n + 1)]
    return anndata.AnnData(np.round(levels / step) * step, obs=pd.DataFrame(index=genotypes.obs_names), var=var)


def _normal_quantiles(normal, n, rng):
    """Give n values that are spread evenly over a normal distribution, in random order, so that none lies far out."""
    return normal["mean"] + normal["sd"] * rng.permutation(stats.norm.ppf((np.arange(n) + 0.5) / n))


def _skewed(shape, skew, rng):
    """Draw log-normal noise of mean 0 and variance 1; `skew` is the standard deviation of its logarithm."""
    noise = np.exp(rng.normal(-(skew**2) / 2, skew, shape)) - 1
    return noise / np.sqrt(np.expm1(skew**2))


def _plain(dosages, obs, recipe):
    """Keep what the real set has too, and the alleles."""
    var = dosages.var[["chromosome", "position", "ref_allele", "eff_allele"]]
    adata = anndata.AnnData(dosages.X.astype(np.float32), obs=obs, var=var.set_axis("sim_" + var.index))
    adata.uns["truth"] = {"seed": recipe["seed"]}
    return adata
