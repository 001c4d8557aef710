"""Diagnostics of Markov chains as Stan and ArviZ define them: bulk and tail ESS, and rank-normalised R-hat.

Needs NumPy alone. Traces have the shape ``[chains, draws]``.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

__all__ = ["ess", "r_hat"]

LEAST = 4
"""The fewest draws of a chain."""


def ess(traces: Any, method: str = "bulk") -> float:
    """Return the effective sample size of chains together.

    Parameters
    ----------
    traces : array of shape [chains, draws] or [draws]
        One number of each chain over time; 4 draws or more.
    method : str
        ``"bulk"`` (of ranks, which suits any distribution), ``"tail"`` (the smaller one of the quantiles of 5 % and
        95 %) or ``"mean"`` (of the values as they are).

    Returns
    -------
    float
        NaN for chains of which all draws are equal, which say nothing about how well they mix; ArviZ counts such draws
        as independent.

    Raises
    ------
    ValueError
        For traces of another shape, NaN or infinity, and unknown methods.

    Notes
    -----
    The halves of chains are chains. Autocorrelations are summed up to the last positive pair, with pairs that do not
    grow (Geyer). The result is at most n log10(n) for n draws in all.

    Source: Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), Rank-normalization, folding, and localization,
    sections 3.2 and 4.

    Examples
    --------
    >>> import numpy as np
    >>> from dgm.diagnostics import ess
    >>> traces = np.random.default_rng(0).normal(size=(4, 1000))
    >>> 3000 < ess(traces) < 5000
    True
    """
    values = _traces(traces)
    if method == "bulk":
        return _ess(_ranked(_halves(values)))
    if method == "tail":
        return math.nan if _is_constant(values) else min(_ess_below(values, share) for share in (0.05, 0.95))
    if method == "mean":
        return _ess(_halves(values))
    raise ValueError(f"method is {method!r}, allowed: 'bulk', 'tail' or 'mean'")


def r_hat(traces: Any, method: str = "rank") -> float:
    """Return R-hat of the halves of chains, which is near 1 when they agree.

    Parameters
    ----------
    traces : array of shape [chains, draws] or [draws]
        One number of each chain over time; 4 draws or more.
    method : str
        ``"rank"`` (the larger one of the ranks and of the ranks of distances from the median) or ``"split"`` (of the
        values as they are).

    Returns
    -------
    float
        NaN for chains of which all draws are equal.

    Raises
    ------
    ValueError
        As of `ess`.

    Notes
    -----
    Source: as of `ess`, equations 1 to 4 and section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from dgm.diagnostics import r_hat
    >>> traces = np.random.default_rng(0).normal(size=(4, 1000))
    >>> r_hat(traces) < 1.01 < r_hat(traces + np.arange(4)[:, None])
    True
    """
    halves = _halves(_traces(traces))
    if method == "split":
        return _r_hat(halves)
    if method == "rank":
        return max(_r_hat(_ranked(halves)), _r_hat(_ranked(abs(halves - np.median(halves)))))
    raise ValueError(f"method is {method!r}, allowed: 'rank' or 'split'")


def _traces(traces: Any) -> np.ndarray:
    values = np.atleast_2d(np.asarray(traces, dtype=np.float64))
    if values.ndim != 2 or values.shape[0] == 0 or values.shape[1] < LEAST:
        raise ValueError(f"traces has shape {values.shape}, expected [chains, draws] with {LEAST} draws or more")
    if not np.isfinite(values).all():
        raise ValueError("traces has NaN or infinity, allowed: finite numbers")
    return values


def _halves(values: np.ndarray) -> np.ndarray:
    """Return the first and the second half of each chain; the middle draw of an odd length is left out."""
    half = values.shape[1] // 2
    return np.concatenate([values[:, :half], values[:, -half:]])


def _ranked(values: np.ndarray) -> np.ndarray:
    """Return quantiles of the normal distribution at the ranks of values; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    normal = NormalDist()
    scores = np.array([normal.inv_cdf((rank - 3 / 8) / (values.size + 1 / 4)) for rank in ranks.tolist()])
    return scores[np.reshape(place, values.shape)]


def _r_hat(chains: np.ndarray) -> float:
    draws = chains.shape[1]
    within, between = chains.var(axis=1, ddof=1).mean(), chains.mean(axis=1).var(ddof=1)
    if within == 0:
        return math.nan if between == 0 else math.inf
    return math.sqrt(between / within + (draws - 1) / draws)


def _is_constant(values: np.ndarray) -> bool:
    return bool(np.ptp(values) < np.finfo(float).resolution)


def _ess_below(values: np.ndarray, share: float) -> float:
    """Return the ESS of whether draws are at most a quantile: all draws where it tells them not apart."""
    ordered = np.sort(values, axis=None)
    place = ordered.size * share + (1 - share)
    first = min(max(math.floor(place), 1), ordered.size - 1)
    part = min(max(place - first, 0), 1)
    below = _halves(values <= (1 - part) * ordered[first - 1] + part * ordered[first])
    return float(below.size) if _is_constant(below.astype(float)) else _ess(below.astype(float))


def _ess(chains: np.ndarray) -> float:
    count, draws = chains.shape
    if _is_constant(chains):
        return math.nan
    covariances = _covariances(chains)
    within = covariances[0] * draws / (draws - 1)
    total = covariances[0] + chains.mean(axis=1).var(ddof=1)
    correlations = 1 - (within - covariances) / total
    correlations[0] = 1
    pairs = correlations[:-1] + correlations[1:]
    time, last, lag = -1.0, math.inf, 0
    while lag + 4 < draws and pairs[lag] > 0:
        last = min(last, float(pairs[lag]))
        time, lag = time + 2 * last, lag + 2
    # The first lag behind these pairs counts once, unless it is negative in a pair that is.
    time += float(correlations[lag]) if pairs[lag] >= 0 else max(float(correlations[lag]), 0.0)
    return float(count * draws / max(time, 1 / math.log10(count * draws)))


def _covariances(chains: np.ndarray) -> np.ndarray:
    """Return autocovariances, divided by the draws of a chain, in the mean over chains."""
    draws = chains.shape[1]
    spectrum = np.fft.rfft(chains - chains.mean(axis=1, keepdims=True), n=2 * draws, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=0)
    return np.asarray(np.fft.irfft(power, n=2 * draws)[:draws] / draws)
