"""Arrays of the caller in the forms that the native part takes, and the errors for those that it cannot take."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

Rows = Any
"""A 2-D array, a sparse matrix, or a data frame, of shape ``[samples, units]``."""

INT64_MAX = 2**63 - 1


def check_seed(seed: Any, name: str = "seed") -> int:
    """Return a seed as an integer of 0 to 2^63 - 1.

    Raises
    ------
    ValueError
        For negative or larger seeds, and for values that are no integers.
    """
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise ValueError(f"{name} is {seed!r}, allowed: an integer of 0 to 2^63 - 1")
    if not 0 <= int(seed) <= INT64_MAX:
        raise ValueError(f"{name} is {seed}, allowed: 0 to 2^63 - 1")
    return int(seed)


def check_count(value: Any, name: str, least: int = 0) -> int:
    """Return a count as an integer, or raise ValueError with the name of the argument."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name} is {value!r}, allowed: an integer of {least} or more")
    if not least <= int(value) <= INT64_MAX:
        raise ValueError(f"{name} is {value}, allowed: {least} or more")
    return int(value)


def check_threads(n_threads: Any) -> int | None:
    """Return a number of threads as an integer; None leaves it to the package."""
    return None if n_threads is None else check_count(n_threads, "n_threads", 1)


def native_rows(X: Rows, name: str = "X", *, binarize: float | None = None) -> Any:
    """Return rows as the native part takes them.

    Zeros and ones of bool, uint8 and CSR input are handed over without a float copy. Grey levels of uint8 (a value
    above 1) mean ``level / 255``. Other numbers become float32.

    Parameters
    ----------
    X : array of shape [samples, units]
        An array, a sparse matrix or a data frame.
    name : str
        The name of the argument in messages.
    binarize : float or None
        Values above it become 1, the others 0.

    Raises
    ------
    ValueError
        For values that are no numbers, NaN or infinity, and for arrays that are not 2-D or are empty.
    """
    if _is_sparse(X):
        return _sparse_rows(X, name, binarize)
    array = _dense(X, name)
    if binarize is not None:
        return np.ascontiguousarray(array > binarize)
    if array.dtype == np.bool_:
        return np.ascontiguousarray(array)
    if array.dtype == np.uint8:
        return _grey(array, name)
    if np.issubdtype(array.dtype, np.integer):
        low, high = int(array.min()), int(array.max())
        if 0 <= low and high <= 1:
            return np.ascontiguousarray(array, dtype=np.uint8)
    floats = _float32(array)
    _refuse_non_finite(floats, name)
    return floats


def _dense(X: Rows, name: str) -> np.ndarray:
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    try:
        array = np.asarray(X)
        if array.dtype == object and hasattr(X, "to_numpy"):
            # Columns of a data frame that can hold missing values.
            array = X.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is no array of numbers: {error}") from None
    if array.dtype == object:
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} holds objects that are no numbers: {error}") from None
    if np.issubdtype(array.dtype, np.complexfloating):
        raise ValueError(f"{name} has type {array.dtype}: Complex data not supported")
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
        raise ValueError(f"{name} has type {array.dtype}, allowed: truth values and numbers")
    if array.ndim != 2:
        raise ValueError(f"{name} has {array.ndim} dimensions, expected 2: [samples, units]")
    if array.shape[0] == 0:
        raise ValueError(f"{name} has 0 sample(s), allowed: 1 or more")
    if array.shape[1] == 0:
        raise ValueError(f"{name} has 0 feature(s), allowed: 1 or more")
    return array


def _float32(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # Numbers beyond float32 become infinite, and are refused as such.
        return np.ascontiguousarray(array, dtype=np.float32)


def _refuse_non_finite(array: np.ndarray, name: str) -> None:
    if not np.isfinite(array.sum(dtype=np.float64)) and not np.isfinite(array).all():
        row, unit = np.argwhere(~np.isfinite(array))[0]
        value = "NaN" if np.isnan(array[row, unit]) else "infinity"
        raise ValueError(
            f"{name} has {value} at row {row + 1}, column {unit + 1}; only `complete` takes missing values"
        )


def _is_sparse(X: Rows) -> bool:
    return hasattr(X, "tocsr") and hasattr(X, "nnz")


def _sparse_rows(X: Rows, name: str, binarize: float | None) -> Any:
    if len(X.shape) != 2 or 0 in X.shape:
        raise ValueError(f"{name} has shape {tuple(X.shape)}, allowed: [samples, units] with 1 or more of each")
    rows = X.tocsr()
    if np.issubdtype(rows.dtype, np.complexfloating):
        raise ValueError(f"{name} has type {rows.dtype}: Complex data not supported")
    if binarize is not None:
        if binarize < 0:
            return np.ascontiguousarray(rows.toarray() > binarize)
        rows = rows > binarize
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    if (rows.nnz and not (rows.data == 0).any() and (rows.data == 1).all()) or rows.nnz == 0:
        return rows.indptr.astype(np.int64), rows.indices.astype(np.int64), int(rows.shape[1])
    dense = rows.toarray()
    if dense.dtype == np.uint8:
        return _grey(dense, name)
    floats = _float32(dense)
    _refuse_non_finite(floats, name)
    return floats


FAINT = 100
"""Grey levels all below this are taken for a mistake, such as digits of 0 to 16 or a column of indices."""


def _grey(array: np.ndarray, name: str) -> np.ndarray:
    high = int(array.max())
    if 1 < high < FAINT:
        text = "uint8 values above 1 are grey levels of 0 to 255; for others give floats of 0 to 1, or `binarize`"
        warnings.warn(f"{name} has values up to {high}: {text}", stacklevel=4)
    return np.ascontiguousarray(array)


def check_states(rows: Any, name: str) -> Any:
    """Return rows in the form of the native part, or raise ValueError if they are no zeros and ones."""
    if isinstance(rows, np.ndarray) and rows.dtype != np.bool_ and not ((rows == 0) | (rows == 1)).all():
        raise ValueError(f"{name} has other values than 0 and 1, allowed: zeros and ones, such as those of X > 0.5")
    return rows


def split_missing(X: Rows, missing: Any = None, name: str = "X") -> tuple[np.ndarray, np.ndarray]:
    """Return rows with 0 in the place of missing values, and the mask of missing values.

    NaN and masked values are missing; grey levels of uint8 become numbers of 0 to 1; ``missing`` is a mask of the shape
    of the rows or of one row.
    """
    array = _dense(X.toarray() if _is_sparse(X) else X, name)
    if array.dtype == np.uint8 and array.max() > 1:
        array = array / np.float32(255)
    mask = np.isnan(array) if np.issubdtype(array.dtype, np.floating) else np.zeros(array.shape, dtype=bool)
    if missing is not None:
        given = np.asarray(missing)
        if given.dtype != np.bool_:
            if not np.isin(given, (0, 1)).all():
                raise ValueError("missing has other values than 0 and 1, allowed: truth values")
            given = given.astype(bool)
        if given.shape not in (array.shape, array.shape[1:]):
            raise ValueError(f"missing has shape {given.shape}, expected {array.shape} or {array.shape[1:]}")
        mask = mask | given
    return np.where(mask, 0, array), np.ascontiguousarray(mask)
