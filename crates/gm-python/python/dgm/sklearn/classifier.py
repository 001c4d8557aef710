"""The estimator of feed-forward nets that classify."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .. import models
from .base import Estimator


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A feed-forward net, from random weights or fine-tuned from a generative model.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int
        Units of the hidden layers, from the first one up. By default those of ``start``, else one layer of 100 units.
    n_iter, learning_rate, batch_size
        As of `RBM`.
    start : estimator or model, optional
        A fitted estimator of this module, or a model of `dgm`, whose layers are the first ones.
    settings, binarize, early_stopping, validation_fraction, n_iter_no_change, n_threads, random_state, verbose, \
callback
        As of `RBM`. Values between 0 and 1 enter as they are.

    Attributes
    ----------
    model_ : dgm.Classifier
    classes_ : array of shape [classes]
        The labels, in order.
    coefs_, intercepts_ : lists of arrays
        Weights and biases of all layers.
    history_, n_iter_, n_features_in_, feature_names_in_
        As of `RBM`.

    Examples
    --------
    >>> from dgm.sklearn import Classifier
    >>> import dgm
    >>> X, y = dgm.load_digits()
    >>> net = Classifier((50,), n_iter=30, random_state=1).fit(X[:900], y[:900])
    >>> bool(net.score(X[900:], y[900:]) > 0.8)
    True
    """

    _kind = models.Classifier
    _renamed = {
        "hidden_layer_sizes": "hidden",
        "n_iter": "epochs",
        "learning_rate": "learning_rate",
        "batch_size": "batch_size",
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | None = None,
        *,
        n_iter: int = 50,
        learning_rate: float = 0.1,
        batch_size: int = 100,
        start: Any = None,
        settings: Mapping[str, Any] | None = None,
        binarize: float | str | None = None,
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callback: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.start = start
        self.settings = settings
        self.binarize = binarize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def fit(self, X: Any, y: Any, X_val: Any = None, y_val: Any = None) -> Self:
        """Train the net.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]
        y : array of shape [samples]
            Labels of any type.
        X_val, y_val : of the same kinds, optional
            Validation rows, which the figures of evaluations and early stopping are about.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For rows, labels and parameters out of range, and for rows of a single class.
        KeyboardInterrupt
            After Ctrl-C. The estimator keeps the net trained so far.
        """
        settings, start = self._settings(), self._start()
        rows, seed = self._rows(X, reset=True), self._seed()
        labels = self._labels_of(y, rows.shape[0], None)
        held_out: tuple[Any, Any] = (None, None)
        if X_val is not None:
            if y_val is None:
                raise ValueError("y_val is None, expected the labels of X_val")
            held_out = (self._rows(X_val, name="X_val"), None)
            held_out = (held_out[0], self._codes(y_val, held_out[0].shape[0], "y_val"))
        elif (split := self._validation(rows.shape[0], seed)) is not None:
            held_out = (rows[split[1]], labels[split[1]])
            rows, labels = rows[split[0]], labels[split[0]]
        self._first_seed, self._parts = seed, 0
        settings["classes"] = len(self.classes_)
        return self._train(
            rows, labels, X_val=held_out[0], y_val=held_out[1], start=start, seed=seed, **self._watching(), **settings
        )

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train the net further by one epoch over these rows, at a constant learning rate.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]
        y : array of shape [samples]
        classes : array of shape [classes], optional
            All labels, at the first call; those of ``y`` if absent.

        Returns
        -------
        self
        """
        model = getattr(self, "model_", None)
        settings = {**self._settings(), "epochs": 1}
        if "schedule" not in (self.settings or {}):
            settings["schedule"] = "constant"
        rows = self._rows(X, reset=model is None)
        if model is None:
            labels = self._labels_of(y, rows.shape[0], classes)
        else:
            labels = self._codes(y, rows.shape[0], "y")
        settings["classes"] = len(self.classes_)
        start = self._start() if model is None else model
        return self._train(
            rows, labels, start=start, seed=self._seed_of_part(), evaluate_every=models.NEVER, **settings
        )

    def _hidden_layer_sizes(self) -> list[int]:
        if self.hidden_layer_sizes is None:
            return [] if self.start is not None else [100]
        return super()._hidden_layer_sizes()

    def _start(self) -> Any:
        start = getattr(self.start, "model_", self.start)
        if start is not None and not isinstance(start, models.Model):
            raise ValueError(f"start is {self.start!r}, allowed: None, a fitted estimator or a model")
        return start

    def _labels_of(self, y: Any, rows: int, classes: Any) -> np.ndarray:
        """Learn the classes, and return the number of the class of each row."""
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_ = np.unique(y if classes is None else np.asarray(classes))
        if len(self.classes_) < 2:
            raise ValueError(f"y has {len(self.classes_)} class, allowed: 2 classes or more")
        return self._codes(y, rows, "y")

    def _codes(self, y: Any, rows: int, name: str) -> np.ndarray:
        y = column_or_1d(y)
        if len(y) != rows:
            raise ValueError(f"{name} has {len(y)} labels, expected {rows}, one a row")
        codes = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        unknown, known = np.setdiff1d(y, self.classes_).tolist(), self.classes_.tolist()
        if unknown:
            raise ValueError(f"{name} has the label {unknown[0]!r}, allowed: {', '.join(map(repr, known))}")
        return np.asarray(codes)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each row."""
        best = self.predict_log_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class given each row, of shape [samples, classes]."""
        return np.asarray(np.exp(self.predict_log_proba(X)))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return log p(class | row), of shape [samples, classes]."""
        check_is_fitted(self)
        log_probs = np.asarray(self._model.log_class_probs(self._rows(X), n_threads=self.n_threads), dtype=np.float64)
        return np.asarray(log_probs - logsumexp(log_probs, axis=1, keepdims=True))

    def _usual_rule(self) -> str:
        return "error-rate"
