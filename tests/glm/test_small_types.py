"""Small integers end at 255 or 65,535, and float32 at 16,777,216: no sum of counts may wrap or lose digits."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scomics_lite import glm
from scomics_lite.design import design_matrix

OBS = pd.DataFrame({"condition": list("AAAABBBBCCCC")}, index=[f"s{i}" for i in range(12)])
DESIGN = design_matrix(OBS, "~ condition")
GENE = np.array([20] * 4 + [2] * 4 + [62] * 4)  # B and C add up to 256


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize(
    ("dtype", "times"), [(np.uint8, 1), (np.int8, 1), (np.uint16, 256), (np.int16, 256), (np.int32, 2**24)]
)
def test_counts_of_the_compared_groups_that_add_up_to_the_end_of_the_type(dtype, times, form):
    others = np.random.default_rng(1).integers(1, 100, (12, 3))
    counts = np.column_stack([GENE * times, others])
    wide, small = (
        glm.wald_test(glm.fit(form(counts.astype(kind)), DESIGN, np.ones(12), 0.1), ("condition", "C", "B"))
        for kind in (np.int64, dtype)
    )
    assert small.loc[0, "log2FoldChange"] == pytest.approx(np.log2(62 / 2), abs=0.01)
    pd.testing.assert_frame_equal(small, wide, rtol=1e-12)


def test_the_number_that_was_zero():
    # Before, uint8 made 0 of B + C = 256, and the gene one without counts: a fold change of 0 with p = 1.
    table = glm.wald_test(glm.fit(GENE[:, None].astype(np.uint8), DESIGN, np.ones(12), 0.1), ("condition", "C", "B"))
    assert table.loc[0, "log2FoldChange"] == pytest.approx(4.95, abs=0.01)
    variance = (1 / 62 + 0.1 + 1 / 2 + 0.1) / 4  # of the log ratio of two means of four counts each
    assert table.loc[0, "stat"] == pytest.approx(np.log(31) / np.sqrt(variance), rel=1e-3)
    assert table.loc[0, "pvalue"] < 1e-14
