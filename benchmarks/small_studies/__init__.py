"""Small studies drawn at random, asked in many forms, judged, and helped on by what refusals say.

For `random_studies.py`. Read `draw` first: what is true of a study. `calls` puts it into a form, `slips` into one that
is wrong; `judge` looks at what the package answers. `follow` does what refusals and warnings say, by the rules of
`advice_on_data` and `advice_on_questions`, which change calls by `handles`.
"""
