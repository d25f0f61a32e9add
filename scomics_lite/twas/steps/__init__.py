"""The four steps of scPrediXcan in one call, with a working folder (chapter 6b).

Read `whole_path` first. `cells_to_percentiles` ranks the genes of each type of cells; `step_records` writes down what a
step was made from, so that it is done once, and `working_folder` keeps a second run out.
"""
