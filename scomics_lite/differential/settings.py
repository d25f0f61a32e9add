"""What `fit` and `test` can be asked for: settings checked before any work is done, with the words users bring."""

from dataclasses import dataclass

import numpy as np

from scomics_lite.validation import InputError, check_threshold, did_you_mean, is_number

METHODS = ("wald", "lrt", "ql", "voom")
LIKELIHOOD = ("wald", "lrt")  # DESeq2's; the others keep and filter genes by edgeR's rule
OF_LIKELIHOOD = {"trend": "parametric", "min_mean": 0.5, "cooks": True}  # settings of theirs alone, by default
SHRINKAGES = ("ash", "cauchy")
ALTERNATIVES = ("greater_abs", "less_abs", "greater", "less")
# What users of other tools call these methods.
KNOWN_AS = {
    "deseq2": "'wald' (or 'lrt')",
    "deseq": "'wald' (or 'lrt')",
    "pydeseq2": "'wald'",
    "edger": "'ql'",
    "glmqlftest": "'ql'",
    "limma": "'voom'",
    "limma-voom": "'voom'",
    "apeglm": "'cauchy'",
    "ashr": "'ash'",
}


@dataclass(frozen=True)
class Question:
    """How one contrast is tested; see `scomics_lite.differential.test` for what each setting means."""

    lfc_threshold: float = 0.0
    alternative: str = "greater_abs"
    alpha: float = 0.1
    shrink: str | None = None
    prior_scale: float | None = None

    @property
    def steps(self):
        """How many steps an answer takes."""
        return 1 + (self.shrink is not None)

    def check(self, method, reduced):
        """Stop settings that no method has, or that do not go together."""
        _check_name("shrinkage", self.shrink, SHRINKAGES)
        _check_name("alternative", self.alternative, ALTERNATIVES)
        check_threshold(self.lfc_threshold)
        if not (is_number(self.alpha) and 0 < self.alpha < 1):
            raise InputError(f"alpha is a false discovery rate between 0 and 1; got {self.alpha!r}")
        self._check_reduced(method, reduced)
        self._check_alternative(method)
        self._check_shrinkage(method)

    def _check_reduced(self, method, reduced):
        if method == "lrt" and reduced is None:
            raise InputError("method='lrt' compares with a smaller model: reduced='~ …'; method='wald' takes none")
        if method in ("wald", "voom") and reduced is not None:
            raise InputError(f"method={method!r} takes no smaller model; reduced='~ …' goes with method='lrt' or 'ql'")
        if reduced is not None and (self.lfc_threshold > 0 or self.alternative != "greater_abs"):
            raise InputError(
                "a comparison with a smaller model tests models, not sizes: lfc_threshold goes with method='wald', "
                "'ql' or 'voom' without reduced, and alternative with method='wald'"
            )

    def _check_alternative(self, method):
        if self.alternative == "less_abs" and self.lfc_threshold == 0:
            raise InputError("alternative 'less_abs' claims |log2 fold change| < lfc_threshold: give one above 0")
        if self.alternative == "greater_abs":
            return
        if method != "wald":
            raise InputError(f"alternative={self.alternative!r} goes with method='wald'; {method!r} asks either way")
        if self.shrink is not None:
            raise InputError(
                "shrunken changes and false sign rates are about changes either way: shrink goes with "
                "alternative='greater_abs'"
            )

    def _check_shrinkage(self, method):
        if self.shrink == "cauchy" and method not in LIKELIHOOD:
            raise InputError(
                f"shrink='cauchy' needs the likelihood of the counts, and method={method!r} has a variance of its own "
                "for every gene: shrink='ash', or method='wald'"
            )
        if self.prior_scale is None:
            return
        if self.shrink != "cauchy":
            raise InputError("prior_scale is the scale of the Cauchy prior: it goes with shrink='cauchy'")
        if not (is_number(self.prior_scale) and self.prior_scale > 0):
            raise InputError(f"prior_scale is a size in log2, above 0, or None; got {self.prior_scale!r}")


def check_settings(method, trend, min_mean, cooks, filter_genes, robust):
    """Stop methods that there are not, and settings of a fit that are none or belong to other methods.

    Parameters
    ----------
    method, trend, min_mean, cooks, filter_genes, robust
        As for `scomics_lite.differential.fit`.
    """
    _check_name("method", method, METHODS)
    for name, value in {"cooks": cooks, "filter_genes": filter_genes, "robust": robust}.items():
        if not isinstance(value, bool | np.bool_):
            raise InputError(f"{name} is True or False; got {value!r}")
    if not (is_number(min_mean) and min_mean >= 0):
        raise InputError(f"min_mean is a number of counts, 0 or more; got {min_mean!r}")
    if robust and method in LIKELIHOOD:
        raise InputError(
            f"method={method!r} looks for outlying counts in any case; robust=True goes with method='ql' or 'voom'"
        )
    for name, value in {"trend": trend, "min_mean": min_mean, "cooks": cooks}.items():
        if value != OF_LIKELIHOOD[name] and method not in LIKELIHOOD:
            raise InputError(f"{name}={value!r} goes with method='wald' or 'lrt'; {method!r} has no such step")


def _check_name(what, name, known):
    if name is None or name in known:
        return
    word = str(name).lower()
    hint = f"did you mean {KNOWN_AS[word]}? Known: {', '.join(sorted(known))}" if word in KNOWN_AS else None
    raise InputError(f"there is no {what} {name!r}; {hint or did_you_mean(name, known)}")
