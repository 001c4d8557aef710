"""Deep generative models of binary data, trained and measured in Rust.

Four models (Murphy, *Machine Learning: A Probabilistic Perspective*, chapter 28): restricted Boltzmann machines,
sigmoid belief nets, deep Boltzmann machines and deep belief networks, and the classifiers that are fine-tuned from
them.

Rows are arrays of shape ``[samples, units]``. Every result depends on a seed and not on the number of threads.

Examples
--------
>>> import dgm
>>> X = dgm.bars_and_stripes(3)
>>> rbm = dgm.RBM.fit(X, hidden=8, epochs=200, batch_size=4, learning_rate=0.2, seed=1)
>>> report = rbm.evaluate(X)
>>> report.side
'exact'
>>> rbm.sample(5, seed=1).shape
(5, 9)
"""

from __future__ import annotations

import atexit as _atexit
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from . import _native
from ._native import DivergedError, ModelFileError
from .data import bars_and_stripes, load_digits
from .models import DBM, DBN, RBM, SBN, Classifier, Harmonium, Model, fit, load
from .results import Diagnostics, Estimate, History, Report

if _TYPE_CHECKING:
    from .tensorboard import log_to_tensorboard

__version__: str = _native.__version__

__all__ = [
    "DBM",
    "DBN",
    "RBM",
    "SBN",
    "Classifier",
    "Diagnostics",
    "DivergedError",
    "Estimate",
    "Harmonium",
    "History",
    "Model",
    "ModelFileError",
    "Report",
    "bars_and_stripes",
    "fit",
    "load",
    "load_digits",
    "log_to_tensorboard",
]


def __getattr__(name: str) -> _Any:
    """Import `log_to_tensorboard` when it is asked for, since it needs TensorBoard."""
    if name == "log_to_tensorboard":
        from .tensorboard import log_to_tensorboard as found

        return found
    raise AttributeError(f"module 'dgm' has no attribute {name!r}")


_atexit.register(_native.shut_down)
