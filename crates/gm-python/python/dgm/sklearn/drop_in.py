"""The drop-in for scikit-learn's restricted Boltzmann machine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import models
from ..arrays import check_count
from .base import SEEDS
from .rbm import RbmEstimator


class BernoulliRBM(RbmEstimator):
    """A drop-in for ``sklearn.neural_network.BernoulliRBM``.

    It has the parameters, attributes and methods of that class, begins at the same weights, and learns by the same
    rule: persistent contrastive divergence with ``batch_size`` chains at a constant learning rate, from values between
    0 and 1 as they are. Differences: parameters are float32 while it learns; rows are shuffled in every epoch; values
    outside are cut off at 0 and 1, with a warning; `partial_fit` learns by contrastive divergence and returns the
    estimator; `score_samples` varies less, and is the same for a row among any other rows. ``binarize="dynamic"`` draws
    zeros and ones anew in every batch, which learns digits better.

    Parameters
    ----------
    n_components, learning_rate, batch_size, n_iter, verbose, random_state
        As there.
    settings, binarize, evaluation, n_threads, callback
        As of `RBM`.

    Attributes
    ----------
    components_ : array of shape [n_components, units]
    intercept_hidden_ : array of shape [n_components]
    intercept_visible_ : array of shape [units]
    h_samples_ : array of shape [batch_size, n_components]
        Hidden states drawn from the model.
    n_features_in_, feature_names_in_
        As there.
    model_, history_, n_iter_, score_side_
        As of `RBM`.

    Examples
    --------
    >>> import numpy as np
    >>> from dgm.sklearn import BernoulliRBM
    >>> X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    >>> BernoulliRBM(n_components=2).fit(X)
    BernoulliRBM(n_components=2)
    """

    visible = "bernoulli"
    early_stopping = False
    validation_fraction = 0.1
    n_iter_no_change = 10
    _least_iterations = 0

    _renamed = {
        "n_components": "hidden",
        "n_iter": "epochs",
        "learning_rate": "learning_rate",
        "batch_size": "batch_size",
    }

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float = 0.1,
        batch_size: int = 10,
        n_iter: int = 10,
        verbose: int = 0,
        random_state: Any = None,
        settings: Mapping[str, Any] | None = None,
        binarize: float | str | None = None,
        evaluation: Mapping[str, Any] | None = None,
        n_threads: int | None = None,
        callback: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.settings = settings
        self.binarize = binarize
        self.evaluation = evaluation
        self.n_threads = n_threads
        self.callback = callback

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Make one update with all of these rows."""
        return self._partial_fit(X)

    def _train(self, X: Any, y: Any = None, *, start: Any = None, **arguments: Any) -> Self:
        first = self._first_model(X.shape[1]) if start is None else start
        return self._keep(first) if arguments["epochs"] == 0 else super()._train(X, y, start=first, **arguments)

    def _first_model(self, units: int) -> models.RBM:
        """Return the model that training begins with, the same as scikit-learn's."""
        hidden = check_count(self.n_components, "n_components", 1)
        weights = check_random_state(self.random_state).normal(0, 0.01, (hidden, units))
        arrays = {"weights.0": weights.T, "bias.0": np.zeros(units), "bias.1": np.zeros(hidden)}
        return models.RBM.from_arrays(arrays)

    def _learns_from(self, X: Any) -> None:
        self._dtype = np.float32 if X.dtype == np.float32 else np.float64

    def _shows_bar(self) -> bool:
        super()._shows_bar()
        return False

    def _binarisation(self) -> str | None:
        return super()._binarisation() or (None if self._takes_numbers else "none")

    def _settings(self) -> dict[str, Any]:
        plain = {"centred": False, "schedule": "constant", "log_z_chains": 0}
        return {"algorithm": "pcd", "chains": self.batch_size, **plain, **super()._settings()}

    def _train_part(self, rows: Any, start: Any, settings: dict[str, Any], arguments: dict[str, Any]) -> Self:
        settings["batch_size"] = rows.shape[0]
        return super()._train_part(rows, start, settings, {**arguments, "evaluate_rows": 1})

    def _keep(self, model: models.Model) -> Self:
        super()._keep(model)
        self.components_ = model.weights(0).astype(self._dtype)
        self.intercept_hidden_ = model.bias(1).astype(self._dtype)
        self.intercept_visible_ = model.bias(0).astype(self._dtype)
        self.__dict__.pop("_h_samples", None)
        return self

    def _in_range(self, X: Any, name: str) -> Any:
        values = X.data if sparse.issparse(X) else X
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            warnings.warn(f"{name} has values outside 0 to 1, which are cut off; give `binarize`", stacklevel=4)
            cut = np.clip(values, 0, 1)
            X = type(X)((cut, X.indices, X.indptr), shape=X.shape) if sparse.issparse(X) else cut
        return X

    def _line(self, figures: Mapping[str, Any], seconds: float) -> str:
        return super()._line({name: figures[name] for name in ("epoch", "pseudo_log_likelihood")}, seconds)

    @property
    def h_samples_(self) -> np.ndarray:
        """Hidden states drawn from the model, of shape [batch_size, n_components]."""
        if "_h_samples" not in self.__dict__:
            seed = self._seed_of_computation()
            visible = self._model.sample(self.batch_size, seed=seed, n_threads=self.n_threads)
            self._h_samples = self._sample_hiddens(visible, np.random.RandomState(seed % SEEDS)).astype(
                self.components_.dtype
            )
        return self._h_samples

    def transform(self, X: Any) -> np.ndarray:
        """Return P(h = 1 | v = X), with values as they are.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]

        Returns
        -------
        array of float32 or float64, as X, of shape [samples, n_components]
        """
        check_is_fitted(self)
        return self._mean_hiddens(self._numbers(X))

    def _numbers(self, X: Any) -> Any:
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=(np.float64, np.float32))
        threshold = self._threshold()
        return X if threshold is None else (X > threshold).astype(X.dtype)

    def _mean_hiddens(self, v: Any) -> np.ndarray:
        return np.asarray(expit(self._inputs(v)))

    def _inputs(self, v: Any) -> np.ndarray:
        """Return the inputs of the hidden units, in the precision of the rows."""
        weights = self.components_.astype(v.dtype, copy=False) if v.dtype.kind == "f" else self.components_
        return np.asarray(v @ weights.T + self.intercept_hidden_.astype(weights.dtype, copy=False))

    def _sample_hiddens(self, v: Any, rng: Any) -> np.ndarray:
        means = self._mean_hiddens(v)
        return np.asarray(rng.uniform(size=means.shape) < means)

    def gibbs(self, v: Any) -> np.ndarray:
        """Make one step of Gibbs sampling from visible states, with other draws at each call.

        Parameters
        ----------
        v : array or sparse matrix of shape [samples, units]

        Returns
        -------
        array of bool of shape [samples, units]
        """
        check_is_fitted(self)
        if not hasattr(self, "random_state_"):
            self.random_state_ = check_random_state(self.random_state)
        hidden = self._sample_hiddens(v if sparse.issparse(v) else np.asarray(v), self.random_state_)
        means = expit(hidden @ self.components_ + self.intercept_visible_)
        return np.asarray(self.random_state_.uniform(size=means.shape) < means)

    def score_samples(self, X: Any, y: Any = None) -> np.ndarray:
        """Return an estimate of the log-pseudo-likelihood of each row, from 16 units where scikit-learn takes one.

        The units depend on the row and on ``random_state``, so that a row has the same score among any other rows.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]
        y : ignored

        Returns
        -------
        array of shape [samples]
        """
        check_is_fitted(self)
        v = self._numbers(X)
        samples, units = v.shape
        first, inputs = drawn_by_row(v, check_random_state(self.random_state)), self._inputs(v)
        before, taken, total = np.logaddexp(0, inputs).sum(axis=1), min(units, 16), np.zeros(samples)
        for place in range(taken):
            unit = (first + place * units // taken) % units
            change = 1 - 2 * np.asarray(v[np.arange(samples), unit]).ravel()
            after = np.logaddexp(0, inputs + change[:, None] * self.components_[:, unit].T).sum(axis=1)
            total -= np.logaddexp(0, after - before + change * self.intercept_visible_[unit])
        return np.asarray(units / taken * total)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def drawn_by_row(rows: Any, rng: Any) -> np.ndarray:
    """Draw a unit for each row, the same one for equal rows in any order and form.

    The bits of all values are hashed by sums modulo 2^64, which do not depend on the order of summation.
    """
    first, *factors = rng.randint(0, 2**63, rows.shape[1] + 1, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    values = np.asarray(rows.data if sparse.issparse(rows) else rows, dtype=np.float64) + 0.0
    bits = values.view(np.uint64)
    bits = bits ^ (bits >> np.uint64(32))
    if sparse.issparse(rows):
        bits = sparse.csr_array((bits, rows.indices, rows.indptr), shape=rows.shape)
    hashed = np.asarray(bits @ np.array(factors)) + first
    hashed = (hashed ^ (hashed >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray((hashed >> np.uint64(32)) % np.uint64(rows.shape[1]), dtype=np.intp)
