"""From features of DNA to expression, learned across genes (chapter 6b): ctPred, and ridge beside it.

Read `ctpred` first: what is learned, and what a trained model is; `ctpred_settings` checks how it is set up. What goes
in: `percentiles` makes the targets, `gene_splits` says which genes train, `feature_matrices` reads and standardises
features, `training_genes` brings them together. `stacked_networks` is the networks of all cell types,
`network_training` their training, epoch by epoch; `training_checkpoints` and `tensor_files` keep what was reached.
`ridge_predictor` is the baseline. Whether a model tells genes apart, `gene_correlations` says; whether it tells people
apart, `people_correlations`.

`features_of_genes` computes the features of all genes from a genome, `finished_features` keeps them as they are
computed. `feature_tables` reads features that were computed elsewhere: `hdf5_features` and `text_features` know the
layouts.
"""
