"""From features of DNA to expression, learned across genes (chapter 6b): ctPred, and ridge beside it.

Read `ctpred` first.
"""
