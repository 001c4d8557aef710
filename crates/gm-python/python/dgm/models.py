"""The four generative models and the classifier, as objects that hold what was trained."""

from __future__ import annotations

import inspect
import io
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from . import _native
from ._native import Chains as NativeChains
from ._native import Model as NativeModel
from .arrays import Rows, check_count, check_seed, check_states, check_threads, native_rows, split_missing
from .progress import Bar
from .results import Diagnostics, Estimate, History, Report, partition_estimate

Callback = Callable[[dict[str, Any]], Any]
"""Called after each evaluation with its figures; a true return value ends training."""


_ONE_LAYER = ("rbm", "harmonium")
"""Kinds of models of one hidden layer, whose size is a number."""

NEVER = 2**62
"""Epochs between evaluations when only the end of training is to be evaluated."""

QUICK = {"raise_walks": 0, "reverse_runs": 0, "gap_rows": 0}
"""Settings of an evaluation without what only judges its interval."""


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model file of any form (``.gm``, ``.npz``, ``.safetensors``, ``.json``).

    Returns
    -------
    RBM, SBN, DBM, DBN, Classifier or Harmonium

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelFileError
        If the file is no model or is damaged.
    """
    return _wrapped(_native.Model.load(path))


def fit(kind: str, X: Rows, y: Any = None, **arguments: Any) -> Model:
    """Train a model of a kind: ``rbm``, ``sbn``, ``dbm``, ``dbn``, ``classifier`` or ``harmonium``; see `Model.fit`."""
    if kind not in _KINDS:
        raise ValueError(f"kind is {kind!r}, allowed: {', '.join(_KINDS)}")
    return _KINDS[kind].fit(X, y, **arguments)


def _wrapped(native: NativeModel, history: History | None = None) -> Model:
    return _KINDS[native.kind]._of(native, history)


class Model:
    """A trained model. It never changes: every method returns something new.

    Use the classes of the models: `RBM`, `SBN`, `DBM`, `DBN`, `Classifier`, `Harmonium`.

    Attributes
    ----------
    layers : list of int
        Units of each layer, the visible ones first.
    history : History or None
        The figures of the training, of a model that was trained in this process.
    """

    kind: ClassVar[str]
    _native: NativeModel
    _arrays: dict[tuple[str, int], np.ndarray]
    history: History | None

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is made by `fit`, `load` or `from_arrays`")

    @classmethod
    def _of(cls, native: NativeModel, history: History | None = None) -> Self:
        if native.kind != cls.kind:
            raise ValueError(f"this is a model of kind {native.kind}, expected {cls.kind}")
        model = object.__new__(cls)
        model._native = native
        model._arrays = {}
        model.history = history
        return model

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        """Return the names and default values of all settings of training.

        Examples
        --------
        >>> import dgm
        >>> sorted(dgm.RBM.default_settings())[:4]
        ['algorithm', 'batch_size', 'centred', 'chains']
        """
        return dict(_native.default_settings(cls.kind))

    @classmethod
    def fit(
        cls,
        X: Rows,
        y: Any = None,
        *,
        X_val: Rows | None = None,
        y_val: Any = None,
        sample_weight: Any = None,
        seed: int = 0,
        n_threads: int | None = None,
        shards: int = 1,
        binarize: float | str | None = None,
        start: Model | None = None,
        evaluate_every: int | None = None,
        evaluate_rows: int = 1000,
        stop_on: str | None = None,
        patience: int = 10,
        callback: Callback | None = None,
        progress: bool = False,
        image: tuple[int, int] | None = None,
        **settings: Any,
    ) -> Self:
        """Train a model.

        Parameters
        ----------
        X : array of shape [samples, units]
            Zeros and ones (bool, integers, floats, or a sparse matrix), or values of 0 to 1, from which zeros and ones
            are drawn anew in every batch. A uint8 array with a value above 1 holds grey levels of 0 to 255. Models with
            ``visible="gaussian"`` take any finite numbers, those with ``visible="softmax:K"`` categories.
        y : array of int of shape [samples], optional
            Classes from 0, for label units (``labels=True`` is then the default) and for classifiers.
        X_val, y_val : optional
            Validation rows, which early stopping judges by. The first training rows if absent.
        sample_weight : array of shape [samples], optional
            How much each row counts, of 0 or more.
        seed : int
            The seed of all random numbers, 0 to 2^63 - 1.
        n_threads : int, optional
            Threads. They change the speed and no bit. By default DGM_NUM_THREADS, OMP_NUM_THREADS or the cores.
        shards : int
            Parts of each batch and of the chains, a power of two, as of ``dgm train --shards``. The result depends on
            it; harmoniums and classifiers have one.
        binarize : float or str, optional
            A threshold above which values become 1; ``"dynamic"`` (draw anew in every batch), ``"fixed:SEED"`` (draw
            once), or for an RBM ``"none"`` (learn from values between 0 and 1 as they are, as means of the units).
        start : Model, optional
            The model to start from, in the place of small random weights.
        evaluate_every : int, optional
            Epochs from one evaluation to the next. By default each epoch if there is a callback, progress or early
            stopping, else the last.
        evaluate_rows : int
            Training and validation rows of an evaluation, chosen at random once.
        stop_on : str, optional
            The rule of early stopping, such as ``"pseudo-likelihood"`` or ``"free-energy-gap:2"``.
        patience : int
            Epochs without a better one after which training ends.
        callback : callable, optional
            Called after each evaluation with a dictionary of figures. A true return value ends training.
        progress : bool
            Show a bar of tqdm, in terminals and notebooks.
        image : (int, int), optional
            Height and width of a row as a picture.
        **settings
            Settings of the model by the names of `default_settings`, such as ``hidden``, ``epochs``, ``learning_rate``.

        Returns
        -------
        Self
            The model; with early stopping that of the best epoch. Its ``history`` has the figures.

        Raises
        ------
        ValueError
            For rows and settings that are out of range; the message names the argument and what is allowed.
        DivergedError
            If a parameter exploded.
        KeyboardInterrupt
            After Ctrl-C. Its attribute ``model`` is the model trained so far.

        Examples
        --------
        >>> import dgm
        >>> rbm = dgm.RBM.fit(dgm.bars_and_stripes(2), hidden=3, epochs=5, batch_size=4, seed=1)
        >>> rbm.layers, len(rbm.history)
        ([4, 3], 1)
        """
        watched = callback is not None or progress or stop_on is not None
        every = evaluate_every if evaluate_every is not None else (1 if watched else NEVER)
        monitor = {
            "every": check_count(every, "evaluate_every", 1),
            "rows": check_count(evaluate_rows, "evaluate_rows", 1),
            "patience": check_count(patience, "patience", 1),
            "stop_on": "never" if stop_on is None else stop_on,
        }
        threshold = _threshold(binarize)
        if stop_on is not None and not isinstance(stop_on, str):
            raise ValueError(f"stop_on is {stop_on!r}, allowed: None or a rule such as 'pseudo-likelihood'")
        if y is not None and cls.kind in ("sbn", "dbm"):
            raise ValueError(f"y is given, allowed: None for {cls.__name__}, which has no label units")
        if y_val is not None and (X_val is None or y is None):
            raise ValueError("y_val is given, allowed: together with X_val and y")
        if callback is not None and not callable(callback):
            raise ValueError(f"callback is {callback!r}, allowed: None or a function of a dictionary of figures")
        if start is not None and not isinstance(start, Model):
            raise ValueError(f"start is {start!r}, allowed: None or a model")
        settings = cls._completed(settings, start)
        reals = str(settings.get("visible", "")).startswith(("gaussian", "softmax"))
        if reals and binarize is not None:
            raise ValueError("binarize is given, allowed: None for gaussian and softmax units")
        rows = native_rows(X, binarize=threshold)
        labels = _labels(y, len_of(rows), "y")
        if labels is not None and cls.kind in ("rbm", "dbn"):
            settings.setdefault("labels", True)
        usual = cls.default_settings()
        if not watched and "log_z_chains" in usual:
            # log Z is followed along training only for those who look at it.
            settings.setdefault("log_z_chains", 0)
        valid = None if X_val is None else native_rows(X_val, "X_val", binarize=threshold)
        told = _Told(callback, progress, cls.__name__)
        try:
            native, outcome, history, raised = _native.fit_model(
                cls.kind,
                rows,
                _checked({name: _plain(value) for name, value in settings.items()}, usual),
                labels=labels,
                weights=_weights(sample_weight),
                valid=valid,
                valid_labels=None if valid is None else _labels(y_val, len_of(valid), "y_val"),
                image=None if image is None else (check_count(image[0], "image", 1), check_count(image[1], "image", 1)),
                binarise=binarize if isinstance(binarize, str) else None,
                monitor=monitor,
                start=None if start is None else start._native,
                seed=check_seed(seed),
                shards=check_count(shards, "shards", 1),
                threads=check_threads(n_threads),
                event=told,
                reports=callback is not None or progress,
            )
        except _native.ModelFileError as error:
            raise ValueError(f"start: {error}") from None
        except ValueError as error:
            raise _explained(error, cls) from None
        finally:
            told.close()
        model = cls._of(native, History(history, outcome["interrupted"], outcome.get("stopped_early", False)))
        if raised is not None:
            raised.model = model  # type: ignore[attr-defined]
            raise raised
        return model

    @classmethod
    def _completed(cls, settings: Mapping[str, Any], start: Model | None) -> dict[str, Any]:
        """Return settings with the hidden units of the first model, and with a list where one layer is a number."""
        settings = dict(settings)
        if (
            start is not None
            and start.kind == cls.kind
            and "hidden" not in settings
            and cls.kind in ("rbm", "sbn", "dbm", "harmonium")
        ):
            settings["hidden"] = start.layers[1] if cls.kind in _ONE_LAYER else start.layers[1:]
        hidden = settings.get("hidden")
        if cls.kind not in _ONE_LAYER and isinstance(hidden, (int, np.integer)) and not isinstance(hidden, bool):
            settings["hidden"] = [hidden]
        return settings

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model file of this kind; `dgm.load` reads any kind."""
        native = _native.Model.load(path)
        if native.kind != cls.kind:
            raise _native.ModelFileError(f"{os.fspath(path)} holds a model of kind {native.kind}, expected {cls.kind}")
        return cls._of(native)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file; the ending ``.gm``, ``.npz``, ``.safetensors`` or ``.json`` decides the form."""
        self._native.save(path)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], *, visible: str = "bernoulli") -> Self:
        """Make a model from its parameters.

        Parameters
        ----------
        arrays : mapping of str to array
            The tensors of model files: ``weights.L`` of shape [units of layer L, units of layer L + 1], ``bias.L`` of
            shape [units of layer L], and ``visible_variance``, ``recognition.weights.L`` and the like where a model has
            them.
        visible : str
            The kind of visible units.

        Examples
        --------
        >>> import dgm, numpy as np
        >>> arrays = {"weights.0": np.zeros((4, 3)), "bias.0": np.zeros(4), "bias.1": np.zeros(3)}
        >>> dgm.RBM.from_arrays(arrays).layers
        [4, 3]
        """
        if not hasattr(arrays, "keys"):
            raise ValueError(f"arrays is {type(arrays).__name__}, allowed: arrays by the names of model files")
        arrays = {name: arrays[name] for name in arrays.keys()}
        arrays.pop("model", None)
        visible = _text(arrays.pop("visible", visible))
        arrays = {name: values for name, values in arrays.items() if np.asarray(values).dtype.kind in "fiub"}
        buffer = io.BytesIO()
        tensors = {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in arrays.items()}
        np.savez(buffer, **tensors, model=np.array(cls.kind), visible=np.array(visible))  # type: ignore[arg-type]
        return cls._of(_native.Model.from_bytes(buffer.getvalue(), "npz"))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the parameters by the names of model files; see `from_arrays`."""
        with np.load(io.BytesIO(self._native.to_bytes("npz"))) as file:
            return {name: file[name] for name in file.files if file[name].dtype.kind == "f"}

    def weights(self, layer: int = 0) -> np.ndarray:
        """Return the weights between a layer and the one above, of shape [units above, units of the layer].

        The array is read-only, and the same one at each call: the weights are copied once. `to_arrays` has the
        transpose, as model files have it.
        """
        if check_count(layer, "layer") > len(self.layers) - 2:
            raise ValueError(f"layer is {layer}, allowed: 0 to {len(self.layers) - 2}")
        return self._kept(("weights", layer), lambda: self._native.weights(layer))

    def bias(self, layer: int) -> np.ndarray:
        """Return the biases of a layer, read-only as `weights`; layer 0 is the visible one."""
        if check_count(layer, "layer") > len(self.layers) - 1:
            raise ValueError(f"layer is {layer}, allowed: 0 to {len(self.layers) - 1}")
        return self._kept(("bias", layer), lambda: self._native.bias(layer))

    def _kept(self, name: tuple[str, int], copy: Callable[[], np.ndarray]) -> np.ndarray:
        """Return parameters that are copied at the first call. The model never changes, and so they do not either."""
        if name not in self._arrays:
            array = copy()
            array.flags.writeable = False
            self._arrays[name] = array
        return self._arrays[name]

    @property
    def layers(self) -> list[int]:
        """Units of each layer, the visible ones first."""
        return list(self._native.layers)

    @property
    def n_features(self) -> int:
        """Numbers of a row of data."""
        return int(self._native.features)

    @property
    def n_classes(self) -> int:
        """Classes of label units or of a classifier; 0 without."""
        return int(self._native.classes)

    def __repr__(self) -> str:
        return f"<dgm.{type(self).__name__} {'-'.join(map(str, self.layers))}>"

    def __reduce__(self) -> Any:
        return _unpickled, (self._native.to_bytes("gm"), self.history)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Model):
            return NotImplemented
        return self._native.to_bytes("gm") == other._native.to_bytes("gm")

    def __hash__(self) -> int:
        return hash(self._native.to_bytes("gm"))


