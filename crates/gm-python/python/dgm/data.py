"""Two built-in sets of rows for examples and tests."""

from __future__ import annotations

import itertools

import numpy as np


def bars_and_stripes(size: int) -> np.ndarray:
    """Return all pictures of ``size x size`` pixels whose rows, or whose columns, are each of one value.

    Returns
    -------
    array of uint8 of shape [2^(size + 1) - 2, size^2]
        Each picture once, in no particular order.

    Examples
    --------
    >>> import dgm
    >>> dgm.bars_and_stripes(2).tolist()
    [[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
    """
    if not 1 <= size <= 10:
        raise ValueError(f"size is {size}, allowed: 1 to 10")
    lines = np.array(list(itertools.product((0, 1), repeat=size)), dtype=np.uint8)
    bars = np.repeat(lines, size, axis=1)
    stripes = np.tile(lines, (1, size))
    return np.unique(np.concatenate([bars, stripes]), axis=0)


def load_digits(threshold: float = 8) -> tuple[np.ndarray, np.ndarray]:
    """Return the 1,797 handwritten digits of scikit-learn as zeros and ones, with their labels.

    The pictures have 8 x 8 pixels of 17 grey levels (UCI Optical Recognition of Handwritten Digits, CC BY 4.0).

    Parameters
    ----------
    threshold : float
        Grey levels of this and above become 1.

    Returns
    -------
    X : array of uint8 of shape [1797, 64]
    y : array of int64 of shape [1797]
    """
    try:
        from sklearn.datasets import load_digits as load
    except ImportError as error:
        raise ImportError("load_digits needs scikit-learn: pip install scikit-learn") from error

    X, y = load(return_X_y=True)
    return (X >= threshold).astype(np.uint8), y
