"""Estimates log Z of a binary RBM by annealed importance sampling in double precision, independently of this project.

Usage: python ais_reference.py MODEL.npz [RUNS] [SEED], where `dgm convert MODEL.gm MODEL.npz` wrote the model.
Needs numpy. The temperatures are the 14,501 of Salakhutdinov and Murray 2008; the base model has the visible biases of
the model alone. Prints log Z, its standard error, and the interval of three standard errors on either side, for
comparison with `log_partition` of `dgm eval MODEL.gm --data binarized_mnist --json`.
"""

import sys

import numpy as np


def softplus(x):
    return np.logaddexp(0.0, x)


def main():
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    rng = np.random.default_rng(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    model = np.load(sys.argv[1])
    a, b, w = (model[name].astype(np.float64) for name in ("bias.0", "bias.1", "weights.0"))
    betas = np.concatenate([np.arange(0, 0.5, 0.001), np.arange(0.5, 0.9, 0.0001), np.linspace(0.9, 1, 10_001)])

    def draw(inputs):
        return (rng.random(inputs.shape) < 1 / (1 + np.exp(-inputs))).astype(np.float64)

    # Hidden inputs go from 0 to b + v W; the visible biases are always those of the model.
    v = draw(np.tile(a, (runs, 1)))
    log_w = np.zeros(runs)
    for old, new in zip(betas[:-1], betas[1:]):
        z = v @ w + b
        log_w += (softplus(new * z) - softplus(old * z)).sum(axis=1)
        v = draw(a + new * (draw(new * z) @ w.T))
    log_z0 = softplus(a).sum() + b.size * np.log(2)
    top = log_w.max()
    weights = np.exp(log_w - top)
    log_z = log_z0 + top + np.log(weights.mean())
    error = weights.std(ddof=1) / weights.mean() / np.sqrt(runs)
    low, high = (log_z + np.log(max(1 + sign * 3 * error, 1e-300)) for sign in (-1, 1))
    print(f"{len(betas)} temperatures, {runs} runs: log Z {log_z:.3f}, standard error {error:.3f}, {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