class GenerativeModel(Model):
    """What all four generative models can do."""

    @property
    def visible_kind(self) -> str:
        """The visible units: ``bernoulli``, ``gaussian``, ``softmax:K``, or ``bernoulli+softmax:K`` with labels."""
        return str(self._native.visible_kind)

    def sample(
        self,
        n: int = 100,
        *,
        steps: int | None = None,
        chains: int | None = None,
        thin: int | None = None,
        means: bool = False,
        method: str | None = None,
        clamp: Any = None,
        classes: Sequence[int] | None = None,
        beta: float | None = None,
        temperatures: int | None = None,
        seed: int = 0,
        n_threads: int | None = None,
        progress: bool = False,
        return_report: bool = False,
    ) -> Any:
        """Draw rows from the model.

        Parameters
        ----------
        n : int
            Rows to draw.
        steps, chains, thin : int, optional
            Sweeps before the first draw (1,000 by default), number of chains (one a row), and sweeps between draws of
            a chain (a tenth of ``steps``). Draws of an SBN are independent and need none of them.
        means : bool
            Return means of the visible units in the place of states.
        method : str, optional
            ``"gibbs"``, ``"tempering"`` (RBMs) or ``"importance"`` (SBNs with clamped units).
        clamp : array of shape [n or 1, units], optional
            Values that stay as they are; NaN is free.
        classes : sequence of int, optional
            Classes of the draws, of models with label units; repeated as often as needed.
        beta : float, optional
            An inverse temperature of 0 to 1.
        temperatures : int, optional
            Temperatures of ``"tempering"``.
        return_report : bool
            Return a dictionary as well: method, chains, steps, thin and `Diagnostics`.

        Returns
        -------
        array of float32 of shape [n, units]
        """
        options = self._chain_options(n, method, clamp, classes, beta, temperatures)
        with Bar("samples", progress) as bar:
            rows, report = self._native.sample(
                check_count(n, "n", 1),
                options,
                means=bool(means),
                chains=_optional(chains, "chains"),
                steps=_optional(steps, "steps", 0),
                thin=_optional(thin, "thin"),
                seed=check_seed(seed),
                threads=check_threads(n_threads),
                progress=bar.call,
            )
        if return_report:
            report["diagnostics"] = Diagnostics.of(report["diagnostics"])
            return rows, report
        return rows

    def chains(
        self,
        n: int = 100,
        *,
        method: str | None = None,
        clamp: Any = None,
        classes: Sequence[int] | None = None,
        beta: float | None = None,
        temperatures: int | None = None,
        seed: int = 0,
        n_threads: int | None = None,
    ) -> Chains:
        """Start Markov chains that go on where they stopped; arguments as of `sample`."""
        options = self._chain_options(n, method, clamp, classes, beta, temperatures)
        return Chains(self._native.chains(check_count(n, "n", 1), options, check_seed(seed), check_threads(n_threads)))

    def _chain_options(
        self,
        n: int,
        method: str | None,
        clamp: Any,
        classes: Sequence[int] | None,
        beta: float | None,
        temperatures: int | None,
    ) -> dict[str, Any]:
        given = None
        if clamp is not None:
            clamp = clamp if hasattr(clamp, "tocsr") or hasattr(clamp, "columns") else np.atleast_2d(np.asarray(clamp))
            values, free = split_missing(clamp, name="clamp")
            if len(values) not in (1, n):
                raise ValueError(f"clamp has {len(values)} rows, allowed: 1 or {n}")
            given = {"values": check_states(native_rows(values, "clamp"), "clamp"), "mask": ~free}
        return {
            "method": method,
            "clamp": given,
            "classes": None
            if classes is None
            else [check_count(c, "classes") for c in np.atleast_1d(classes).tolist()],
            "beta": _number(beta, "beta"),
            "temperatures": _optional(temperatures, "temperatures"),
        }

    def log_prob(self, X: Rows, *, binarize: float | str | None = None, **evaluation: Any) -> np.ndarray:
        """Return log p of each row in nats: exact where it can be enumerated, else an estimate or a bound.

        Zeros and ones are drawn from values between 0 and 1 once, by the place of the row, unless ``binarize`` says
        how.

        Parameters
        ----------
        X : array of shape [samples, units]
        **evaluation
            As of `evaluate`. Those that only judge the interval are off by default.

        Returns
        -------
        array of float64 of shape [samples]
        """
        return self.evaluate(X, binarize=binarize, **{**QUICK, **evaluation}).log_probs

    def evaluate(
        self,
        X: Rows,
        *,
        X_train: Rows | None = None,
        binarize: float | str | None = None,
        n_threads: int | None = None,
        progress: bool = False,
        **evaluation: Any,
    ) -> Report:
        """Measure the likelihood of rows, with the sides of its interval, as ``dgm eval`` does.

        Parameters
        ----------
        X : array of shape [samples, units]
        X_train : array, optional
            Training rows: their means make the base of annealing, their free energy the measure of overfitting.
        binarize : float or str, optional
            As of `fit`. Values between 0 and 1 are drawn once by default.
        **evaluation
            Settings by the names of `default_evaluation`: ``exact`` ("auto", "yes" or "no"), ``ais_runs``,
            ``temperatures``, ``samples`` and so on.

        Returns
        -------
        Report
        """
        threshold = _threshold(binarize)
        rows = native_rows(X, binarize=threshold)
        train = None if X_train is None else native_rows(X_train, "X_train", binarize=threshold)
        with Bar("evaluation", progress) as bar:
            fields, log_probs, text = self._native.evaluate(
                rows,
                _evaluation(evaluation),
                binarise=binarize if isinstance(binarize, str) else None,
                train=train,
                threads=check_threads(n_threads),
                progress=bar.call,
            )
        return Report(fields, log_probs, text)

    @staticmethod
    def default_evaluation() -> dict[str, Any]:
        """Return the names and default values of the settings of `evaluate`."""
        return dict(_native.default_evaluation())

    def log_partition(self, *, n_threads: int | None = None, progress: bool = False, **evaluation: Any) -> Estimate:
        """Return log Z in nats with its interval; exactly 0 for an SBN, which is normalised.

        Parameters
        ----------
        **evaluation
            As of `evaluate`.
        """
        with Bar("log Z", progress) as bar:
            part = self._native.log_partition(
                _evaluation(evaluation), threads=check_threads(n_threads), progress=bar.call
            )
        found = partition_estimate(part)
        return Estimate(0.0, 0.0, 0.0, "exact", "normalised") if found is None else found

    def posterior_mean(
        self,
        X: Rows,
        *,
        method: str | None = None,
        samples: int = 200,
        steps: int = 100,
        seed: int = 0,
        n_threads: int | None = None,
        progress: bool = False,
    ) -> list[np.ndarray]:
        """Return the posterior means of the hidden units given each row, a matrix for each hidden layer.

        Parameters
        ----------
        X : array of shape [samples, units]
            Values between 0 and 1 are taken as they are by RBMs. For the other models zeros and ones are drawn from
            them once, by the place of the row.
        method : str, optional
            ``"exact"``, ``"gibbs"``, ``"mean-field"``, ``"importance"`` or ``"recognition"``. The default is exact for
            an RBM, mean field for a DBM, the recognition net for a DBN, and for an SBN enumeration of up to 12 hidden
            units, else importance sampling, else Gibbs sampling. Draws for a row depend on its place among the rows.
        samples : int
            Draws of the recognition net.
        steps : int
            Sweeps of Gibbs sampling or of mean field.

        Returns
        -------
        list of array of float32 of shape [samples, units of the layer]
        """
        with Bar("posterior means", progress) as bar:
            layers, _, _ = self._native.posterior_mean(
                native_rows(X),
                method=method,
                samples=check_count(samples, "samples", 1),
                steps=check_count(steps, "steps", 1),
                seed=check_seed(seed),
                threads=check_threads(n_threads),
                progress=bar.call,
            )
        return list(layers)

    def complete(
        self,
        X: Rows,
        missing: Any = None,
        *,
        method: str | None = None,
        steps: int | None = None,
        chains: int = 10,
        seed: int = 0,
        n_threads: int | None = None,
        progress: bool = False,
    ) -> np.ndarray:
        """Fill in missing values by their means given the others.

        Parameters
        ----------
        X : array of shape [samples, units]
            NaN is missing.
        missing : array of bool of shape [samples, units] or [units], optional
            More missing values.

        Returns
        -------
        array of float32 of shape [samples, units]
            The means; given values stay as they are.

        Examples
        --------
        >>> import dgm, numpy as np
        >>> X = dgm.bars_and_stripes(2)
        >>> rbm = dgm.RBM.fit(X, hidden=8, epochs=500, batch_size=6, learning_rate=0.2, seed=1)
        >>> rows = np.array([[0, 0, 1, np.nan], [np.nan, 0, 1, 0]])
        >>> rbm.complete(rows, steps=400).round().tolist()
        [[0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]]
        """
        values, mask = split_missing(X, missing)
        rows = native_rows(values)
        with Bar("completion", progress) as bar:
            means, _, _ = self._native.complete(
                rows,
                mask,
                method=method,
                steps=_optional(steps, "steps"),
                chains=check_count(chains, "chains", 1),
                seed=check_seed(seed),
                threads=check_threads(n_threads),
                progress=bar.call,
            )
        return np.where(mask, means, values.astype(np.float32))

    def reconstruct(self, X: Rows, *, seed: int = 0, n_threads: int | None = None) -> np.ndarray:
        """Return means of the visible units given one draw of the hidden units, of shape [samples, units]."""
        return self._native.reconstruct(self._states(X), seed=check_seed(seed), threads=check_threads(n_threads))

    def _states(self, X: Rows, name: str = "X") -> Any:
        """Return rows for a method that draws nothing from values between 0 and 1."""
        rows = native_rows(X, name)
        return check_states(rows, name) if self.visible_kind.startswith("bernoulli") else rows

    def convert(self, kind: str) -> Model:
        """Return the same distribution as a model of another kind, where there is one."""
        return _wrapped(self._native.convert(kind))

    def gauged(self, gauge: str = "zero-sum") -> Model:
        """Return the same distribution with the weights of softmax units in a gauge.

        Parameters
        ----------
        gauge : str
            ``"zero-sum"``, or ``"reference:K"`` for weights of 0 to category K of each group.

        Returns
        -------
        Model
            A model of the same class and probabilities.
        """
        return _wrapped(self._native.gauged(gauge))

    def contacts(self, X: Rows, *, ignored: int | None = None, n_threads: int | None = None) -> np.ndarray:
        """Return how strongly groups of softmax units depend on each other, such as the columns of an alignment.

        Parameters
        ----------
        X : array of shape [samples, groups]
            Rows over which couplings are averaged.
        ignored : int, optional
            A category that norms leave out, such as the gap of an alignment.

        Returns
        -------
        array of shape [groups, groups]
            Norms of effective couplings in the zero-sum gauge with the average product correction.
        """
        kept = None if ignored is None else check_count(ignored, "ignored")
        return self._native.contacts(self._states(X), ignored=kept, threads=check_threads(n_threads))


