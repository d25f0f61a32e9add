"""Load the rules under which notebooks are compared, whichever folder pytest is pointed at."""

pytest_plugins = ["scomics_lite.course.nbval_rules"]
