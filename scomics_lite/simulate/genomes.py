"""Genotypes of people, with linkage disequilibrium, one or several ancestries, and haplotypes known."""

import anndata
import numpy as np
import pandas as pd

from scomics_lite.simulate import drawing
from scomics_lite.simulate.copying import draw_alleles, draw_copying
from scomics_lite.validation import InputError, is_number

HOTSPOT_DISTANCE, HOTSPOT_WIDTH = 50_000, 2_000  # base pairs, as human hotspots lie: Myers et al. 2005
TRANSITIONS = 0.68  # two of three SNPs exchange A and G, or C and T; a fourth of the others is A/T, a fourth C/G
CHANGES = {"AG": TRANSITIONS / 2, "CT": TRANSITIONS / 2} | dict.fromkeys(
    ["AC", "GT", "AT", "CG"], (1 - TRANSITIONS) / 4
)
LARGEST_POSITION = 999_999_999
AUTOSOMES = [str(number) for number in range(1, 23)]


def genotypes(
    n_people,
    n_snps,
    *,
    populations=None,
    fst=0.1,
    chromosome="1",
    start=1_000_000,
    spacing=1_000,
    min_frequency=0.01,
    recombination=6e-4,
    hotspots=0.6,
    rng=0,
):
    """Simulate genotypes along one chromosome, haplotypes included, by copying (Li and Stephens 2003).

    Haplotypes are made one after the other. Haplotype k is a mosaic of the k before it: it copies one of them, chosen
    at random, and over a genetic distance of d goes over to another one with probability

        1 - exp(-rho d / k),    rho = 4 N r

    so that near SNPs share their history. At a SNP the copying is a tree, and one copy brought the new allele: that
    of haplotype k in proportion to 1 / k, as mutations fall on a coalescent tree; the new allele is carried by all that
    copied from it. Without a bound on frequencies the new allele's frequency x then has the neutral density 1 / x:
    given that k was mutated it is Beta(1, k), and sum_k (1 / k) k (1 - x)^(k - 1) = 1 / x. At last the haplotypes are
    shuffled and paired, whence Hardy-Weinberg proportions inside a population.

    Populations share their first k haplotypes and then copy from their own. The frequency of an allele that is older,
    x, becomes in each of them Beta(k x, k (1 - x)) of variance x (1 - x) / (k + 1), the model of Balding and Nichols
    (1995) with F_ST = 1 / (k + 1). Younger alleles are found in one population only, and linkage disequilibrium is
    shared over short distances only. Nobody has ancestors in two populations.

    Parameters
    ----------
    n_people, n_snps : int
        Numbers of people n and SNPs m.
    populations : sequence of str or dict of int, optional
        Names of the populations, which get the same number of people (the first ones one more, where it must be), or
        ``{name: number of people}``. People of a population stand together. One population when not given.
    fst : float
        F_ST of alleles that are older than the populations; 1 / (k + 1) for the nearest whole k. 0.1 is near what lies
        between people from Africa, Europe and East Asia (1000 Genomes Project 2015), 0.01 lies inside Europe.
    chromosome : str
        "1" to "22". Chromosomes of the same people: ``anndata.concat([…], axis=1, merge="same")``.
    start : int
        Position before the first SNP.
    spacing : float
        Mean distance of neighbours in base pairs; distances are exponential. A person's common SNPs lie some 1,000 base
        pairs apart; sequencing of many people finds more.
    min_frequency : float
        Smallest frequency of the rarer allele, in one population at least: SNPs are chosen as if others had been left
        out. Small bounds only, 0 to 0.05.
    recombination : float
        rho for a base pair. 4 x 12,500 x 1.2e-8 for people; with it, mean r² at distances of 1, 10 and 100 thousand
        base pairs is 0.12, 0.07 and 0.012; in the real genotypes of ``datasets.load("susie_n3")`` it is 0.19, 0.06 and
        0.007.
    hotspots : float
        Share of the recombination that happens in hotspots, 2,000 base pairs wide and 50,000 apart on average; the rest
        is spread evenly. More than half of it does in people (Myers et al. 2005).
    rng : numpy.random.Generator or int
        Source of randomness; a number is kept in the result as its seed.

    Returns
    -------
    AnnData, shape (n, m)
        ``X`` counts copies of the effect allele (int8), and ``layers`` "haplotype1" and "haplotype2" add up to it;
        ``obs`` has the ``population``; ``var`` ``chromosome``, ``position``, ``ref_allele``, ``eff_allele``, ``varID``,
        ``frequency`` (of the effect allele in all people) and ``origin``, "ancestors" or the population in which the
        new allele arose. With probability x it is the reference allele, else the effect allele. The settings are in
        ``uns["truth"]``.

    Raises
    ------
    InputError
        Settings that cannot be; no allele of `min_frequency` among few people.

    Examples
    --------
    >>> adata = genotypes(100, 50, populations=["north", "south"], rng=1)
    >>> adata.obs["population"].value_counts().to_dict()
    {'north': 50, 'south': 50}
    >>> adata.var_names[0], adata.var["varID"].iloc[0]
    ('rs1001001072', 'chr1_1001072_T_C_b38')
    """
    sizes = _population_sizes(n_people, populations)
    _check(n_snps, fst, chromosome, start, spacing, min_frequency, recombination, hotspots, rng)
    generator = np.random.default_rng(rng)
    position = start + np.cumsum(1 + generator.exponential(spacing - 1, n_snps)).astype(np.int64)
    _check_end(position, spacing)
    shared = round(1 / fst) - 1 if len(sizes) > 1 else 1
    genetic_map = recombination * _uneven(position, hotspots, generator)
    copying = draw_copying(shared, [2 * size for size in sizes.values()], genetic_map, generator)
    haplotypes, arose = _pair(copying, draw_alleles(copying, n_snps, min_frequency, generator), n_snps, generator)
    var = _snp_table(haplotypes, position, str(chromosome), generator)
    var["origin"] = pd.Categorical.from_codes(arose + 1, ["ancestors", *sizes])
    obs = _people(sizes)
    truth = {"recombination": recombination, "hotspots": hotspots, "min_frequency": min_frequency}
    if len(sizes) > 1:
        truth["fst"] = 1 / (shared + 1)
    layers = {f"haplotype{number}": alleles for number, alleles in enumerate(haplotypes, start=1)}
    dosages = haplotypes[0] + haplotypes[1]
    return anndata.AnnData(dosages, obs=obs, var=var, layers=layers, uns={"truth": truth | drawing.seed_of(rng)})