class _Undirected(GenerativeModel):
    def gibbs(self, v: Rows, steps: int = 1, *, seed: int = 0, n_threads: int | None = None) -> np.ndarray:
        """Run block Gibbs sampling from visible states, and return visible states of the same shape."""
        return self._native.gibbs(
            self._states(v, "v"), check_count(steps, "steps"), seed=check_seed(seed), threads=check_threads(n_threads)
        )


class RBM(_Undirected):
    """A restricted Boltzmann machine, p(v) = sum over h of exp(-E(v, h)) / Z.

    Visible units are Bernoulli, Gaussian, softmax, or Bernoulli with label units. See `Model.fit` for training.
    """

    kind = "rbm"

    def free_energy(self, X: Rows, *, n_threads: int | None = None) -> np.ndarray:
        """Return F(v) = -log p(v) - log Z of each row, in nats.

        Returns
        -------
        array of float64 of shape [samples]
        """
        return self._native.free_energy(self._states(X), threads=check_threads(n_threads))

    def pseudo_log_likelihood(
        self, X: Rows, *, stochastic: bool = False, seed: int = 0, n_threads: int | None = None
    ) -> np.ndarray:
        """Return the log-pseudo-likelihood of each row in nats, sum over units of log p(v_i | all others).

        Parameters
        ----------
        X : array of shape [samples, units]
        stochastic : bool
            Estimate it from one unit of each row, drawn at random.
        """
        return self._native.pseudo_log_likelihood(
            self._states(X), stochastic=bool(stochastic), seed=check_seed(seed), threads=check_threads(n_threads)
        )

    def log_class_probs(self, X: Rows, *, n_threads: int | None = None) -> np.ndarray:
        """Return log p(class | row) of a model with label units, of shape [samples, classes]."""
        return self._native.log_class_probs(native_rows(X), threads=check_threads(n_threads))


