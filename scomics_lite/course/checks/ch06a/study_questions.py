"""The checks of exercises 4 to 6 of chapter 6a: alleles, phi, and the repair of an analysis."""

import numpy as np
import pandas as pd

from scomics_lite.course.checks import differs, exercise
from scomics_lite.course.checks.ch06a import cases, study_slips
from scomics_lite.course.checks.compare import missing_parts
from scomics_lite.course.checks.judging import functions_of, judge

# --- 4: alleles -------------------------------------------------------------------------------------------------------


@exercise(
    "ch06a-align",
    hints=(
        "The model says G/A and the file T/C. Are they the same SNP, and if so, which letter of the file is which?",
        "Bring the rows of the GWAS into the order of the model, and all letters to capitals. Compare both letters at "
        "once, as a pair: as written, then with the pair exchanged, then the same with every letter of the GWAS "
        "replaced by its partner (A-T, C-G). A pair that is its own partner cannot be judged.",
        "g = gwas.set_index('snp').reindex(model['rsid']); capitals everywhere. For each row start with NaN. If "
        "eff_allele is the partner of ref_allele, stay with NaN. Else, for the GWAS's pair (effect, other) and for the "
        "pair of their partners: if it equals (eff, ref) take z; if it equals (ref, eff) take -z.",
    ),
)
def align(answer):
    """Compare one kind of SNP after the other."""
    for _ in range(2):
        gwas, model, kind = cases.two_files(np.random.default_rng())
        z, problem = _by_model(answer(gwas, model), model)
        problem = problem or _judge_alignment(z, gwas, model, kind)
        if problem:
            return problem
    return None


def _by_model(result, model):
    """Give z-scores in the order of the model, as numbers."""
    if isinstance(result, pd.Series) and result.index.is_unique and set(result.index) == set(model["rsid"]):
        result = result.loc[list(model["rsid"])]
    if np.shape(result) != (len(model),):
        return None, "hand back one z-score for each row of the model, in its order, NaN where none can be used."
    return pd.to_numeric(pd.Series(list(result)), errors="coerce").to_numpy(dtype=float), None


def _judge_alignment(z, gwas, model, kind):
    by_name = gwas.set_index("snp").reindex(model["rsid"])
    written = by_name["zscore"].to_numpy()
    fits = np.isin(kind, ["same", "swapped", "strand", "swapped strand"])
    right = np.where(fits, np.where(np.isin(kind, ["swapped", "swapped strand"]), -written, written), np.nan)
    if np.allclose(z, right, equal_nan=True):
        return None
    if any(np.allclose(z, one, equal_nan=True) for one in study_slips.with_wrong_partners(gwas, model)):
        return "your letters of the other strand are wrong: A pairs with T, and C with G."
    if np.allclose(z[fits], -right[fits]):
        return (
            "every z-score has the wrong sign. A weight counts copies of the model's effect allele, and the z-score "
            "has to be for the same letter."
        )
    usable = ~np.isnan(z)
    if _share(z, gwas["zscore"], usable) > 0.5 > _share(z, written, usable):
        return "your z-scores belong to other SNPs: the two tables have different orders, so match them by name."
    for file, letters in (("GWAS", by_name["effect_allele"]), ("model", model["eff_allele"])):
        small = letters.fillna("").str.islower().to_numpy()
        if not usable[fits & small].any() and usable[fits & ~small].any():
            return f"where the {file} has small letters, your z-score is NaN: a and A are the same letter."
    wrong = ((where, _kind_problem(z[kind == one], right[kind == one])) for one, where in WHERE.items())
    return next(f"{where}, your z-score {problem}" for where, problem in wrong if problem)


def _share(z, others, usable):
    """Give the share of numbers that are others' up to their sign."""
    return np.isclose(np.abs(z[usable]), np.abs(np.asarray(others)[usable])).mean() if usable.any() else 0.0


# Kinds of SNPs in the order in which they are judged: the plain ones first.
WHERE = {
    "same": "where both files write the same letters in the same places",
    "swapped": "where the two letters have changed places",
    "strand": "where the GWAS names the letters of the other strand (model A/C, GWAS T/G)",
    "swapped strand": "where the letters are of the other strand and have changed places",
    "palindromic": "where the two letters are partners (A/T or C/G)",
    "swapped palindromic": "where the two letters are partners (A/T or C/G) and have changed places",
    "other": "where the effect alleles agree and the other alleles are different letters",
    "absent": "where the GWAS does not have the SNP",
}


