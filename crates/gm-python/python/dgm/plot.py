"""Pictures of models, samples, training and likelihoods, drawn by matplotlib.

Every function returns the Axes or the Figure that it drew on, and none shows or saves it.

Needs matplotlib: ``pip install 'dgm[plot]'``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import check_count, native_rows
from .models import Model
from .results import Diagnostics, Estimate, History, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves", "filters", "intervals", "samples", "traces"]

INK, MUTED, RULE = "#1f2933", "#6b7684", "#dfe3e8"
GAP = "#cfd8e3"
MAIN, SECOND, ALERT = "#1f5fa8", "#d9822b", "#b3372f"

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("log p, nats a row", ("log_likelihood", "train_log_likelihood")),
    ("log p with an estimated log Z, nats a row", ("estimated_log_likelihood", "train_estimated_log_likelihood")),
    ("lower bound of log p, nats a row", ("elbo", "train_elbo", "next_elbo")),
    ("bound of log p from 20 draws, nats a row", ("importance_weighted", "train_importance_weighted")),
    ("effective sample size of 20 draws", ("ess",)),
    ("log-pseudo-likelihood, nats a row", ("pseudo_log_likelihood",)),
    ("cross-entropy of reconstructions, nats a row", ("reconstruction",)),
    ("share of rows in error", ("error_rate", "train_error_rate")),
    ("-log p of labels, nats a row", ("cross_entropy", "train_cross_entropy")),
    ("free energy, validation - training, nats", ("free_energy_gap",)),
    ("bound of the last batch, nats a row", ("batch_bound",)),
    ("log Z, nats", ("log_partition",)),
    ("share of swaps made", ("swap_acceptance", "lowest_swap_acceptance")),
    ("share of units that change in a sweep", ("chain_flips",)),
    ("squared error and variance", ("squared_error", "variance")),
    ("active hidden units", tuple(f"active_units_{layer}" for layer in range(1, 9))),
    ("root mean square of weights", ("weight_rms",)),
    ("learning rate", ("learning_rate",)),
)
"""Figures that share a panel of `curves`, with its title, in the order of the panels."""

USUAL = 6
"""Panels that `curves` draws if no figures are named."""


def filters(
    model: Model,
    layer: int = 1,
    *,
    shape: tuple[int, int] | None = None,
    count: int = 64,
    columns: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of hidden units as pictures, those with the largest weights first.

    Red is positive, blue negative, white 0. All pictures have one scale.

    Parameters
    ----------
    model : Model
    layer : int
        The hidden layer, 1 next to the data. The weights of a higher layer are multiplied with those below.
    shape : (int, int), optional
        Height and width of a row as a picture; a square by default.
    count : int
        The most units to draw.
    columns : int, optional
        Pictures side by side.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        For a layer that there is not, and a shape that does not fit the visible units.

    Examples
    --------
    >>> import dgm.plot, pytest
    >>> pytest.importorskip("matplotlib").use("agg")
    >>> rbm = dgm.RBM.fit(dgm.bars_and_stripes(3), hidden=8, epochs=5, batch_size=7)
    >>> dgm.plot.filters(rbm).get_title(loc="left")
    'Weights of 8 hidden units'
    """
    top = len(model.layers) - 1
    if check_count(layer, "layer", 1) > top:
        raise ValueError(f"layer is {layer}, allowed: 1 to {top}")
    weights = np.asarray(model.weights(0), dtype=np.float64)
    for below in range(1, layer):
        weights = np.asarray(model.weights(below), dtype=np.float64) @ weights
    shown = np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[: check_count(count, "count", 1)]
    limit = float(np.percentile(np.abs(weights[shown]), 99.5)) or 1.0
    picture = _mosaic(weights[shown], shape, columns)
    ax = _axes(ax, _size(picture, 5.0, (0.7, 0.3)))
    colours = _matplotlib().colormaps["RdBu_r"].with_extremes(bad=GAP)
    image = ax.imshow(picture, cmap=colours, vmin=-limit, vmax=limit, interpolation="nearest")
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.03, 0.0, 0.03, 1.0)), extend="both")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, labelcolor=MUTED)
    of = "" if len(shown) == len(weights) else f" of {len(weights)}"
    _bare(ax, f"Weights of {len(shown)}{of} hidden units" + ("" if layer == 1 else f", layer {layer}"))
    return ax