class SBN(GenerativeModel):
    """A sigmoid belief net: directed layers, with a recognition net that was trained with them."""

    kind = "sbn"


class DBM(_Undirected):
    """A deep Boltzmann machine: undirected layers."""

    kind = "dbm"


class DBN(_Undirected):
    """A deep belief network: an RBM on top of directed layers."""

    kind = "dbn"

    def log_class_probs(self, X: Rows, *, n_threads: int | None = None) -> np.ndarray:
        """Return log p(class | row) of a model with label units, of shape [samples, classes]."""
        return self._native.log_class_probs(native_rows(X), threads=check_threads(n_threads))


class Harmonium(_Undirected):
    """A restricted Boltzmann machine between two layers of any kinds of units.

    ``visible`` and ``hidden_units`` name the kinds: ``bernoulli``, ``spin``, ``softmax:K``, ``gaussian``, ``relu``,
    ``drelu``, ``binomial:N``, several with ``+`` between them. See `Model.fit` for training.

    Examples
    --------
    >>> import dgm
    >>> X = dgm.bars_and_stripes(2)
    >>> model = dgm.Harmonium.fit(X, visible="spin", hidden_units="drelu", hidden=3, epochs=20, seed=1)
    >>> model.evaluate(X).side
    'exact'
    """

    kind = "harmonium"


