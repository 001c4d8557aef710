"""The estimator of restricted Boltzmann machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import models
from .density import DensityEstimator


class RbmEstimator(DensityEstimator):
    """What the estimators of RBMs do."""

    _kind = models.RBM

    def _train_part(self, rows: Any, start: Any, settings: dict[str, Any], arguments: dict[str, Any]) -> Self:
        if settings["algorithm"] in ("pcd", "pt"):
            settings["algorithm"] = "cd"
        return self._train(rows, start=start, **arguments, **{"log_z_chains": 0, **settings})


class RBM(RbmEstimator):
    """A restricted Boltzmann machine.

    Parameters
    ----------
    n_components : int
        Hidden units.
    n_iter : int
        Epochs.
    learning_rate : float
        The first learning rate; it falls to 0 unless ``settings`` has another ``schedule``.
    batch_size : int
        Rows of an update.
    algorithm : str
        ``"pcd"``, ``"cd"``, ``"pt"`` (parallel tempering) or ``"exact"``. `partial_fit` learns by contrastive
        divergence in the place of the first and the third, whose chains would have to begin anew at each call.
    visible : str
        ``"bernoulli"``, ``"gaussian"`` or ``"softmax:K"``.
    settings : dict, optional
        Other settings by the names of ``dgm.RBM.default_settings()``.
    binarize : float or str, optional
        See the top of this module.
    early_stopping : bool or str
        Whether training ends, with the best model, when validation rows do not become better; a string is a rule of
        ``stop_on``.
    validation_fraction : float
        The share of the rows that early stopping holds out if `fit` gets no ``X_val``.
    n_iter_no_change : int
        Epochs without a better one after which early stopping ends training.
    evaluation : dict, optional
        Settings of `score` by the names of ``dgm.RBM.default_evaluation()``.
    n_threads : int, optional
        Threads. They change the speed and no bit.
    random_state : int, RandomState or None
        An integer is the seed, as ``seed`` of ``dgm.RBM.fit``.
    verbose : int
        1 prints a line for each evaluation, 2 shows a bar.
    callback : callable, optional
        Called after each epoch with a dictionary of figures. A true return value ends training.

    Attributes
    ----------
    model_ : dgm.RBM
        The trained model.
    components_ : array of float32 of shape [n_components, units]
    intercept_hidden_ : array of float32 of shape [n_components]
    intercept_visible_ : array of float32 of shape [units]
    history_ : dgm.History
        The figures of the evaluations.
    n_iter_ : int
        Epochs that were made, in `partial_fit` those of the last call.
    score_side_ : str
        What the last `score` is: ``exact``, ``estimate`` or ``lower``.
    n_features_in_, feature_names_in_
        As of every estimator of scikit-learn.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from dgm.sklearn import RBM
    >>> import dgm
    >>> X, y = dgm.load_digits()
    >>> pipeline = make_pipeline(RBM(50, n_iter=20, batch_size=10, random_state=1), LogisticRegression(max_iter=200))
    >>> bool(pipeline.fit(X[:900], y[:900]).score(X[900:], y[900:]) > 0.8)
    True
    """

    _renamed = {
        "n_components": "hidden",
        "n_iter": "epochs",
        "learning_rate": "learning_rate",
        "batch_size": "batch_size",
        "algorithm": "algorithm",
        "visible": "visible",
    }

    def __init__(
        self,
        n_components: int = 500,
        *,
        n_iter: int = 100,
        learning_rate: float = 0.1,
        batch_size: int = 200,
        algorithm: str = "pcd",
        visible: str = "bernoulli",
        settings: Mapping[str, Any] | None = None,
        binarize: float | str | None = None,
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        evaluation: Mapping[str, Any] | None = None,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callback: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.algorithm = algorithm
        self.visible = visible
        self.settings = settings
        self.binarize = binarize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.evaluation = evaluation
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def fit(self, X: Any, y: Any = None, X_val: Any = None, sample_weight: Any = None) -> Self:
        """Train the model.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]
        y : ignored
        X_val : of the same kind, optional
            Validation rows, which the figures of evaluations and early stopping are about.
        sample_weight : array of shape [samples], optional
            How much each row counts, of 0 or more.

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
        return self._fit(X, X_val, sample_weight)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train the model further by one epoch over these rows, at a constant learning rate.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]
        y : ignored
        sample_weight : array of shape [samples], optional
            How much each row counts, of 0 or more.

        Returns
        -------
        self
        """
        return self._partial_fit(X, sample_weight)

    def transform(self, X: Any) -> np.ndarray:
        """Return the means of the hidden units given each row.

        Values between 0 and 1 are taken as they are, without draws.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape [samples, units]

        Returns
        -------
        array of float32 of shape [samples, n_components]
        """
        check_is_fitted(self)
        return np.asarray(self._model.posterior_mean(self._rows(X), n_threads=self.n_threads)[-1])

    @property
    def components_(self) -> np.ndarray:
        """Weights between the visible and the first hidden layer, of shape [hidden units, units]."""
        return np.asarray(self._model.weights(0))

    @property
    def intercept_hidden_(self) -> np.ndarray:
        """Biases of the hidden units."""
        return np.asarray(self._model.bias(1))

    @property
    def intercept_visible_(self) -> np.ndarray:
        """Biases of the visible units."""
        return np.asarray(self._model.bias(0))

    def _usual_rule(self) -> str:
        return "estimated-log-likelihood" if self._takes_numbers else "pseudo-likelihood"
