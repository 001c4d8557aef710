"""What computations return: estimates with their sides, reports, the history of a training, and diagnostics."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .diagnostics import ess, r_hat


@dataclass(frozen=True)
class Estimate:
    """A number with the interval that is claimed for it.

    Attributes
    ----------
    value : float
        The estimate, in nats.
    low, high : float
        The ends of the interval, in nats. An end that no theorem closes is infinite.
    side : str
        ``exact``, ``estimate`` (an error on both sides), ``lower`` (bounded from below only) or ``upper``.
    method : str
        How it was found.
    std_error : float or None
        The standard error of the value, in nats.
    ess : float or None
        The effective sample size of the weights, where there are any.
    """

    value: float
    low: float
    high: float
    side: str
    method: str
    std_error: float | None = None
    ess: float | None = None

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        if self.side == "exact":
            return f"{self.value:.4f} nats (exact)"
        high = "open" if math.isinf(self.high) else f"{self.high:.4f}"
        return f"{self.value:.4f} nats, {self.low:.4f} to {high} ({self.side}, {self.method})"


class Report:
    """The whole report of an evaluation.

    Attributes
    ----------
    mean_log_prob : Estimate
        Mean log p of a row, in nats.
    log_partition : Estimate or None
        log Z, of a model that has one.
    log_probs : array of float64 of shape [samples]
        log p of each row, in nats; for models whose likelihood is only bounded, the bound.
    warnings : list of str
        What speaks against the interval.
    fields : dict
        Every field of the report, with the names of ``dgm eval --json``.

    Examples
    --------
    >>> import dgm
    >>> X = dgm.bars_and_stripes(2)
    >>> report = dgm.RBM.fit(X, hidden=3, epochs=2, batch_size=4).evaluate(X)
    >>> report.side, report.low == report.value
    ('exact', True)
    """

    def __init__(self, fields: dict[str, Any], log_probs: np.ndarray, text: str) -> None:
        self.fields = fields
        self.log_probs = log_probs
        self._text = text
        p = fields["mean_log_prob"]
        self.mean_log_prob = Estimate(p["value"], p["low"], p["high"], p["side"], p["method"])
        self.log_partition = partition_estimate(fields.get("log_partition"))
        self.warnings: list[str] = list(fields["warnings"])

    @property
    def value(self) -> float:
        """Mean log p of a row, in nats."""
        return self.mean_log_prob.value

    @property
    def low(self) -> float:
        """The lower end of the interval, in nats."""
        return self.mean_log_prob.low

    @property
    def high(self) -> float:
        """The upper end of the interval, in nats; infinite where no theorem closes it."""
        return self.mean_log_prob.high

    @property
    def side(self) -> str:
        """``exact``, ``estimate``, ``lower`` or ``upper``."""
        return self.mean_log_prob.side

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __str__(self) -> str:
        warned = "".join(f"\nwarning      {text}" for text in self.warnings)
        return self._text + warned

    def __repr__(self) -> str:
        return f"<dgm.Report {self.mean_log_prob}, {len(self.warnings)} warnings>"

    def _repr_html_(self) -> str:
        rows = [("model", f"{self.fields['model']} {'-'.join(map(str, self.fields['layers']))}")]
        rows.append(("rows", str(self.fields["data"]["rows"])))
        rows.append(("mean log p", str(self.mean_log_prob)))
        if self.log_partition is not None:
            rows.append(("log Z", str(self.log_partition)))
        for name in ("lower_bound", "importance_weighted", "annealed_posterior", "gap", "log_pseudo_likelihood"):
            part = self.fields.get(name)
            if part is not None:
                found = part.get("value", part.get("mean"))
                rows.append((name.replace("_", " "), f"{found:.4f} nats"))
        rows.extend(("warning", text) for text in self.warnings)
        cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in rows)
        return f"<table>{cells}</table>"


def partition_estimate(part: dict[str, Any] | None) -> Estimate | None:
    """Return log Z of a report as an estimate."""
    if part is None:
        return None
    side = "exact" if part["method"] in ("exact", "enumeration") or part["std_error"] == 0 else "estimate"
    return Estimate(
        part["value"], part["low"], part["high"], side, part["method"], part.get("std_error"), part.get("ess")
    )


@dataclass(frozen=True)
class History:
    """The figures of the epochs that were looked at.

    Attributes
    ----------
    records : list of dict
        A dictionary for each epoch: ``epoch``, ``step``, ``seconds`` and the figures of ``metrics.jsonl``.
    interrupted : bool
        Whether Ctrl-C or a callback ended training.
    stopped_early : bool
        Whether early stopping ended it.
    """

    records: list[dict[str, Any]] = field(default_factory=list, repr=False)
    interrupted: bool = False
    stopped_early: bool = False

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, figure: str) -> np.ndarray:
        """Return a figure of all epochs as an array; NaN where an epoch does not have it."""
        known = sorted({name for record in self.records for name in record})
        if figure not in known:
            raise KeyError(f"{figure!r} is no figure of this training; known: {', '.join(known)}")
        return np.array([record.get(figure, math.nan) for record in self.records], dtype=float)


@dataclass(frozen=True)
class Diagnostics:
    """How well Markov chains mix, from one number of each chain over time.

    Attributes
    ----------
    quantity : str
        The number that is watched.
    traces : array of float64 of shape [chains, observations]
    interval : int
        Sweeps from one observation to the next.
    ess : float
        Effective sample size of the values as they are.
    ess_bulk, ess_tail, r_hat : float
        As Stan and ArviZ define them, from ranks; see `dgm.diagnostics`.
    split_r_hat : float
    autocorrelation_time : float
        In sweeps.
    flips : float
        Share of units that change in a sweep.
    mixed : bool
        Whether split R-hat is at most 1.05.
    swap_acceptance : float or None
        Mean share of swaps that were made, of tempered chains.
    """

    quantity: str
    traces: np.ndarray = field(repr=False)
    interval: int
    ess: float
    split_r_hat: float
    autocorrelation_time: float
    flips: float
    mixed: bool
    swap_acceptance: float | None = None
    lowest_swap_acceptance: float | None = None

    @property
    def ess_bulk(self) -> float:
        """Effective sample size of ranks."""
        return ess(self.traces, "bulk")

    @property
    def ess_tail(self) -> float:
        """Effective sample size of the quantiles of 5 % and 95 %, the smaller one."""
        return ess(self.traces, "tail")

    @property
    def r_hat(self) -> float:
        """R-hat of ranks, and of ranks of distances from the median, the larger one."""
        return r_hat(self.traces)

    @classmethod
    def of(cls, found: dict[str, Any] | None) -> Diagnostics | None:
        """Make diagnostics from the dictionary of the native part; None for too few sweeps."""
        if found is None:
            return None
        return cls(**{name: found[name] for name in cls.__dataclass_fields__ if name in found})