class Classifier(Model):
    """A feed-forward net that classifies, from random weights or fine-tuned from a generative model (``start``)."""

    kind = "classifier"

    def log_class_probs(self, X: Rows, *, n_threads: int | None = None) -> np.ndarray:
        """Return log p(class | row), of shape [samples, classes]."""
        return self._native.log_class_probs(native_rows(X), threads=check_threads(n_threads))

    def predict(self, X: Rows, *, n_threads: int | None = None) -> np.ndarray:
        """Return the most probable class of each row."""
        return np.asarray(self.log_class_probs(X, n_threads=check_threads(n_threads)).argmax(axis=1))


class Chains:
    """Markov chains of a model, which go on where they stopped. Made by `GenerativeModel.chains`."""

    def __init__(self, native: NativeChains) -> None:
        self._native = native

    def advance(self, sweeps: int = 1) -> float:
        """Move all chains by so many sweeps, and return the share of units that changed in the last one."""
        return float(self._native.advance(check_count(sweeps, "sweeps")))

    def watch(self, sweeps: int) -> Diagnostics | None:
        """Move all chains, and return how well they mixed in the second half; None for fewer than 16 sweeps."""
        return Diagnostics.of(self._native.watch(check_count(sweeps, "sweeps", 1)))

    @property
    def states(self) -> np.ndarray:
        """Visible states, of shape [chains, units]."""
        return self._native.states

    @property
    def means(self) -> np.ndarray:
        """Means of the visible units given the hidden states, of shape [chains, units]."""
        return self._native.means

    @property
    def quantities(self) -> np.ndarray:
        """One number of each chain, such as its energy, of shape [chains]."""
        return self._native.quantities

    @property
    def quantity(self) -> str:
        """What `quantities` are."""
        return str(self._native.quantity)

    @property
    def swap_acceptance(self) -> list[float] | None:
        """Share of swaps made between neighbouring temperatures, of tempered chains."""
        return self._native.swaps


