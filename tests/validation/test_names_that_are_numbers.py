"""Messages name samples and genes as their user does: numbers without quotes, and without numpy's type around them."""

import numpy as np
import pandas as pd
import pytest

from scomics_lite import differential, dispersion, glm, linear_models, multiple_testing, quasi_likelihood
from scomics_lite.empirical_bayes import ash, squeeze_variances
from scomics_lite.validation import InputError

SAMPLES, GENES = pd.Index([101, 102, 103, 104]), pd.Index([7, 8, 9])
COUNTS = pd.DataFrame([[5, 0, 9], [7, 3, 8], [6, 2, 11], [9, 4, 7]], SAMPLES, GENES)
DESIGN = pd.DataFrame({"Intercept": 1.0, "treated": [0, 0, 1, 1]}, SAMPLES)
GAP = pd.DataFrame([[1.0, 2, 3], [1, 2, np.inf], [1, 2, 3], [4, 5, 6]], SAMPLES, GENES)
FEW = pd.DataFrame([[900, 800, 700, 0]] * 3 + [[0, 0, 0, 50]], SAMPLES, [*GENES, 10])


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: glm.fit(COUNTS, DESIGN, np.ones(4), [0.1, -1, 0.1]), "gene 8 has"),
        (lambda: quasi_likelihood.fit(COUNTS, DESIGN, np.ones(4), [0.1, 0.1, np.nan]), "the first is 9"),
        (lambda: linear_models.fit(GAP, DESIGN), "sample 102, gene 9"),
        (lambda: linear_models.fit(GAP.clip(upper=9), DESIGN, -GAP.clip(upper=9)), "sample 101, gene 7"),
        (lambda: dispersion.moments(-COUNTS, DESIGN, np.ones(4)), "gene 7 has"),
        (lambda: dispersion.estimate(COUNTS, DESIGN, pd.DataFrame(1e6, SAMPLES, GENES)), "size factors of gene 7 have"),
        (lambda: multiple_testing.adjust(pd.Series([0.1, 2, 0.3], GENES)), "gene 8 has"),
        (lambda: ash(pd.Series([1.0, np.inf, 2], GENES), pd.Series(1.0, GENES)), r"\(gene 8\)"),
        (lambda: squeeze_variances(pd.Series([1.0, -1, 2], GENES), 3), "gene 8 has"),
        (
            lambda: differential.test(FEW, DESIGN, "treated", method="ql", size_factors=np.ones(4)),
            "sample 104 has no count in the 3 genes",
        ),
    ],
)
def test_numbers_stand_as_they_are(call, named):
    with pytest.raises(InputError, match=named):
        call()
