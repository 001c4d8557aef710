"""Rows and models that many tests use."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator

import dgm
import numpy as np
import pytest


@pytest.fixture(autouse=True, scope="session")
def interrupts() -> Iterator[None]:
    """Take SIGINT, which a shell lets its background jobs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def bars() -> np.ndarray:
    return dgm.bars_and_stripes(3)


@pytest.fixture(scope="session")
def rbm(bars: np.ndarray) -> dgm.RBM:
    return dgm.RBM.fit(bars, hidden=5, epochs=400, batch_size=7, learning_rate=0.1, seed=1)


def states(units: int) -> np.ndarray:
    """All states of some binary units, [2^units, units]."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=units)))