_KINDS: dict[str, type[Model]] = {model.kind: model for model in (RBM, SBN, DBM, DBN, Classifier, Harmonium)}


class _Told:
    """Takes the events of a training: shows a bar, warns, and calls the callback."""

    def __init__(self, callback: Callback | None, progress: bool, name: str) -> None:
        self._callback = callback
        self._bar = Bar(name, progress)

    def __call__(self, text: str) -> bool:
        event = json.loads(text)
        kind = event.pop("event")
        if kind == "warning":
            warnings.warn(event["text"], stacklevel=4)
        elif kind == "step":
            self._bar.to(event["step"], event["total"])
        elif kind == "stage":
            self._bar.describe(event["name"])
        elif kind == "epoch":
            figures = {**{name: event[name] for name in ("epoch", "step", "seconds")}, **event["figures"]}
            self._bar.figures(figures)
            if self._callback is not None:
                return bool(self._callback(figures))
        return False

    def close(self) -> None:
        self._bar.close()


def _unpickled(content: bytes, history: History | None) -> Model:
    return _wrapped(_native.Model.from_bytes(content, "gm"), history)


def len_of(rows: Any) -> int:
    """Return the number of rows in the form of the native part."""
    return len(rows[0]) - 1 if isinstance(rows, tuple) else len(rows)


