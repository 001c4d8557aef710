"""What all estimators do: they check rows, train a model, and keep it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import models
from ..arrays import check_count, check_seed

DTYPES = [np.float64, np.float32, np.bool_, np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64]
"""What enters as it is. Other types become the first one."""

SHOWN = {
    "log_likelihood": "log-likelihood",
    "estimated_log_likelihood": "log-likelihood (estimate)",
    "importance_weighted": "importance-weighted bound",
    "elbo": "variational bound",
    "pseudo_log_likelihood": "pseudo-likelihood",
    "error_rate": "error rate",
    "reconstruction": "reconstruction error",
}
"""The figures of an evaluation, the most telling first."""

SEEDS = 1 << 31
"""Seeds that are drawn from a RandomState."""


class Estimator(BaseEstimator):  # type: ignore[misc]
    """What all estimators do: they check rows, train a model, and keep it."""

    _kind: ClassVar[type[models.Model]]
    _renamed: ClassVar[Mapping[str, str]]
    """The library's name of each parameter that is a setting."""
    _least_iterations: ClassVar[int] = 1

    def _settings(self) -> dict[str, Any]:
        settings = {setting: getattr(self, name) for name, setting in self._renamed.items()}
        extra = {} if self.settings is None else self.settings
        if not isinstance(extra, Mapping):
            raise ValueError(f"settings is {extra!r}, allowed: None or a dictionary of settings by name")
        for name, setting in self._renamed.items():
            if setting in extra:
                raise ValueError(f"settings has {setting!r}, which is the parameter {name!r} of {type(self).__name__}")
        if extra.get("labels"):
            raise ValueError(f"settings has 'labels', which only dgm.{self._kind.__name__} takes")
        for name in ("n_components", "n_iter"):
            if name in self._renamed and not isinstance(getattr(self, name), (Sequence, np.ndarray)):
                check_count(getattr(self, name), name, self._least_iterations if name == "n_iter" else 1)
        if "hidden_layer_sizes" in self._renamed:
            settings["hidden"] = self._hidden_layer_sizes()
        return {**settings, **extra}

    def _hidden_layer_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = [sizes] if isinstance(sizes, Integral) else sizes
        if isinstance(sizes, str) or not isinstance(sizes, (Sequence, np.ndarray)):
            raise ValueError(f"hidden_layer_sizes is {sizes!r}, allowed: units of each hidden layer, from below")
        return [check_count(size, "hidden_layer_sizes", 1) for size in sizes]

    @property
    def _takes_numbers(self) -> bool:
        visible = getattr(self, "visible", None) or (self.settings or {}).get("visible", "")
        return str(visible).startswith(("gaussian", "softmax"))

    def _threshold(self) -> float | None:
        binarize = self.binarize
        if binarize is not None and self._takes_numbers:
            raise ValueError("binarize is given, allowed: None for gaussian and softmax units")
        if binarize is None or isinstance(binarize, str):
            return None
        if isinstance(binarize, (bool, np.bool_)) or not isinstance(binarize, Real) or not np.isfinite(float(binarize)):
            raise ValueError(f"binarize is {binarize!r}, allowed: None, a threshold, 'dynamic' or 'fixed:SEED'")
        return float(binarize)

    def _binarisation(self) -> str | None:
        """Return how training makes zeros and ones of values between 0 and 1."""
        return self.binarize if isinstance(self.binarize, str) else None

    def _rows(self, X: Any, *, reset: bool = False, name: str = "X") -> Any:
        """Check rows, and apply the threshold."""
        X = validate_data(self, X, reset=reset, accept_sparse="csr", dtype=DTYPES)
        if reset:
            self._learns_from(X)
        threshold = self._threshold()
        if threshold is not None:
            if sparse.issparse(X) and threshold < 0:
                X = X.toarray()
            return X > threshold
        if not self._takes_numbers and X.dtype != np.bool_ and X.dtype != np.uint8:
            X = self._in_range(X, name)
        return X

    def _learns_from(self, X: Any) -> None:
        """Take note of the rows of a first fit."""

    def _in_range(self, X: Any, name: str) -> Any:
        values = X.data if sparse.issparse(X) else X
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            value = next(value for value in (values.min(), values.max()) if not 0 <= value <= 1)
            raise ValueError(
                f"{name} has a value of {value}, allowed: 0 to 1; scale the values, for example by MinMaxScaler, "
                f"or give a threshold as `binarize`"
            )
        return X

    def _seed(self, random_state: Any = None) -> int:
        """Return an integer as it is, and draw one from everything else."""
        given = self.random_state if random_state is None else random_state
        if isinstance(given, Integral):
            return check_seed(given, "random_state")
        return int(check_random_state(given).randint(SEEDS))

    def _seed_of_part(self) -> int:
        """Return the seed of a call of `partial_fit`, which depends on the first one and on the number of calls."""
        if not hasattr(self, "model_") or not hasattr(self, "_first_seed"):
            self._first_seed, self._parts = self._seed(), 0
            return self._first_seed
        self._parts += 1
        return int(np.random.SeedSequence([self._first_seed, self._parts]).generate_state(1, np.uint64)[0] >> 1)

    def _train(self, X: Any, y: Any = None, *, kind: type[models.Model] | None = None, **arguments: Any) -> Self:
        """Train a model on checked rows and keep it, also if an exception ends training."""
        try:
            model = (kind or self._kind).fit(
                X,
                y,
                n_threads=self.n_threads,
                binarize=self._binarisation(),
                callback=self._callback(),
                progress=self._shows_bar(),
                **arguments,
            )
        except BaseException as error:
            reached = getattr(error, "model", None)
            if isinstance(reached, models.Model):
                self._keep(reached)
            raise
        return self._keep(model)

    def _keep(self, model: models.Model) -> Self:
        if isinstance(model, models.GenerativeModel) and not isinstance(model, self._kind):
            self.model_: Any = model.convert(self._kind.kind)
        else:
            self.model_ = model
        self.history_ = model.history
        records = model.history.records if model.history is not None else []
        self.n_iter_ = int(records[-1]["epoch"]) if records else 0
        return self

    def _shows_bar(self) -> bool:
        if not isinstance(self.verbose, (Integral, np.bool_)) or self.verbose < 0:
            raise ValueError(f"verbose is {self.verbose!r}, allowed: 0, 1 for a line an evaluation, 2 for a bar")
        return int(self.verbose) >= 2

    def _callback(self) -> Callable[[dict[str, Any]], Any] | None:
        if self.callback is not None and not callable(self.callback):
            raise ValueError(f"callback is {self.callback!r}, allowed: None or a function of a dictionary of figures")
        if self.callback is None and not self.verbose:
            return None
        wants_lines = bool(self.verbose) and not self._shows_bar()
        seconds = 0.0

        def called(figures: dict[str, Any]) -> Any:
            nonlocal seconds
            if wants_lines:
                print(self._line(figures, figures["seconds"] - seconds), flush=True)
                seconds = figures["seconds"]
            return None if self.callback is None else self.callback(figures)

        return called

    def _line(self, figures: Mapping[str, Any], seconds: float) -> str:
        figure = next((name for name in SHOWN if name in figures), None)
        shown = "" if figure is None else f" {SHOWN[figure]} = {figures[figure]:.2f},"
        return f"[{type(self).__name__}] Iteration {figures['epoch']},{shown} time = {seconds:.2f}s"

    def _watching(self) -> dict[str, Any]:
        """Say when a whole fit is evaluated, and what ends it."""
        stop_on = self._stop_on()
        watched = self.callback is not None or self.verbose or stop_on is not None
        patience = check_count(self.n_iter_no_change, "n_iter_no_change", 1)
        return {"evaluate_every": 1 if watched else models.NEVER, "stop_on": stop_on, "patience": patience}

    def _stop_on(self) -> str | None:
        if isinstance(self.early_stopping, str):
            return self.early_stopping
        if not isinstance(self.early_stopping, (bool, np.bool_)):
            raise ValueError(f"early_stopping is {self.early_stopping!r}, allowed: False, True or a rule of `stop_on`")
        return self._usual_rule() if self.early_stopping else None

    def _usual_rule(self) -> str:
        raise NotImplementedError

    def _validation(self, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return training and validation rows, of a fit with early stopping and without validation rows of its own."""
        if self._stop_on() is None:
            return None
        fraction = self.validation_fraction
        if not isinstance(fraction, Real) or not 0 < float(fraction) < 1:
            raise ValueError(f"validation_fraction is {fraction!r}, allowed: more than 0 and less than 1")
        held_out = max(round(rows * float(fraction)), 1)
        if held_out >= rows:
            raise ValueError(f"X has {rows} sample(s), allowed: 2 or more with early stopping")
        order = np.random.RandomState(seed % SEEDS).permutation(rows)
        return np.sort(order[held_out:]), np.sort(order[:held_out])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of each layer, the visible one first."""
        return [self._model.bias(layer) for layer in range(len(self._model.layers))]

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights between each layer and the one above, of shape [units above, units of the layer]."""
        return [self._model.weights(layer) for layer in range(len(self._model.layers) - 1)]

    @property
    def _model(self) -> Any:
        check_is_fitted(self, "model_")
        return self.model_