def samples(
    rows: Any,
    shape: tuple[int, int] | None = None,
    *,
    columns: int | None = None,
    count: int = 100,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw rows as pictures: 0 is white, 1 is black.

    Parameters
    ----------
    rows : array of shape [samples, units]
        Samples, data, means or completed rows.
    shape : (int, int), optional
        Height and width of a row as a picture; a square by default.
    columns : int, optional
        Pictures side by side.
    count : int
        The most rows to draw.
    title : str, optional
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        For a shape that does not fit the units.

    Examples
    --------
    >>> import dgm.plot, pytest
    >>> pytest.importorskip("matplotlib").use("agg")
    >>> axes = dgm.plot.samples(dgm.bars_and_stripes(3), title="Bars and stripes")
    >>> axes.get_title(loc="left")
    'Bars and stripes'
    """
    shown = native_rows(rows, "rows")
    values = rows.toarray() if isinstance(shown, tuple) else shown
    values = np.asarray(values[: check_count(count, "count", 1)], dtype=np.float64)
    low, high = min(0.0, float(values.min())), max(1.0, float(values.max()))
    picture = _mosaic(values, shape, columns)
    ax = _axes(ax, _size(picture, 5.2, (0.0, 0.3 if title else 0.0)))
    colours = _matplotlib().colormaps["gray_r"].with_extremes(bad=GAP)
    ax.imshow(picture, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    _bare(ax, title or "")
    return ax


def curves(
    history: History | Model | str | os.PathLike[str] | Sequence[Mapping[str, Any]],
    figures: Iterable[str] | None = None,
    *,
    figure: Figure | None = None,
) -> Figure:
    """Draw the figures of a training over its epochs, one panel for each kind of figure.

    Parameters
    ----------
    history : History, Model, path of a run or list of dict
        A model must have been trained in this process. A run is a folder of ``dgm train`` or its ``metrics.jsonl``.
    figures : iterable of str, optional
        The figures to draw; by default those that say most.
    figure : Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    KeyError
        For a figure that this training does not have; the message lists those that it has.
    ValueError
        For a model without a history.

    Examples
    --------
    >>> import dgm.plot, pytest
    >>> pytest.importorskip("matplotlib").use("agg")
    >>> rbm = dgm.RBM.fit(dgm.bars_and_stripes(3), hidden=8, epochs=5, batch_size=7, evaluate_every=1)
    >>> [axes.get_title(loc="left") for axes in dgm.plot.curves(rbm, ["log_likelihood", "learning_rate"]).axes]
    ['log p, nats a row', 'learning rate']
    """
    told = history_of(history)
    if len(told) == 0:
        raise ValueError("history has 0 evaluations, allowed: 1 or more")
    known = [name for name in told.records[0] if name not in ("epoch", "step", "seconds")]
    known += sorted({name for record in told.records for name in record} - {*known, "epoch", "step", "seconds"})
    panels = _panels(known if figures is None else list(figures))
    panels = panels[:USUAL] if figures is None else panels
    columns = min(len(panels), 3 if len(panels) > 4 else 2)
    rows = math.ceil(len(panels) / columns)
    if figure is None:
        figure = _matplotlib().pyplot.figure(figsize=(4.1 * columns, 2.6 * rows), layout="constrained")
    epochs = told["epoch"]
    for place, (title, names) in enumerate(panels):
        ax = figure.add_subplot(rows, columns, place + 1)
        for name, colour in zip(names, (MAIN, SECOND, MUTED), strict=False):
            _curve(ax, epochs, told[name], name, colour, len(names) > 1)
        _frame(ax, title)
        ax.margins(x=0.02)
        ax.xaxis.set_major_locator(_matplotlib().ticker.MaxNLocator(6, integer=True, min_n_ticks=1))
        if len(names) > 1:
            ax.legend(frameon=False, fontsize=8, labelcolor=INK, handlelength=1.4, borderaxespad=0.2)
    figure.supxlabel("epoch", color=MUTED, fontsize=9)
    return figure


def intervals(
    reports: Mapping[str, Report | Estimate],
    *,
    ax: Axes | None = None,
    title: str = "Mean log p of a row, nats",
) -> Axes:
    """Draw the likelihoods of models with their intervals. An end that no theorem closes is an arrow.

    Parameters
    ----------
    reports : mapping of str to Report or Estimate
        What `evaluate` and `log_partition` return, by the names to draw, from top to bottom.
    ax : Axes, optional
        Where to draw; a new figure by default.
    title : str

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import dgm.plot, math, pytest
    >>> pytest.importorskip("matplotlib").use("agg")
    >>> bound = dgm.Estimate(-21.5, -21.7, math.inf, "lower", "importance")
    >>> axes = dgm.plot.intervals({"RBM": dgm.Estimate(-20.0, -20.0, -20.0, "exact", "enumeration"), "SBN": bound})
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['RBM', 'SBN']
    """
    if not reports:
        raise ValueError("reports has 0 entries, allowed: 1 or more")
    found = {name: part.mean_log_prob if isinstance(part, Report) else part for name, part in reports.items()}
    ends = [end for part in found.values() for end in (part.value, part.low, part.high) if math.isfinite(end)]
    span = (max(ends) - min(ends)) or max(abs(ends[0]) * 0.01, 1.0)
    ax = _axes(ax, (7.2, 1.1 + 0.52 * len(found)))
    for place, part in enumerate(found.values()):
        _interval(ax, part, place, 0.09 * span)
        _number(ax, part, place, (part.value - min(ends)) / span)
    ax.set_yticks(range(len(found)), list(found))
    ax.set_ylim(len(found) - 0.4, -0.7)
    opened = [math.isinf(part.low) for part in found.values()], [math.isinf(part.high) for part in found.values()]
    low, high = (0.16 if any(side) else 0.06 for side in opened)
    ax.set_xlim(min(ends) - low * span, max(ends) + high * span)
    _frame(ax, title)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", labelcolor=INK, labelsize=10)
    ax.grid(axis="y", visible=False)
    return ax


def traces(diagnostics: Diagnostics, *, chains: int = 50, ax: Axes | None = None) -> Axes:
    """Draw the watched number of each chain over time, with what the diagnostics say in the title.

    Parameters
    ----------
    diagnostics : Diagnostics
        What `Chains.watch` returns, and `sample` with ``return_report=True``.
    chains : int
        The most chains to draw.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import dgm.plot, pytest
    >>> pytest.importorskip("matplotlib").use("agg")
    >>> rbm = dgm.RBM.fit(dgm.bars_and_stripes(3), hidden=8, epochs=5, batch_size=7)
    >>> axes = dgm.plot.traces(rbm.chains(4).watch(200))
    >>> len(axes.get_lines())
    5
    """
    values = np.asarray(diagnostics.traces)
    shown = values[: check_count(chains, "chains", 1)]
    sweeps = (np.arange(values.shape[1]) + 1) * diagnostics.interval
    ax = _axes(ax, (7.2, 3.0))
    for trace in shown:
        ax.plot(sweeps, trace, color=MAIN, lw=0.7, alpha=max(0.12, 0.8 / math.sqrt(len(shown))))
    ax.plot(sweeps, values.mean(axis=0), color=ALERT, lw=1.6, label=f"mean of {len(values)} chains")
    verdict = "mixed" if diagnostics.mixed else "not mixed"
    facts = f"split R-hat {diagnostics.split_r_hat:.3f} ({verdict}), ESS {diagnostics.ess:,.0f}"
    _frame(ax, f"{diagnostics.quantity[:1].upper()}{diagnostics.quantity[1:]}, nats: {facts}")
    ax.set_xlabel("sweep", color=MUTED, fontsize=9)
    ax.margins(x=0.01)
    ax.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper right")
    return ax


def history_of(source: History | Model | str | os.PathLike[str] | Sequence[Mapping[str, Any]]) -> History:
    """Return the history of a training: of a model, of a run's folder or ``metrics.jsonl``, or of records.

    Raises
    ------
    ValueError
        For a model without a history, and for a file that is no ``metrics.jsonl``.
    FileNotFoundError
        If there is no such file.
    """
    if isinstance(source, History):
        return source
    if isinstance(source, Model):
        if source.history is None:
            raise ValueError("the model has no history: it was not trained in this process")
        return source.history
    if not isinstance(source, (str, os.PathLike)):
        return History([dict(record) for record in source])
    path = Path(source)
    path = path / "metrics.jsonl" if path.is_dir() else path
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        known = all("epoch" in record and "step" in record for record in records)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no metrics.jsonl: {error}") from error
    if not known:
        raise ValueError(f"{path} is no metrics.jsonl: a line has no epoch or step")
    return History(records)


def _matplotlib() -> Any:
    try:
        import matplotlib
        import matplotlib.pyplot
        import matplotlib.ticker
    except ImportError as error:
        raise ImportError("dgm.plot needs matplotlib: pip install 'dgm[plot]'") from error
    return matplotlib


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    if ax is not None:
        return ax
    figure = _matplotlib().pyplot.figure(figsize=size, layout="constrained")
    return figure.add_subplot()  # type: ignore[no-any-return]


def _size(picture: np.ndarray, longest: float, besides: tuple[float, float]) -> tuple[float, float]:
    """Return the size of a figure for a picture with a longest side, and room besides it and above, in inches."""
    height, width = picture.shape
    scale = longest / max(height, width)
    return max(width * scale + besides[0], 1.5), max(height * scale + besides[1], 0.7)


def _bare(ax: Axes, title: str) -> None:
    """Leave the picture and its title alone."""
    ax.set_axis_off()
    ax.set_title(title, loc="left", fontsize=10.5, color=INK)


def _frame(ax: Axes, title: str) -> None:
    """Give axes a quiet frame: a light grid, no box."""
    ax.set_title(title, loc="left", fontsize=10, color=INK)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(RULE)
    ax.grid(color=RULE, lw=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, labelsize=8.5, labelcolor=MUTED)


def _mosaic(rows: np.ndarray, shape: tuple[int, int] | None, columns: int | None) -> np.ndarray:
    """Return pictures side by side in one array, with NaN of one pixel between them."""
    height, width = picture_shape(rows.shape[1], shape)
    across = math.ceil(math.sqrt(len(rows) * height / width)) if columns is None else check_count(columns, "columns", 1)
    across = max(1, min(across, len(rows)))
    down = math.ceil(len(rows) / across)
    out = np.full((down * (height + 1) - 1, across * (width + 1) - 1), math.nan)
    for place, row in enumerate(rows):
        top, left = place // across * (height + 1), place % across * (width + 1)
        out[top : top + height, left : left + width] = row.reshape(height, width)
    return out


def picture_shape(units: int, shape: tuple[int, int] | None) -> tuple[int, int]:
    """Return the height and width of a row as a picture: those given, else a square, else one line.

    Raises
    ------
    ValueError
        For a shape that does not have as many pixels as there are units.
    """
    if shape is None:
        side = math.isqrt(units)
        return (side, side) if side * side == units else (1, units)
    height, width = (check_count(length, "shape", 1) for length in shape)
    if height * width != units:
        raise ValueError(f"shape is {height} x {width}, expected {units} pixels")
    return height, width


def _panels(names: list[str]) -> list[tuple[str, list[str]]]:
    """Return titles and figures of panels; figures of no known group have a panel each."""
    groups = [(title, [name for name in group if name in names]) for title, group in GROUPS]
    grouped = {name for _, group in GROUPS for name in group}
    others = [(name.replace("_", " "), [name]) for name in names if name not in grouped]
    return [(title, group) for title, group in groups if group] + others


def _curve(ax: Axes, epochs: np.ndarray, values: np.ndarray, name: str, colour: str, named: bool) -> None:
    has = np.isfinite(values)
    train = name.startswith("train_")
    label = ("training" if train else "validation") if _paired(name) else name.replace("_", " ")
    mark = "o" if has.sum() < 20 else None
    style = "--" if train else "-"
    ax.plot(
        epochs[has],
        values[has],
        style,
        color=colour,
        lw=1.6,
        marker=mark,
        markersize=3,
        label=label if named else None,
    )


def _paired(name: str) -> bool:
    """Return whether a figure is measured on validation and on training rows."""
    grouped = {figure for _, group in GROUPS for figure in group}
    return name.startswith("train_") or f"train_{name}" in grouped


def _interval(ax: Axes, part: Estimate, place: float, arrow: float) -> None:
    """Draw an estimate: a diamond if exact, else a dot with its interval; arrows lead out of open ends."""
    exact = part.side == "exact"
    for end, sign in ((part.low, -1), (part.high, 1)):
        if math.isinf(end):
            ax.annotate(
                "",
                xy=(part.value + sign * arrow, place),
                xytext=(part.value, place),
                arrowprops={"arrowstyle": "-|>", "color": MAIN, "lw": 1.6, "shrinkA": 0, "shrinkB": 0},
            )
        elif end != part.value:
            ax.plot([part.value, end], [place, place], color=MAIN, lw=1.6, solid_capstyle="butt")
            ax.plot([end, end], [place - 0.12, place + 0.12], color=MAIN, lw=1.6)
    ax.plot([part.value], [place], "D" if exact else "o", color=INK if exact else MAIN, markersize=6.5, zorder=3)


def _number(ax: Axes, part: Estimate, place: float, along: float) -> None:
    """Write an estimate above its dot, away from a near edge; ``along`` is 0 at the left and 1 at the right."""
    bounded = {"lower": ", a lower bound", "upper": ", an upper bound", "exact": ", exact"}
    text = f"{part.value:.2f}{bounded.get(part.side, '')}".replace("-", "\N{MINUS SIGN}")
    side, shift = ("left", -4) if along < 0.2 else ("right", 4) if along > 0.8 else ("center", 0)
    ax.annotate(
        text, (part.value, place), xytext=(shift, 8), textcoords="offset points", ha=side, fontsize=8, color=MUTED
    )