def _text(value: Any) -> str:
    """Return a text of a file of NumPy, which may hold it as bytes."""
    array = np.asarray(value)
    return bytes(array.astype(np.uint8)).decode() if array.dtype.kind in "ui" else str(array)


def _plain(value: Any) -> Any:
    """Return a setting as plain Python: scalars and arrays of NumPy become numbers and lists, paths become text."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [_plain(part) for part in value]
    return value


def _checked(settings: dict[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse settings of another type than the usual value, by name; the native part checks the rest."""
    for name, value in settings.items():
        expected = type(usual.get(name))
        if expected is int:
            check_count(value, name)
        elif expected is float and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(f"{name} is {value!r}, allowed: a number")
        elif expected in (bool, str) and not isinstance(value, expected):
            raise ValueError(f"{name} is {value!r}, allowed: {'True or False' if expected is bool else 'text'}")
    return settings


def _explained(error: ValueError, cls: type[Model]) -> ValueError:
    """Return an error of a setting that is unknown with all names that `fit` knows."""
    text = str(error)
    if not text.startswith("unknown field"):
        return error
    names = [f"`{name}`" for name in sorted(cls.default_settings())]
    known = "" if "expected" in text else f", expected one of {', '.join(names)}"
    own = [name for name, part in inspect.signature(cls.fit).parameters.items() if part.kind is part.KEYWORD_ONLY]
    return ValueError(f"{text}{known}; other arguments of fit: {', '.join(own)}")