def _uneven(position, hotspots, generator):
    """Give positions on a scale of mean 1 on which hotspots are long and what lies between them is short."""
    length = position[-1] - position[0]
    number = max(1, round(length / HOTSPOT_DISTANCE))
    hot = np.sort(position[0] + length * generator.random(number))
    # of every hotspot's recombination, the part that lies before each position
    edges = np.concatenate([[position[0]], np.repeat(hot, 2), [position[-1] + HOTSPOT_WIDTH]]).astype(float)
    edges[2:-1:2] += HOTSPOT_WIDTH
    done = np.repeat(np.arange(number + 1), 2) / number
    order = np.maximum.accumulate(edges)
    return (1 - hotspots) * position + hotspots * length * np.interp(position, order, done)


def _pair(copying, pieces, n_snps, generator):
    """Shuffle the haplotypes of every population and make two of them a person."""
    ends = np.cumsum(copying.sizes)
    shuffled = [
        generator.permutation(np.arange(end - size, end)) for end, size in zip(ends, copying.sizes, strict=True)
    ]
    rows = [np.concatenate([order[half::2] for order in shuffled]) for half in range(2)]
    haplotypes = np.empty((2, ends[-1] // 2, n_snps), dtype=np.int8)
    arose, first = [], 0
    for alleles, origin in pieces:
        for half in range(2):
            haplotypes[half, :, first : first + len(alleles)] = alleles[:, rows[half]].T
        arose.append(origin)
        first += len(alleles)
    return haplotypes, np.concatenate(arose)


def _snp_table(haplotypes, position, chromosome, generator):
    """Name the SNPs and their alleles; where the reference genome has the new allele, `haplotypes` are recoded."""
    n_snps = len(position)
    frequency = (haplotypes[0].mean(axis=0) + haplotypes[1].mean(axis=0)) / 2
    swapped = generator.random(n_snps) < frequency
    haplotypes ^= swapped
    pairs = generator.choice(list(CHANGES), n_snps, p=list(CHANGES.values()))
    reference = generator.integers(2, size=n_snps)
    letters = np.array([list(pair) for pair in pairs])
    ref, eff = letters[range(n_snps), reference], letters[range(n_snps), 1 - reference]
    var = pd.DataFrame({"chromosome": chromosome, "position": position, "ref_allele": ref, "eff_allele": eff})
    places = var["position"].astype(str)
    var["varID"] = "chr" + chromosome + "_" + places + "_" + var["ref_allele"] + "_" + var["eff_allele"] + "_b38"
    var["frequency"] = np.where(swapped, 1 - frequency, frequency)
    return var.set_axis([f"rs{chromosome}{place:09d}" for place in position])


def _people(sizes):
    population = pd.Categorical.from_codes(np.repeat(range(len(sizes)), list(sizes.values())), list(sizes))
    return pd.DataFrame({"population": population}, index=[f"person{i:05d}" for i in range(1, len(population) + 1)])


# --- checks -----------------------------------------------------------------------------------------------------------


def _population_sizes(n_people, populations):
    """Read the populations as ``{name: number of people}``."""
    if not is_number(n_people) or n_people != int(n_people) or n_people < 2:
        raise InputError(f"n_people must be a whole number, 2 at least; got {n_people!r}")
    if populations is None:
        return {"population1": int(n_people)}
    if isinstance(populations, str):
        raise InputError(
            f"populations is one text, {populations!r}; give a list of names, such as ['{populations}', 'B']"
        )
    if not len(populations):
        raise InputError("populations names no population; leave it out for one population")
    if not isinstance(populations, dict):
        names = list(populations)
        whole, rest = divmod(int(n_people), max(len(names), 1))
        populations = {name: whole + (place < rest) for place, name in enumerate(names)}
        if len(populations) < len(names):
            raise InputError(f"populations has a name twice: {names}")
    sizes = {str(name): size for name, size in populations.items()}
    if not all(is_number(size) and size == int(size) and size >= 1 for size in sizes.values()):
        raise InputError(f"every population needs a whole number of people, 1 at least; got {sizes}")
    if sum(sizes.values()) != n_people:
        raise InputError(f"populations have {sum(sizes.values())} people together and n_people is {n_people}")
    if "ancestors" in sizes:
        raise InputError("a population cannot be called 'ancestors', as older alleles' origin is; give another name")
    return {name: int(size) for name, size in sizes.items()}


def _check(n_snps, fst, chromosome, start, spacing, min_frequency, recombination, hotspots, rng):
    """Refuse settings that cannot be, by name."""
    drawing.check_fractions(hotspots=hotspots)
    if not is_number(n_snps) or n_snps != int(n_snps) or n_snps < 1:
        raise InputError(f"n_snps must be a whole number, 1 at least; got {n_snps!r}")
    if not 0 < fst <= 0.5:
        raise InputError(f"fst must be above 0 and at most 0.5 (then two ancestors are left); got {fst}")
    if str(chromosome) not in AUTOSOMES:
        raise InputError(f"chromosome must be '1' to '22', without 'chr': people have two of each; got {chromosome!r}")
    bounds = {"start": (start, 0, LARGEST_POSITION), "spacing": (spacing, 1, 1e6)}
    bounds |= {"min_frequency": (min_frequency, 0, 0.05), "recombination": (recombination, 0, 0.1)}
    for name, (value, low, high) in bounds.items():
        if not is_number(value) or not low <= value <= high:
            raise InputError(f"{name} must be a number from {low:g} to {high:g}; got {value!r}")
    if not isinstance(rng, np.random.Generator | int | np.integer):
        raise InputError(f"rng must be a number (the seed) or a numpy.random.Generator; got {rng!r}")


def _check_end(position, spacing):
    if position[-1] > LARGEST_POSITION:
        raise InputError(
            f"{len(position):,} SNPs would end at position {position[-1]:,}, beyond {LARGEST_POSITION:,}: "
            f"ask for fewer SNPs, an earlier start or a spacing below {spacing:g}"
        )
