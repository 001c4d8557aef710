"""Rows and models that many tests use."""

from __future__ import annotations

import itertools

import dgm
import numpy as np
import pytest


@pytest.fixture(scope="session")
def bars() -> np.ndarray:
    return dgm.bars_and_stripes(3)


@pytest.fixture(scope="session")
def rbm(bars: np.ndarray) -> dgm.RBM:
    return dgm.RBM.fit(bars, hidden=5, epochs=400, batch_size=7, learning_rate=0.1, seed=1)


def states(units: int) -> np.ndarray:
    """All states of some binary units, [2^units, units]."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=units)))