def _labels(y: Any, rows: int, name: str) -> list[int] | None:
    if y is None:
        return None
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != rows:
        raise ValueError(f"{name} has shape {labels.shape}, expected ({rows},)")
    if not np.issubdtype(labels.dtype, np.integer):
        if not np.issubdtype(labels.dtype, np.floating) or not (labels == np.floor(labels)).all():
            raise ValueError(f"{name} has type {labels.dtype}, allowed: classes as integers from 0")
    if labels.min() < 0 or labels.max() > 65_535:
        raise ValueError(f"{name} has values of {labels.min()} to {labels.max()}, allowed: 0 to 65535")
    return [int(label) for label in labels]


def _weights(sample_weight: Any) -> np.ndarray | None:
    if sample_weight is None:
        return None
    try:
        weights = np.ascontiguousarray(sample_weight, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample_weight holds no numbers: {error}") from None
    if weights.ndim != 1:
        raise ValueError(f"sample_weight has shape {weights.shape}, expected one number a row")
    return weights


def _threshold(binarize: Any) -> float | None:
    if binarize is None or isinstance(binarize, str):
        return None
    number = isinstance(binarize, (int, float, np.integer, np.floating)) and not isinstance(binarize, bool)
    if not number or not np.isfinite(binarize):
        raise ValueError(f"binarize is {binarize!r}, allowed: None, a threshold, 'dynamic' or 'fixed:SEED'")
    return float(binarize)


def _number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError(f"{name} is {value!r}, allowed: a number")
    return float(value)


def _optional(value: Any, name: str, least: int = 1) -> int | None:
    return None if value is None else check_count(value, name, least)


def _evaluation(given: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = dict(_native.default_evaluation())
    for name, value in given.items():
        if name not in settings:
            raise ValueError(f"unknown setting `{name}` of an evaluation; known: {', '.join(sorted(settings))}")
        if name == "seed":
            settings[name] = check_seed(value)
        elif isinstance(settings[name], int):
            settings[name] = check_count(value, name)
        elif not isinstance(value, str):
            raise ValueError(f"{name} is {value!r}, allowed: text")
        else:
            settings[name] = value
    return settings
