"""All four models side by side on handwritten digits: what each says about log p of new rows.

The side matters when numbers are compared. An exact value and an estimate with an interval can be compared; a lower
bound says that log p is at least this, and nothing about how much higher it is.

Needs `pip install 'dgm[sklearn]'`, for the digits.
"""

import time

import dgm
import numpy as np

X, _ = dgm.load_digits()
train, test = X[:1500], X[1500:]
effort = {"temperatures": 1000, "raise_walks": 0, "reverse_runs": 0, "samples": 200, "gap_rows": 0}
common = {"batch_size": 20, "seed": 1}

makers = {
    "RBM": lambda: dgm.RBM.fit(train, hidden=80, epochs=30, chains=100, **common),
    "SBN": lambda: dgm.SBN.fit(train, hidden=[50, 20], epochs=60, **common),
    "DBM": lambda: dgm.DBM.fit(train, hidden=[60, 30], epochs=30, chains=100, **common),
    "DBN": lambda: dgm.DBN.fit(train, hidden=[80, 64], epochs=30, chains=100, **common),
}

print(f"{len(train)} training rows, {len(test)} test rows of 64 pixels; mean log p of a test row in nats\n")
print(f"{'model':<7}{'layers':<11}{'seconds':>8}{'log p':>10}  {'interval':<21}{'side':<10}method")
for name, make in makers.items():
    begun = time.perf_counter()
    model = make()
    seconds = time.perf_counter() - begun
    log_p = model.evaluate(test, seed=2, **effort).mean_log_prob
    interval = f"{log_p.low:.2f} to " + ("open" if log_p.high == float("inf") else f"{log_p.high:.2f}")
    layers = "-".join(map(str, model.layers))
    print(f"{name:<7}{layers:<11}{seconds:>8.1f}{log_p.value:>10.2f}  {interval:<21}{log_p.side:<10}{log_p.method}")

# An RBM without weights: each pixel has the mean of the training rows, whatever the others are.
means = train.mean(axis=0) * 0.998 + 0.001
zeros = {"weights.0": np.zeros((64, 1)), "bias.1": np.zeros(1)}
independent = dgm.RBM.from_arrays({**zeros, "bias.0": np.log(means / (1 - means))})
print(f"\nIndependent pixels, for comparison: {independent.evaluate(test).value:.2f}")
