"""Times an epoch of PCD-1 through NumPy: `dgm.RBM.fit` beside scikit-learn and TorchRBM, and prints a table of ratios.

Usage: python peers_fit.py [MODEL]. MODEL is the file of an RBM 784-500, whose samples are then learnt as well. Needs dgm,
torch, rbms (TorchRBM), scikit-learn and numpy. `cargo xtask bench --peers PYTHON` calls it.

An epoch has 20,000 rows of 784 units in batches of 500; the RBM has 500 hidden units and 500 chains. Every package has one
thread. Rows are uint8 for dgm, and float32 for the others, which are given the fastest form that they take. Noise has 13 %
ones. Every round times every package once; the table has medians over the rounds.
"""

import os
import sys
import time

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import dgm
import numpy as np
import torch
from rbms.bernoulli_bernoulli.classes import BBRBM
from rbms.training.pcd import fit_batch_pcd
from sklearn.neural_network import BernoulliRBM

ROWS, VISIBLE, HIDDEN, BATCH, ROUNDS = 20_000, 784, 500, 500, 5
torch.set_num_threads(1)


def ours(rows):
    """Fits our RBM, from weights at random to the model of the epoch."""
    dgm.RBM.fit(rows, hidden=HIDDEN, epochs=1, batch_size=BATCH, steps=1, chains=BATCH, n_threads=1)


def scikit_learn(rows):
    """Fits scikit-learn's RBM."""
    BernoulliRBM(n_components=HIDDEN, batch_size=BATCH, n_iter=1, random_state=0).fit(rows)


def torch_rbm(rows):
    """Runs the batches of an epoch of TorchRBM."""
    data = torch.from_numpy(rows)
    parameters = BBRBM(
        weight_matrix=0.01 * torch.randn(VISIBLE, HIDDEN), vbias=torch.zeros(VISIBLE), hbias=torch.zeros(HIDDEN)
    )
    parameters.init_grad()
    optimiser = torch.optim.SGD(parameters.parameters(), lr=0.01, maximize=True)
    chains = parameters.init_chains(num_samples=BATCH)
    for batch in data[torch.randperm(ROWS)].split(BATCH):
        fit_batch_pcd((batch, torch.ones(len(batch))), chains, parameters, 1, 1.0)
        optimiser.step()


def seconds(call, rows):
    start = time.perf_counter()
    call(rows)
    return time.perf_counter() - start


def main():
    rng = np.random.default_rng(0)
    sets = {"noise": (rng.random((ROWS, VISIBLE)) < 0.13).astype(np.uint8)}
    if len(sys.argv) > 1:
        sets["samples of the model"] = dgm.load(sys.argv[1]).sample(ROWS, steps=200, chains=ROWS).astype(np.uint8)
    packages = {"this project, `dgm.RBM.fit`": ours, "scikit-learn, `fit`": scikit_learn, "TorchRBM": torch_rbm}
    print("\n| fit of an epoch, one thread | package | s | ours is faster by |\n|---|---|---|---|")
    for name, rows in sets.items():
        floats = rows.astype(np.float32)
        times = {package: [] for package in packages}
        for round_ in range(ROUNDS + 1):
            for package, call in packages.items():
                taken = seconds(call, rows if call is ours else floats)
                if round_ > 0:  # The first round warms up.
                    times[package].append(taken)
        medians = {package: float(np.median(found)) for package, found in times.items()}
        best = medians["this project, `dgm.RBM.fit`"]
        for package, median in medians.items():
            ratio = "" if package.startswith("this") else f"{median / best:.1f}"
            print(f"| {name} | {package} | {median:.2f} | {ratio} |")


if __name__ == "__main__":
    main()
