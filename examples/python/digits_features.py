"""Hidden units of an RBM as features of handwritten digits, for logistic regression.

The digits are moved by one pixel in every direction, so that a pixel alone says little. The RBM learns from the
pictures without their labels. Compare the two lines of the table: the same classifier on the pixels, and on the means
of the hidden units.

Needs `pip install 'dgm[sklearn]'`.
"""

import dgm
import numpy as np
from dgm.sklearn import RBM
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def moved(X, y):
    """Each picture, and the four pictures moved by one pixel, with their labels."""
    padded = np.pad(X.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    starts = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]
    pictures = [padded[:, top : top + 8, left : left + 8].reshape(-1, 64) for top, left in starts]
    return np.concatenate(pictures), np.tile(y, len(starts))


X, y = dgm.load_digits()
X_train, y_train = moved(X[:600], y[:600])
X_test, y_test = moved(X[600:1000], y[600:1000])

settings = {"chains": 100, "log_z_chains": 0}
rbm = RBM(n_components=120, n_iter=40, batch_size=10, learning_rate=0.1, random_state=1, settings=settings)
pipelines = {
    "pixels": make_pipeline(LogisticRegression(max_iter=300, tol=1e-3)),
    "hidden units of an RBM": make_pipeline(rbm, LogisticRegression(max_iter=300, tol=1e-3)),
}

print(f"{len(X_train)} moved digits for training, {len(X_test)} of other digits for the test\n")
print(f"{'features':<26}{'number':>8}{'errors':>9}{'+-':>7}")
errors = {}
for name, pipeline in pipelines.items():
    error = errors[name] = 1 - pipeline.fit(X_train, y_train).score(X_test, y_test)
    spread = np.sqrt(error * (1 - error) / 400)  # the five copies of a digit are not independent
    print(f"{name:<26}{pipeline[-1].n_features_in_:>8}{error:>9.1%}{spread:>7.1%}")

saved = 1 - errors["hidden units of an RBM"] / errors["pixels"]
print(f"\nThe hidden units save {saved:.0%} of the errors.")