def _kind_problem(got, wanted):
    """Say what is wrong with the z-scores of one kind of SNP."""
    if np.allclose(got, wanted, equal_nan=True):
        return None
    if np.isnan(wanted).all():
        if (got[~np.isnan(got)] == 0).all():
            return "is 0. That says that the SNP has no effect; NaN says that nothing is known."
        return "is a number. What the files say is not enough to use that SNP."
    if np.isnan(got).any():
        return "is NaN. The SNP can be used, so it should not be lost."
    if np.allclose(got, -wanted):
        return "has the wrong sign."
    return "is not that of the GWAS, turned or not."


# --- 5: phi -----------------------------------------------------------------------------------------------------------


@exercise(
    "ch06a-phi",
    hints=(
        "Any SNP can carry a small effect. With how many of them does the predicted expression go along?",
        "phi: the correlation of T with each SNP that varies, squared; take from each what chance gives it; then the "
        "mean. inflation: 1 from chance, and from the effects the number of people times heritability times phi. A phi "
        "that came out below zero means zero.",
        "phi: drop columns of X whose standard deviation is 0; r = the correlation of T with each of the others; the "
        "mean of r**2 - (1 - r**2) / (n - 2), with n people. inflation: 1 + np.maximum(phi, 0) * n * h2.",
    ),
)
def phi(answer):
    """Compare phi in small panels, with and without SNPs that do not vary, then the expected square of z."""
    functions, problem = functions_of(answer, ["phi", "inflation"])
    if problem:
        return problem
    of, inflation = functions
    rng = np.random.default_rng()
    for where, constant in (("", False), ("where some SNPs do not vary, ", True)):
        T, X = cases.predicted_and_panel(rng, constant)
        problem = judge(of(T, X), study_slips.phi(T, X), study_slips.phis(T, X), what="`phi`: your number")
        if problem:
            return where + problem
    return _judge_inflation(inflation, rng)


def _judge_inflation(inflation, rng):
    some, n, h2 = rng.uniform(1e-4, 2e-3, 5), int(rng.integers(2_000, 9_000)), rng.uniform(0.2, 0.8)
    problem = judge(
        inflation(some, n, h2), 1 + some * n * h2, study_slips.inflations(some, n, h2), what="`inflation`: your result"
    )
    if problem:
        return problem
    some[1:3] *= -1
    problem = differs(inflation(some, n, h2), 1 + np.maximum(some, 0) * n * h2, what="your result")
    if problem:
        return (
            "`inflation`: where phi came out below 0, your result is not 1. The true phi is a mean of squares, so such "
            "an estimate means 0, and effects can never make z squared smaller."
        )
    return None


# --- 6: repair --------------------------------------------------------------------------------------------------------


@exercise(
    "ch06a-repair",
    hints=(
        "Of the three things that go into the formula, the z-scores, Sigma and the people it comes from: for which "
        "letter, on which scale, and whose?",
        "Where the GWAS's effect allele is not the model's, its z-score changes its sign. Sigma holds covariances of "
        "dosages, and its diagonal gives sigma_l. It has to come from people of the GWAS's own population, "
        "however few.",
        "For each gene: sign = 1 where the GWAS's effect_allele equals eff_allele and -1 elsewhere, z = sign times "
        "zscore. people = the panel where obs['population'] is population; S = np.cov of their dosages of the gene's "
        "SNPs. The sum of w sqrt(diag(S)) z, divided by the root of w @ S @ w.",
    ),
)
def repair(answer):
    """Compare in fresh studies, of two and of three populations, in which the GWAS's own is never the largest."""
    rng = np.random.default_rng()
    for where, sizes in (
        ("", {"north": 90, "south": 160}),
        ("with three populations in the panel, ", {"east": 110, "west": 150, "islands": 60}),
    ):
        gwas, weights, panel, _ = cases.study(rng, 300, sizes)
        inputs = gwas, weights, panel, next(iter(sizes))
        genes = list(dict.fromkeys(weights["gene"]))
        z, problem = _by_gene(answer(*inputs), genes)
        problem = problem or judge(
            z, study_slips.genes_zscores(*inputs), study_slips.repairs(*inputs), what="your repair"
        )
        if problem:
            return where + problem
    return None


def _by_gene(result, genes):
    """Give z-scores in the order of the genes."""
    if isinstance(result, dict):
        problem = missing_parts(result, genes, what="your result")
        return (None, problem) if problem else ([result[gene] for gene in genes], None)
    if isinstance(result, pd.DataFrame) and {"gene", "zscore"} <= set(result.columns):
        result = result.set_index("gene")["zscore"]
    if isinstance(result, pd.Series) and result.index.is_unique and set(genes) <= set(result.index):
        return result.loc[genes], None
    return None, "your function hands back something else than z-scores by gene: a Series whose index names the genes."
