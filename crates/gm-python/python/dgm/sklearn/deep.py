"""The estimators of models with several hidden layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from .. import models
from .density import DensityEstimator


class DeepEstimator(DensityEstimator):
    """What the estimators of models with several hidden layers do."""

    @property
    def components_(self) -> np.ndarray:
        """Weights between the visible and the first hidden layer, of shape [hidden units, units]."""
        return np.asarray(self._model.weights(0))

    def _layer(self) -> int:
        layers, layer = len(self._model.layers) - 1, self.layer
        if isinstance(layer, bool) or not isinstance(layer, (int, np.integer)) or not -layers <= layer < layers:
            raise ValueError(f"layer is {layer!r}, allowed: -{layers} to {layers - 1}, 0 for the first hidden layer")
        return int(layer)


class SBN(DeepEstimator):
    """A sigmoid belief net, with the recognition net that is trained with it.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int
        Units of the hidden layers, from the first one up.
    n_iter, learning_rate, batch_size
        As of `RBM`.
    algorithm : str
        The setting ``rule``: ``"rws"`` (reweighted wake-sleep) and the others of ``dgm.SBN``.
    layer : int
        The hidden layer of `transform`: 0 is the first one, -1 the one on top.
    posterior : str, optional
        The method of `transform`, of those of `dgm.models.GenerativeModel.posterior_mean`.
    settings, binarize, early_stopping, validation_fraction, n_iter_no_change, evaluation, n_threads, random_state, \
verbose, callback
        As of `RBM`.

    Attributes
    ----------
    model_ : dgm.SBN
    components_ : array of float32 of shape [units of the first hidden layer, units]
    coefs_, intercepts_ : lists of arrays
        Weights and biases of all layers.
    history_, n_iter_, score_side_, n_features_in_, feature_names_in_
        As of `RBM`.

    Examples
    --------
    >>> from dgm.sklearn import SBN
    >>> import dgm
    >>> X = dgm.bars_and_stripes(3)
    >>> SBN((6, 4), n_iter=10, batch_size=4, random_state=1).fit_transform(X).shape
    (14, 4)
    """

    _kind = models.SBN
    _renamed = {
        "hidden_layer_sizes": "hidden",
        "n_iter": "epochs",
        "learning_rate": "learning_rate",
        "batch_size": "batch_size",
        "algorithm": "rule",
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (200, 200),
        *,
        n_iter: int = 100,
        learning_rate: float = 0.01,
        batch_size: int = 100,
        algorithm: str = "rws",
        layer: int = -1,
        settings: Mapping[str, Any] | None = None,
        binarize: float | str | None = None,
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        evaluation: Mapping[str, Any] | None = None,
        posterior: str | None = None,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callback: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.algorithm = algorithm
        self.layer = layer
        self.settings = settings
        self.binarize = binarize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.evaluation = evaluation
        self.posterior = posterior
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def _usual_rule(self) -> str:
        return "importance-weighted"


class DBM(DeepEstimator):
    """A deep Boltzmann machine.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int
        Units of the hidden layers, from the first one up.
    n_iter, learning_rate, batch_size
        As of `RBM`, with all layers together.
    pretrain : str
        What comes before: ``"grow"`` and the others of ``dgm.DBM``.
    visible : str
        ``"bernoulli"``, ``"gaussian"`` or ``"softmax:K"``.
    layer : int
        The hidden layer of `transform`: 0 is the first one, -1 the one on top.
    posterior : str, optional
        The method of `transform`, of those of `dgm.models.GenerativeModel.posterior_mean`.
    settings, binarize, early_stopping, validation_fraction, n_iter_no_change, evaluation, n_threads, random_state, \
