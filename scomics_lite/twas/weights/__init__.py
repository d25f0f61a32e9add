"""How the weights of a gene are learned: the elastic net, its penalty, and all genes at once.

Read `coordinate_descent` first, and `elastic_net`, which users see. `penalty_paths` goes from large to small penalties,
on numbers that `gram_matrices` keeps; `ridge` is the case without a penalty on absolute weights. `folds` deals people
out, `cross_validation` predicts those left out, `fitted_weights` takes the penalty that did it best. `training` does
this for all genes: `training_data` goes in, cut by `gene_windows`, to `worker_processes`; `finished_genes` keeps what
is done, and `trained_genes` makes the model of it.
"""
