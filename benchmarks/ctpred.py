"""ctPred: seconds of an epoch beside a plain torch loop, and correlation across genes of a simulated world.

    python benchmarks/ctpred.py speed [threads ...]
    python benchmarks/ctpred.py accuracy [genes] [seeds]

"speed" needs 1 GB of memory and makes 18,000 genes × 5,313 features of noise: how long an epoch takes does not depend
on what is learned. 13,000 genes train, 2,500 validate. The plain loop is written as scPrediXcan's is: torch's
Sequential, a DataLoader over a TensorDataset, one network after the other, the loss of all validation genes before and
of all training genes after each epoch. CPU seconds count all threads; each line is a process of its own, and the number
is the median of 3 epochs after a first one.

"accuracy" simulates worlds (minutes) in which a known grammar of motifs tells half of the variance of expression across
genes, and judges models on test genes, with a split by chromosome and one by chance: Pearson's correlation, averaged
over cell types, then over worlds ± its standard error. "constant" counts models that predict one number for all genes.
"""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd

GENES, TRACKS, TRAIN, VALIDATION = 18_000, 5_313, 13_000, 2_500
EPOCHS = 4


def noise(cell_types):
    rng = np.random.default_rng(0)
    return rng.random((GENES, TRACKS), dtype=np.float32), rng.random((GENES, cell_types), dtype=np.float32)


def epochs_of_ctpred(cell_types, batch_size):
    import torch

    from scomics_lite.twas.sequence_models.ctpred import CtPred
    from scomics_lite.twas.sequence_models.feature_matrices import standardisation
    from scomics_lite.twas.sequence_models.network_training import Training
    from scomics_lite.twas.sequence_models.stacked_networks import new_network
    from scomics_lite.twas.sequence_models.training_genes import TrainingGenes

    x, y = noise(cell_types)
    rows = np.arange(TRAIN), np.arange(TRAIN, TRAIN + VALIDATION)
    names = [pd.RangeIndex(size) for size in (GENES, TRACKS, cell_types)]
    data = TrainingGenes(x, *names, y, *rows)
    settings = CtPred(batch_size=batch_size).settings
    network = new_network(*standardisation(x, rows[0], names[1]), cell_types, settings, "cpu")
    network.draw(torch.Generator().manual_seed(0))
    training = Training(network, data, settings)
    return training.run_epoch


def epochs_of_plain_torch(cell_types, batch_size):
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    x, y = noise(cell_types)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    x = (x - x[:TRAIN].mean(0)) / x[:TRAIN].std(0)
    networks = []
    for _ in range(cell_types):
        layers = [nn.Linear(TRACKS, 64), nn.ReLU(), nn.Dropout(0.05)]
        for _ in range(3):
            layers += [nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.05)]
        networks.append(nn.Sequential(*layers, nn.Linear(64, 1)))
    optimisers = [torch.optim.Adam(one.parameters(), lr=9e-5, weight_decay=5e-4) for one in networks]

    def loss(network, rows, cell_type):
        return nn.functional.mse_loss(network(x[rows])[:, 0], y[rows, cell_type])

    def epoch():
        for cell_type, (network, optimiser) in enumerate(zip(networks, optimisers, strict=True)):
            network.eval()
            with torch.no_grad():
                loss(network, slice(TRAIN, TRAIN + VALIDATION), cell_type).item()
            network.train()
            batches = DataLoader(TensorDataset(x[:TRAIN], y[:TRAIN, cell_type]), batch_size, shuffle=True)
            for batch_x, batch_y in batches:
                optimiser.zero_grad()
                nn.functional.mse_loss(network(batch_x)[:, 0], batch_y).backward()
                optimiser.step()
            loss(network, slice(0, TRAIN), cell_type).item()

    return epoch


TOOLS = {"ctPred": epochs_of_ctpred, "plain torch": epochs_of_plain_torch}


def time_epochs(tool, cell_types, batch_size, threads):
    """Print the median seconds of an epoch, as JSON: what a process of its own does."""
    import torch
    from measure import peak_mb

    torch.set_num_threads(threads)
    epoch, times = TOOLS[tool](cell_types, batch_size), []
    for _ in range(EPOCHS):
        wall, cpu = time.perf_counter(), time.process_time()
        epoch()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu, wall = np.median(times[1:], axis=0)
    print(json.dumps({"cpu": cpu, "wall": wall, "peak": peak_mb(), "torch": torch.__version__}))


