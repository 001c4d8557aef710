"""Times Gibbs sweeps and PCD-1 training steps of RBMs in other packages beside ours, and prints a table of ratios.

Usage: python peers.py OURS [THREADS [MODEL]], where OURS is the program that benches/src/bin/ours.rs builds. MODEL is
the file of an RBM 784-500, which is also timed on its own samples; other packages take the same time for any data.
Needs torch, rbms (TorchRBM), scikit-learn and numpy. `cargo xtask bench --peers PYTHON` calls it.

Every round times every package once, so that a slow moment of the computer affects all of them. The table has medians
over the rounds. The sizes are 784 visible and 500 hidden units, 500 chains, batches of 500 rows with 13 % ones.
"""

import os
import subprocess
import sys
import time

THREADS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(THREADS)

import numpy as np
import torch
from rbms.bernoulli_bernoulli.classes import BBRBM
from rbms.training.pcd import fit_batch_pcd
from sklearn.neural_network import BernoulliRBM

VISIBLE, HIDDEN, TOP, BATCH = 784, 500, 1000, 500
ROUNDS, CALLS = 5, 15


def milliseconds(call):
    """Median time of a call after two calls to warm up."""
    call(), call()
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def torch_rbm(data):
    """A sweep and a training step of TorchRBM."""
    parameters = BBRBM(
        weight_matrix=0.1 * torch.randn(VISIBLE, HIDDEN),
        vbias=torch.full((VISIBLE,), -1.9),
        hbias=torch.full((HIDDEN,), -0.5),
    )
    parameters.init_grad()
    optimiser = torch.optim.SGD(parameters.parameters(), lr=1e-6, maximize=True)
    chains = parameters.init_chains(num_samples=BATCH)
    batch = (data, torch.ones(BATCH))
    return {
        ("sweep", "TorchRBM"): lambda: parameters.sample_state(chains=chains, n_steps=1, beta=1.0),
        ("training step", "TorchRBM"): lambda: (fit_batch_pcd(batch, chains, parameters, 1, 1.0), optimiser.step()),
    }


def scikit_learn(data):
    """A sweep and a training step of scikit-learn."""
    rows = data.numpy()
    machine = BernoulliRBM(n_components=HIDDEN, batch_size=BATCH, learning_rate=1e-6, n_iter=1)
    machine.partial_fit(rows)
    return {
        ("sweep", "scikit-learn"): lambda: machine.gibbs(rows),
        ("training step", "scikit-learn"): lambda: machine.partial_fit(rows),
    }


def by_hand(data):
    """A sweep written with torch, and the two dense products that it cannot do without."""
    weights = 0.1 * torch.randn(VISIBLE, HIDDEN)
    visible, hidden = torch.full((VISIBLE,), -1.9), torch.full((HIDDEN,), -0.5)
    states = {"v": data, "h": torch.zeros(BATCH, HIDDEN)}

    def sweep():
        h = (torch.rand(BATCH, HIDDEN) < torch.sigmoid(torch.addmm(hidden, states["v"], weights))).float()
        states["v"] = (torch.rand(BATCH, VISIBLE) < torch.sigmoid(torch.addmm(visible, h, weights.t()))).float()

    def products():
        torch.mm(data, weights)
        torch.mm(states["h"], weights.t())

    return {("sweep", "torch, by hand"): sweep, ("sweep", "torch, two products alone"): products}


def deep_by_hand():
    """A sweep of a deep Boltzmann machine written with torch: even layers given the odd one, then the odd one."""
    sizes = (VISIBLE, HIDDEN, TOP)
    weights = [0.1 * torch.randn(below, above) for below, above in zip(sizes, sizes[1:])]
    biases = [torch.zeros(size) for size in sizes]
    states = [torch.zeros(BATCH, size) for size in sizes]

    def draw(layer, inputs):
        states[layer] = (torch.rand(BATCH, sizes[layer]) < torch.sigmoid(inputs)).float()

    def sweep():
        draw(0, torch.addmm(biases[0], states[1], weights[0].t()))
        draw(2, torch.addmm(biases[2], states[1], weights[1]))
        draw(1, torch.addmm(torch.addmm(biases[1], states[0], weights[0]), states[2], weights[1].t()))

    return {(f"sweep of {VISIBLE}-{HIDDEN}-{TOP}", "torch, by hand"): sweep}


def ours(program):
    """Times of our own program: {operation: milliseconds}."""
    lines = subprocess.run([program, str(THREADS), *sys.argv[3:]], check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def main():
    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    data = (torch.rand(BATCH, VISIBLE) < 0.13).float()
    calls = {**torch_rbm(data), **scikit_learn(data), **by_hand(data), **deep_by_hand()}
    times = {key: [] for key in calls}
    own = {}
    for _ in range(ROUNDS):
        for operation, value in ours(sys.argv[1]).items():
            own.setdefault(operation, []).append(value)
        for key, call in calls.items():
            times[key].append(milliseconds(call))
    print(f"{THREADS} threads, {VISIBLE} x {HIDDEN}, {BATCH} chains, medians of {ROUNDS} rounds\n")
    print("| operation | package | milliseconds | ours is faster by |\n|---|---|---|---|")
    for operation, values in own.items():
        mine = float(np.median(values))
        print(f"| {operation} | this project | {mine:.2f} | |")
        for (what, package), measured in times.items():
            if what == operation.removesuffix(" of the given model"):
                value = float(np.median(measured))
                print(f"| {operation} | {package} | {value:.2f} | {value / mine:.1f} |")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
