"""Missing pixels of handwritten digits, filled in by an RBM that learnt from whole ones.

Half of the pixels of each test row are hidden, at random or as the lower half. The RBM gives each hidden pixel the
probability that it is on, given the pixels that are seen; the mean of the training rows does not look at them.

Needs `pip install 'dgm[sklearn]'`, for the digits.
"""

import dgm
import numpy as np

X, _ = dgm.load_digits()
train, test = X[:1500], X[1500:]
rbm = dgm.RBM.fit(train, hidden=100, epochs=40, batch_size=20, chains=100, seed=1)

masks = {
    "half at random": np.random.default_rng(1).random(test.shape) < 0.5,
    "the lower half": np.tile(np.arange(64) >= 32, (len(test), 1)),
}
mean = np.broadcast_to(train.mean(axis=0), test.shape)


def measures(means, hidden):
    """Share of hidden pixels that rounding gets wrong, and mean -log p of a hidden pixel in nats."""
    p, truth = np.clip(means[hidden], 1e-3, 1 - 1e-3), test[hidden]
    return np.mean((p >= 0.5) != truth), -np.mean(np.log(np.where(truth == 1, p, 1 - p)))


print(f"{len(test)} digits with hidden pixels\n")
print(f"{'hidden pixels':<17}{'filled in by':<15}{'wrong':>7}{'nats a pixel':>15}")
for name, hidden in masks.items():
    rows = np.where(hidden, np.nan, test)  # NaN is missing
    completed = rbm.complete(rows, steps=200, seed=1)
    for method, means in (("the mean", mean), ("the RBM", completed)):
        wrong, nats = measures(means, hidden)
        print(f"{name:<17}{method:<15}{wrong:>7.1%}{nats:>15.3f}")

print("\nFour of them: the digit, what is seen, what the RBM fills in")
for line in range(8):
    pictures = []
    for row in (0, 1, 4, 5):
        seen, filled, whole = (part[row].reshape(8, 8)[line] for part in (rows, completed, test))
        text = ["".join(" #"[int(v)] for v in whole)]
        text.append("".join("." if np.isnan(v) else " #"[int(v)] for v in seen))
        text.append("".join(" -+#"[min(3, int(4 * v))] for v in filled))
        pictures.append(" ".join(text))
    print("   ".join(pictures))