verbose, callback
        As of `RBM`. ``early_stopping=True`` means the rule ``"free-energy-gap:2"``.

    Attributes
    ----------
    model_ : dgm.DBM
    components_, coefs_, intercepts_, history_, n_iter_, score_side_, n_features_in_, feature_names_in_
        As of `SBN`. ``n_iter_`` counts the epochs of pretraining as well.

    Examples
    --------
    >>> from dgm.sklearn import DBM
    >>> import dgm
    >>> X = dgm.bars_and_stripes(3)
    >>> DBM((6, 4), n_iter=10, batch_size=4, random_state=1).fit(X).sample(2).shape
    (2, 9)
    """

    _kind = models.DBM
    _renamed = {
        "hidden_layer_sizes": "hidden",
        "n_iter": "epochs",
        "learning_rate": "learning_rate",
        "batch_size": "batch_size",
        "pretrain": "pretrain",
        "visible": "visible",
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (500, 1000),
        *,
        n_iter: int = 100,
        learning_rate: float = 0.1,
        batch_size: int = 200,
        pretrain: str = "grow",
        visible: str = "bernoulli",
        layer: int = -1,
        settings: Mapping[str, Any] | None = None,
        binarize: float | str | None = None,
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        evaluation: Mapping[str, Any] | None = None,
        posterior: str | None = None,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callback: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.pretrain = pretrain
        self.visible = visible
        self.layer = layer
        self.settings = settings
        self.binarize = binarize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.evaluation = evaluation
        self.posterior = posterior
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def _train_part(self, rows: Any, start: Any, settings: dict[str, Any], arguments: dict[str, Any]) -> Self:
        return self._train(rows, start=start, **arguments, **{**settings, "pretrain": "none"})

    def _usual_rule(self) -> str:
        return "free-energy-gap:2"


class DBN(DeepEstimator):
    """A deep belief network.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int
        Units of the hidden layers, from the first one up.
    n_iter : int or list of int
        Epochs of each layer.
    learning_rate : float or list of float
        The first learning rate of each layer.
    batch_size, algorithm, visible
        As of `RBM`.
    backfit : str
        How all layers are trained together at the end: ``"none"``, ``"up-down"`` or ``"rws"``. `partial_fit` goes on by
        ``"up-down"`` if it is ``"none"``.
    layer : int
        The hidden layer of `transform`: 0 is the first one, -1 the one on top.
    posterior : str, optional
        The method of `transform`, of those of `dgm.models.GenerativeModel.posterior_mean`.
    settings, binarize, early_stopping, validation_fraction, n_iter_no_change, evaluation, n_threads, random_state, \
verbose, callback
        As of `RBM`.

    Attributes
    ----------
    model_ : dgm.DBN
    components_, coefs_, intercepts_, history_, n_iter_, score_side_, n_features_in_, feature_names_in_
        As of `SBN`. ``n_iter_`` counts the epochs of all layers.

    Examples
    --------
    >>> from dgm.sklearn import DBN
    >>> import dgm
    >>> X = dgm.bars_and_stripes(3)
    >>> dbn = DBN((6, 4), n_iter=10, batch_size=4, random_state=1).fit(X)
    >>> dbn.n_iter_, dbn.score_samples(X).shape
    (20, (14,))
    """

    _kind = models.DBN
    _renamed = {
        "hidden_layer_sizes": "hidden",
        "n_iter": "epochs",
        "learning_rate": "learning_rate",
        "batch_size": "batch_size",
        "algorithm": "algorithm",
        "visible": "visible",
        "backfit": "backfit",
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (500, 2000),
        *,
        n_iter: int | Sequence[int] = 50,
        learning_rate: float | Sequence[float] = 0.1,
        batch_size: int = 200,
        algorithm: str = "pcd",
        visible: str = "bernoulli",
        backfit: str = "none",
        layer: int = -1,
        settings: Mapping[str, Any] | None = None,
        binarize: float | str | None = None,
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        evaluation: Mapping[str, Any] | None = None,
        posterior: str | None = None,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
        callback: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.algorithm = algorithm
        self.visible = visible
        self.backfit = backfit
        self.layer = layer
        self.settings = settings
        self.binarize = binarize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.evaluation = evaluation
        self.posterior = posterior
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def _train_part(self, rows: Any, start: Any, settings: dict[str, Any], arguments: dict[str, Any]) -> Self:
        if start is None:
            return self._train(rows, **arguments, **{**settings, "backfit": "none"})
        if len(start.layers) == 2:
            return self._train_single_layer(rows, start, settings, arguments)
        backfit = "up-down" if settings["backfit"] == "none" else settings["backfit"]
        together = {**settings, "backfit": backfit, "backfit_epochs": 1}
        return self._train(rows, start=start, **arguments, **together)

    def _train_single_layer(self, rows: Any, start: Any, settings: dict[str, Any], arguments: dict[str, Any]) -> Self:
        """Train a network of one hidden layer, which is an RBM."""
        known = models.RBM.default_settings()
        settings = {name: value for name, value in settings.items() if name in known or name == "sparsity"}
        settings.update(hidden=start.layers[1], algorithm="cd", log_z_chains=0)
        settings["learning_rate"] = float(np.ravel(settings["learning_rate"])[0])
        return self._train(rows, kind=models.RBM, start=start.convert("rbm"), **arguments, **settings)

    def _usual_rule(self) -> str:
        return "importance-weighted"
