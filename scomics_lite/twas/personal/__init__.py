"""What a sequence model says of people: every person's two haplotypes through features and ctPred (chapter 6b).

Read `personal_predictions` first.
"""
