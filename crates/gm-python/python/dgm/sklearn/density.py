"""What the estimators of the four generative models do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from .. import models
from ..arrays import check_count
from .base import Estimator


class DensityEstimator(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    DensityMixin,  # type: ignore[misc]
    Estimator,
):
    """What the estimators of the four generative models do."""

    def fit(self, X: Any, y: Any = None, X_val: Any = None) -> Self:
        """Train the model.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]
        y : ignored
        X_val : of the same kind, optional
            Validation rows, which the figures of evaluations and early stopping are about.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For rows and parameters out of range.
        KeyboardInterrupt
            After Ctrl-C. The estimator keeps the model trained so far.
        """
        return self._fit(X, X_val)

    def _fit(self, X: Any, X_val: Any, sample_weight: Any = None) -> Self:
        settings = self._settings()
        rows, seed = self._rows(X, reset=True), self._seed()
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, rows)
        held_out = None
        if X_val is not None:
            held_out = self._rows(X_val, name="X_val")
        elif (split := self._validation(rows.shape[0], seed)) is not None:
            weights = None if weights is None else weights[split[0]]
            rows, held_out = rows[split[0]], rows[split[1]]
        self._first_seed, self._parts = seed, 0
        return self._train(rows, X_val=held_out, sample_weight=weights, seed=seed, **self._watching(), **settings)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Train the model further by one epoch over these rows, at a constant learning rate.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]
        y : ignored

        Returns
        -------
        self
        """
        return self._partial_fit(X)

    def _partial_fit(self, X: Any, sample_weight: Any = None) -> Self:
        start = getattr(self, "model_", None)
        settings = {**self._settings(), "epochs": 1}
        if "schedule" not in (self.settings or {}):
            settings["schedule"] = "constant"
        rows = self._rows(X, reset=start is None)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, rows)
        arguments = {"sample_weight": weights, "seed": self._seed_of_part(), "evaluate_every": models.NEVER}
        return self._train_part(rows, start, settings, arguments)

    def _train_part(self, rows: Any, start: Any, settings: dict[str, Any], arguments: dict[str, Any]) -> Self:
        return self._train(rows, start=start, **arguments, **settings)

    def transform(self, X: Any) -> np.ndarray:
        """Return the posterior means of a hidden layer: of the one on top, or of ``layer``.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]

        Returns
        -------
        array of float32 of shape [samples, hidden units]
        """
        check_is_fitted(self)
        rows = self._rows(X)
        means = self._model.posterior_mean(
            rows, method=self.posterior, seed=self._seed_of_computation(), n_threads=self.n_threads
        )
        return np.asarray(means[self._layer()])

    def _layer(self) -> int:
        return -1

    def _seed_of_computation(self) -> int:
        """Return the seed of draws after training: the same ones at each call."""
        return int(getattr(self, "_first_seed", 0))

    @property
    def _n_features_out(self) -> int:
        return int(self._model.layers[1:][self._layer()])

    def score_samples(self, X: Any, y: Any = None) -> np.ndarray:
        """Return log p of each row in nats: exact where it can be enumerated, else an estimate or a bound.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]
        y : ignored

        Returns
        -------
        array of float64 of shape [samples]
        """
        return np.asarray(self._report(X).log_probs)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of log p over the rows, in nats.

        The attribute ``score_side_`` says what it is: ``exact``, ``estimate`` (an error on both sides) or ``lower`` (a
        lower bound).

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]
        y : ignored

        Returns
        -------
        float
        """
        report = self._report(X)
        self.score_side_ = report.side
        return float(report.value)

    def _report(self, X: Any) -> Any:
        check_is_fitted(self)
        rows = self._rows(X)
        if self.evaluation is not None and not isinstance(self.evaluation, Mapping):
            raise ValueError(f"evaluation is {self.evaluation!r}, allowed: None or a dictionary of settings by name")
        fixed = self.binarize if isinstance(self.binarize, str) and self.binarize.startswith("fixed") else None
        settings = {**models.QUICK, **(self.evaluation or {})}
        return self._model.evaluate(rows, binarize=fixed, n_threads=self.n_threads, **settings)

    def sample(self, n_samples: int = 1, random_state: Any = None, **options: Any) -> np.ndarray:
        """Draw rows from the model.

        Parameters
        ----------
        n_samples : int
        random_state : int, RandomState or None
            That of the estimator if None.
        **options
            As of `dgm.models.GenerativeModel.sample`, such as ``steps``, ``means`` or ``clamp``.

        Returns
        -------
        array of float32 of shape [n_samples, units]
        """
        check_is_fitted(self)
        count = check_count(n_samples, "n_samples", 1)
        seed = self._seed(random_state)
        return np.asarray(self._model.sample(count, seed=seed, n_threads=self.n_threads, **options))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