def speed(threads):
    from measure import report

    print(
        "| epoch of | cell types | batch | threads | CPU s | wall s | peak memory, MB |\n|---|---|---|---|---|---|---|"
    )
    for count in threads:
        for tool, cell_types, batch in (
            ("plain torch", 1, 1000),
            ("ctPred", 1, 1000),
            ("ctPred", 1, 128),
            ("plain torch", 3, 1000),
            ("ctPred", 3, 1000),
            ("ctPred", 3, 128),
        ):
            found = report([sys.executable, __file__, "epochs", tool, cell_types, batch, count])
            words = (
                f"{found['cpu']:.2f} | {found['wall']:.2f} | {found['peak']:,.0f}" if isinstance(found, dict) else found
            )
            print(f"| {tool} | {cell_types} | {batch} | {count} | {words} |", flush=True)


def world_tables(n_genes, seed):
    """Simulate features of the reference sequences and percentiles of the pseudobulk, and what DNA alone says."""
    import scomics_lite as sl

    world = sl.simulate.regulatory_world(n_genes, 20, rng=seed)
    featuriser = sl.dna.MotifFeatures(sl.simulate.motif_bank())
    half = featuriser.length // 2
    sequences = []
    for gene in world.genes.itertuples():
        start = gene.tss - 1 - half if gene.strand == "+" else gene.tss - half
        text = "N" * half + world.sequences[gene.chromosome] + "N" * half
        piece = text[start + half : start + half + featuriser.length]
        sequences.append(piece if gene.strand == "+" else sl.dna.reverse_complement(piece))
    features = pd.DataFrame(
        featuriser.features(sequences), world.genes.index, [str(name) for name in featuriser.tracks]
    )
    percentiles = sl.twas.expression_percentiles(world.pseudobulk(rng=seed)).loc[world.genes.index]
    truth = {name: world.expression.var[f"sequence[{name}]"] for name in percentiles}
    return world.genes, features, percentiles, pd.DataFrame(truth)


def models(seed):
    from scomics_lite.twas import CtPred, RidgePredictor

    return {
        "ridge": RidgePredictor(),
        "ctPred": CtPred(rng=seed),
        "ctPred, tied": CtPred(tied=True, rng=seed),
        "ctPred, as published": CtPred.as_published(rng=seed),
        "as published, linear output": CtPred.as_published(output="linear", rng=seed),
    }


def accuracy(n_genes, seeds):
    from scomics_lite.twas import across_genes, chromosome_split, random_split

    rows = []
    for seed in range(1, seeds + 1):
        genes, features, percentiles, truth = world_tables(n_genes, seed)
        splits = {"chromosome": chromosome_split(genes), "random": random_split(genes, rng=seed)}
        for split_name, split in splits.items():
            found = {"what DNA does (sequence part)": (truth, 0.0)}
            for name, model in models(seed).items():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # outputs that are all 0 show in the table
                    start = time.process_time()
                    fit = {"progress": False} if "ridge" not in name else {}
                    predicted = model.fit(features, percentiles, split, **fit).predict(features)
                found[name] = (predicted, time.process_time() - start)
            for name, (predicted, seconds) in found.items():
                r = across_genes(predicted, percentiles, split)["pearson"].mean()
                rows.append({"model": name, "split": split_name, "r": r, "seconds": seconds})
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print_accuracy(pd.DataFrame(rows), n_genes, seeds)


def print_accuracy(rows, n_genes, seeds):
    print(f"\n{n_genes} genes, {seeds} worlds\n")
    print("| model | chromosome split | random split | constant | CPU s |\n|---|---|---|---|---|")
    for name, of_model in rows.groupby("model", sort=False):
        by_split = [of_model["r"][of_model["split"] == split].dropna() for split in ("chromosome", "random")]
        words = [f"{r.mean():.3f} ± {r.std() / max(len(r), 1) ** 0.5:.3f}" for r in by_split]
        print(f"| {name} | {' | '.join(words)} | {of_model['r'].isna().sum()} | {of_model['seconds'].mean():.1f} |")


if __name__ == "__main__":
    task, *arguments = sys.argv[1:] or ["speed"]
    if task == "epochs":
        time_epochs(arguments[0], *map(int, arguments[1:]))
    elif task == "speed":
        speed([int(one) for one in arguments] or [1, 2])
    else:
        accuracy(*map(int, arguments or [1000, 5]))
