"""The four steps of scPrediXcan in one call, with a working folder (chapter 6b).

Read `whole_path` first. `inputs` reads what is given and brings it to the same genes, with `cells_to_percentiles` for
the cells; `input_checks` looks for what would fail after hours. `four_steps` does the work, and `prediction_files`
writes what is predicted of people. `step_records` writes down what a step was made from, so that it is done once, and
`working_folder` keeps a second run out. `results` reads what was found, and `findings` says it in a line or two.
"""
