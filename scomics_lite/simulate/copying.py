"""How haplotypes come from each other: each is a mosaic of earlier ones, and at a SNP their copying is a tree.

Rows of what is simulated: ancestors that all populations share, row 0 first, then population after population.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from scomics_lite.validation import InputError


@dataclass(frozen=True, eq=False)
class Copying:
    """Who copies whom, and where along the genetic map this changes.

    Attributes
    ----------
    shared : int
        Number of ancestors.
    sizes : ndarray, shape (populations,)
        Numbers of haplotypes.
    population : ndarray, shape (h,)
        Of each row; -1 for ancestors.
    earlier : ndarray, shape (h,)
        Number of haplotypes that each could copy.
    parent : ndarray, shape (h,)
        Row that each copies at the first SNP.
    changes : tuple of ndarray
        SNP from which on, row, and row that it copies then; sorted by SNP.
    """

    shared: int
    sizes: np.ndarray
    population: np.ndarray
    earlier: np.ndarray
    parent: np.ndarray
    changes: tuple


def draw_copying(shared, sizes, genetic_map, generator):
    """Draw all mosaics.

    Parameters
    ----------
    shared : int
        Number of ancestors, at least 1.
    sizes : sequence of int
        Number of haplotypes of every population.
    genetic_map : ndarray, shape (m,)
        Places of the SNPs on a scale on which haplotype k goes over to another one at rate 1 / k.
    generator : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Copying
    """
    sizes = np.asarray(sizes)
    population = np.repeat(np.arange(-1, len(sizes)), [shared, *sizes])
    earlier = np.concatenate([np.arange(shared), *(shared + np.arange(size) for size in sizes)])
    first = shared + np.concatenate([[0], np.cumsum(sizes)[:-1]])[population]  # row; of no use for ancestors

    def choose(rows):
        copied = generator.integers(earlier[rows])
        return np.where(copied < shared, copied, first[rows] + copied - shared).astype(np.int32)

    parent = np.zeros(len(earlier), dtype=np.int32)
    parent[1:] = choose(np.arange(1, len(earlier)))
    length = genetic_map[-1] - genetic_map[0]
    rows = 1 + np.repeat(np.arange(len(earlier) - 1), generator.poisson(length / earlier[1:]))
    places = genetic_map[0] + length * generator.random(len(rows))
    snps = np.searchsorted(genetic_map, places)
    order = np.argsort(places)
    return Copying(shared, sizes, population, earlier, parent, (snps[order], rows[order], choose(rows[order])))


def draw_alleles(copying, n_snps, min_frequency, generator, *, at_a_time=512):
    """Draw where new alleles arose, and who carries them.

    Parameters
    ----------
    copying : Copying
    n_snps : int
        Number of SNPs m.
    min_frequency : float
        Smallest frequency of the rarer allele, in one population at least.
    generator : numpy.random.Generator
        Source of randomness.
    at_a_time : int
        Number of SNPs in one piece.

    Yields
    ------
    alleles : ndarray, shape (at_a_time, h - shared)
        1 where a haplotype carries the new allele, int8; the ancestors are left out.
    arose : ndarray, shape (at_a_time,)
        Population in which it did, -1 among the ancestors.

    Raises
    ------
    InputError
        No new allele could have that frequency at some SNP.
    """
    parent, snps, begin = copying.parent.copy(), copying.changes[0], 0
    needed = np.maximum(np.ceil(min_frequency * copying.sizes), 1).astype(np.int64)
    for first in range(0, n_snps, at_a_time):
        last = min(first + at_a_time, n_snps)
        end = np.searchsorted(snps, last)
        changes = [column[begin:end] for column in copying.changes]
        uniform = generator.random(last - first)
        alleles = np.empty((last - first, len(parent) - copying.shared), dtype=np.int8)
        mutated = _mutate(parent, first, *changes, copying.population, copying.earlier, copying.sizes, copying.shared,
                          needed, uniform, alleles)  # fmt: skip
        if (mutated < 0).any():
            raise InputError(
                f"no allele has a frequency of {min_frequency:g} to {1 - min_frequency:g} at SNP "
                f"{first + np.argmax(mutated < 0) + 1}: lower min_frequency, or simulate more people"
            )
        yield alleles, copying.population[mutated]
        begin = end


@njit(cache=True)
def _mutate(parent, first, snps, rows, parents, population, earlier, sizes, shared, needed, uniform, alleles):
    """Fill `alleles` and give the row in which each SNP's new allele arose, -1 for none; `parent` moves along."""
    n_rows, event = len(parent), 0
    mutated = np.full(len(uniform), -1)
    carries = np.empty(n_rows, dtype=np.int8)
    weight = np.empty(n_rows)
    for snp in range(len(uniform)):
        while event < len(snps) and snps[event] <= first + snp:
            parent[rows[event]] = parents[event]
            event += 1
        _weigh(parent, population, earlier, sizes, shared, needed, weight)
        target = uniform[snp] * weight.sum()
        for row in range(1, n_rows):
            target -= weight[row]
            if target < 0:
                mutated[snp] = row
                break
        if mutated[snp] < 0:
            break
        carries[: mutated[snp]] = 0
        carries[mutated[snp]] = 1
        for row in range(mutated[snp] + 1, n_rows):
            carries[row] = carries[parent[row]]
        alleles[snp] = carries[shared:]
    return mutated


@njit(cache=True)
def _weigh(parent, population, earlier, sizes, shared, needed, weight):
    """Give row k the weight 1 / k if its descendants are neither too few nor too many, else 0."""
    n_rows = len(parent)
    descendants = np.ones(n_rows, dtype=np.int64)
    of_ancestors = np.zeros((shared, len(sizes)), dtype=np.int64)
    weight[:] = 0
    for row in range(n_rows - 1, shared - 1, -1):
        own, at = descendants[row], population[row]
        if parent[row] < shared:
            of_ancestors[parent[row], at] += own
        else:
            descendants[parent[row]] += own
        if min(own, sizes[at] - own) >= needed[at]:
            weight[row] = 1 / earlier[row]
    for row in range(shared - 1, 0, -1):
        of_ancestors[parent[row]] += of_ancestors[row]
        if (np.minimum(of_ancestors[row], sizes - of_ancestors[row]) >= needed).any():
            weight[row] = 1 / earlier[row]
