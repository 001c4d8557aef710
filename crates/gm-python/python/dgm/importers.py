"""Import of models that other packages trained.

Each function returns a `dgm.RBM` with the same distribution p(v), up to the rounding of its parameters to float32.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .models import RBM

__all__ = ["from_pydeep", "from_sklearn", "from_torchrbm"]


def from_sklearn(estimator: Any) -> RBM:
    """Return a fitted ``BernoulliRBM`` of scikit-learn as an RBM.

    Parameters
    ----------
    estimator : sklearn.neural_network.BernoulliRBM
        Its ``components_`` have shape [hidden, visible]; they are the transpose of ``weights.0``.

    Raises
    ------
    ValueError
        For estimators of other classes and for one that is not fitted.

    Examples
    --------
    >>> import dgm, pytest
    >>> neural_network = pytest.importorskip("sklearn.neural_network")
    >>> from dgm.importers import from_sklearn
    >>> X = dgm.bars_and_stripes(2)
    >>> theirs = neural_network.BernoulliRBM(n_components=3, random_state=0).fit(X)
    >>> rbm = from_sklearn(theirs)
    >>> rbm, rbm.evaluate(X).side
    (<dgm.RBM 4-3>, 'exact')
    """
    if "BernoulliRBM" not in _class_names(estimator):
        raise ValueError(f"estimator is a {_named(estimator)}, allowed: a fitted BernoulliRBM of scikit-learn")
    if not hasattr(estimator, "components_"):
        raise ValueError("estimator is a BernoulliRBM that is not fitted: call its `fit` first")
    return _rbm(np.transpose(estimator.components_), estimator.intercept_visible_, estimator.intercept_hidden_)


def from_torchrbm(path: str | os.PathLike[str], update: int | None = None) -> RBM:
    """Return an RBM from an HDF5 archive of TorchRBM (``torchrbm`` and its successor ``rbms``).

    Parameters
    ----------
    path : path
        The archive. A model is in ``update_N/params`` (of old archives in ``update_N``): ``weight_matrix``, ``vbias``
        and ``hbias``.
    update : int, optional
        The N of the saved model; the last one by default.

    Returns
    -------
    RBM
        Of ``BBRBM`` with binary units. Of ``PBRBM`` (Potts) with ``softmax:K`` units: rows are categories of 0 to
        K - 1. Of ``IIRBM`` (Ising) with binary units in the place of spins: a spin s is v = (s + 1) / 2.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no such archive, for updates that it does not have, and for models that are no RBMs with binary
        hidden units (``BGRBM``, ``IGRBM``, ``BEBM``, ``CEBM``).
    ImportError
        Without h5py: ``pip install 'dgm[importers]'``.

    Notes
    -----
    With s = 2 v - 1 and t = 2 h - 1, the energy -a s - b t - s W t of spins is that of binary units with weights 4 W
    and biases 2 (a - W 1) and 2 (b - W^T 1), up to a constant.

    Examples
    --------
    >>> import numpy as np, pytest, tempfile
    >>> h5py = pytest.importorskip("h5py")
    >>> from dgm.importers import from_torchrbm
    >>> file = tempfile.NamedTemporaryFile(suffix=".h5")
    >>> with h5py.File(file.name, "w") as archive:
    ...     archive["model_type"] = "BBRBM"
    ...     archive["update_10/params/weight_matrix"] = np.zeros((4, 3))
    ...     archive["update_10/params/vbias"] = np.zeros(4)
    ...     archive["update_10/params/hbias"] = np.zeros(3)
    >>> from_torchrbm(file.name)
    <dgm.RBM 4-3>
    """
    kind, weights, visible, hidden = _read_torchrbm(path, update)
    if kind == "PBRBM":
        categories = weights.shape[1]
        return _rbm(weights.reshape(-1, weights.shape[2]), visible.reshape(-1), hidden, f"softmax:{categories}")
    if kind == "IIRBM":
        return _rbm(4 * weights, 2 * (visible - weights.sum(axis=1)), 2 * (hidden - weights.sum(axis=0)))
    return _rbm(weights, visible, hidden)


def from_pydeep(model: Any) -> RBM:
    """Return a ``BinaryBinaryRBM`` of PyDeep as an RBM, with its offsets folded into the biases.

    Parameters
    ----------
    model : BinaryBinaryRBM, or mapping of str to array
        ``w`` of shape [visible, hidden], ``bv`` and ``bh`` of shape [units] or [1, units], and the offsets ``ov`` and
        ``oh`` of a centred model, which are 0 if they are left out.

    Raises
    ------
    ValueError
        For models of other classes (Gaussian, rectified, label and deep ones), and for wrong shapes.

    Notes
    -----
    PyDeep's energy -(v - ov) bv - (h - oh) bh - (v - ov) W (h - oh) is that of an RBM with biases bv - W oh and
    bh - W^T ov, up to a constant.

    Source: Melchior, Fischer and Wiskott (2016), How to center deep Boltzmann machines, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from dgm.importers import from_pydeep
    >>> rbm = from_pydeep({"w": np.ones((4, 3)), "bv": np.zeros(4), "bh": np.zeros(3), "oh": np.full(3, 0.5)})
    >>> rbm, rbm.bias(0).tolist()
    (<dgm.RBM 4-3>, [-1.5, -1.5, -1.5, -1.5])
    """
    if isinstance(model, Mapping):
        given = dict(model)
    elif _named(model) == "BinaryBinaryRBM":
        given = {name: getattr(model, name) for name in ("w", "bv", "bh", "ov", "oh")}
    else:
        raise ValueError(f"model is a {_named(model)}, allowed: a BinaryBinaryRBM of PyDeep, or its arrays by name")
    unknown = sorted(set(given) - {"w", "bv", "bh", "ov", "oh"})
    missing = sorted({"w", "bv", "bh"} - set(given))
    if unknown or missing:
        raise ValueError(f"model has {', '.join(sorted(given))}; allowed: w, bv, bh, and ov, oh of a centred model")
    w = np.asarray(given["w"], dtype=np.float64)
    bv, bh, ov, oh = (np.ravel(np.asarray(given.get(name, 0.0), dtype=np.float64)) for name in ("bv", "bh", "ov", "oh"))
    if w.ndim != 2:
        raise ValueError(f"w has shape {w.shape}, expected [visible, hidden]")
    for name, vector, units in (("bv", bv, w.shape[0]), ("bh", bh, w.shape[1])):
        if vector.shape != (units,):
            raise ValueError(f"{name} has {vector.size} numbers, expected {units}")
    for name, vector, units in (("ov", ov, w.shape[0]), ("oh", oh, w.shape[1])):
        if vector.size not in (1, units):
            raise ValueError(f"{name} has {vector.size} numbers, expected {units}")
    return _rbm(w, bv - w @ np.broadcast_to(oh, w.shape[1]), bh - np.broadcast_to(ov, w.shape[0]) @ w)


def _rbm(weights: Any, visible: Any, hidden: Any, kind: str = "bernoulli") -> RBM:
    return RBM.from_arrays({"weights.0": weights, "bias.0": visible, "bias.1": hidden}, visible=kind)


def _named(model: Any) -> str:
    return model.__name__ if isinstance(model, type) else type(model).__name__


def _class_names(model: Any) -> set[str]:
    """Return the names of the classes of an object; none for a class itself."""
    return set() if isinstance(model, type) else {kind.__name__ for kind in type(model).__mro__}


_SHAPES = {"BBRBM": 2, "IIRBM": 2, "PBRBM": 3}
"""Models of TorchRBM that can be imported, with the dimensions of their weights."""


def _read_torchrbm(path: str | os.PathLike[str], update: int | None) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """Return the kind of model, its weights, and the biases of visible and hidden units."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError("dgm.importers.from_torchrbm needs h5py: pip install 'dgm[importers]'") from error
    name = os.fspath(path)
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{name} is no HDF5 file: {error}") from error
    with file:
        known = sorted(int(found[1]) for key in file if (found := re.fullmatch(r"update_(\d+)", key)))
        if not known:
            raise ValueError(f"{name} is no archive of TorchRBM: it has no group update_N")
        if update is not None and update not in known:
            raise ValueError(f"update is {update}, which {name} does not have; known: {', '.join(map(str, known))}")
        group = file[f"update_{known[-1] if update is None else update}"]
        params = group["params"] if "params" in group else group
        absent = [key for key in ("weight_matrix", "vbias", "hbias") if key not in params]
        kind = bytes(file["model_type"][()]).decode() if "model_type" in file else None
        if kind is not None and kind not in _SHAPES:
            raise ValueError(f"{name} holds a model of type {kind}, allowed: {', '.join(_SHAPES)}")
        if absent:
            raise ValueError(f"{params.name} of {name} has {', '.join(params)}; {', '.join(absent)} is missing")
        weights, visible, hidden = (np.asarray(params[key], np.float64) for key in ("weight_matrix", "vbias", "hbias"))
    if kind is None:
        kind = "PBRBM" if weights.ndim == 3 else "BBRBM"
    if weights.ndim != _SHAPES[kind] or weights.shape[:-1] != visible.shape or weights.shape[-1:] != hidden.shape:
        shapes = f"weight_matrix {weights.shape}, vbias {visible.shape}, hbias {hidden.shape}"
        raise ValueError(f"{name} has parameters of shapes {shapes}, which do not fit each other for a {kind}")
    return kind, weights, visible, hidden
