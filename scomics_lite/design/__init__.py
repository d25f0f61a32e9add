"""Designs and contrasts: from a formula to columns, from a question to numbers, and whether it can be answered at all.

Chapter 3. A design X has one row for each sample and one column for each coefficient; the model says
ln(mu_i / s_i) = x_i' beta. A contrast c asks for c' beta, and the design can answer it if and only if c is a
combination of its rows. Read `matrix` first: formulas become designs there, which know their `factors`. `contrasts`
turns questions into vectors, `diagnosis` says what a design cannot answer, `rank` judges which columns add nothing.

>>> import pandas as pd
>>> obs = pd.DataFrame({"batch": list("aabb"), "condition": ["control", "treated"] * 2})
>>> design = design_matrix(obs, "~ batch + condition")
>>> contrast(design, ("condition", "treated", "control"))
array([0., 0., 1.])
>>> diagnose(design).estimable("condition[treated] - batch[b]")
True
"""

from scomics_lite.design.contrasts import contrast
from scomics_lite.design.diagnosis import Alias, DesignReport, check_design, diagnose, match_design
from scomics_lite.design.factors import Design
from scomics_lite.design.matrix import check_column, design_matrix, group_mean
from scomics_lite.design.rank import column_rank, independent_columns

__all__ = [
    "Alias",
    "Design",
    "DesignReport",
    "check_column",
    "check_design",
    "column_rank",
    "contrast",
    "design_matrix",
    "diagnose",
    "group_mean",
    "independent_columns",
    "match_design",
]
