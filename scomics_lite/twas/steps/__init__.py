"""The four steps of scPrediXcan in one call, with a working folder (chapter 6b).

Read `whole_path` first.
"""
