"""Markov chains as data of ArviZ, for its diagnostics and its plots.

Needs ArviZ: ``pip install 'dgm[arviz]'``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import check_count
from .models import Chains
from .progress import Bar
from .results import Diagnostics

if TYPE_CHECKING:
    import arviz
    import pandas

__all__ = ["summary", "to_inference_data"]

Traces = Chains | Diagnostics | Mapping[str, Any]
"""Chains to run, diagnostics with their traces, or arrays of shape [chains, draws, ...] by name."""


def to_inference_data(
    source: Traces,
    *,
    sweeps: int = 1000,
    thin: int = 1,
    warmup: int = 0,
    states: bool | Sequence[int] = False,
    progress: bool = False,
) -> arviz.InferenceData:
    """Return Markov chains as data of ArviZ.

    Group ``posterior`` has the number by which chains are watched, such as ``free_energy`` of an RBM, in nats. Group
    ``sample_stats`` has ``lp``, the log probability up to a constant, where that number is an energy, and, of chains
    that are run here, ``changed``: the share of visible units that differ from the draw before.

    Parameters
    ----------
    source : Chains, Diagnostics or mapping of str to array of shape [chains, draws, ...]
        Chains are run, and go on where they stopped. The traces of diagnostics are taken as they are. A mapping names
        traces of any other origin.
    sweeps : int
        Sweeps that are recorded, of chains.
    thin : int
        Sweeps from one draw to the next, of chains.
    warmup : int
        Sweeps that are made first and left out, of chains.
    states : bool or sequence of int
        Visible units whose states are recorded as ``visible``, of shape [chains, draws, units]; True for all units.
    progress : bool
        Show a bar of tqdm, of chains.

    Returns
    -------
    arviz.InferenceData
        The attributes of ``posterior`` name the quantity and how it was drawn.

    Raises
    ------
    ValueError
        For traces without draws, unequal shapes, and units that there are not.
    ImportError
        Without ArviZ.

    Notes
    -----
    Chains have a stationary distribution only if all of them sample the same one. Chains with a clamp of several rows
    or with several classes do not: compare the draws of one row.

    Source: Kumar, Carroll, Hartikainen and Martin (2019), ArviZ, a unified library for exploratory analysis of Bayesian
    models in Python.

    Examples
    --------
    >>> import dgm, pytest
    >>> _ = pytest.importorskip("arviz")
    >>> from dgm.arviz import to_inference_data
    >>> rbm = dgm.RBM.fit(dgm.bars_and_stripes(2), hidden=3, epochs=5, batch_size=6, seed=1)
    >>> data = to_inference_data(rbm.chains(4, seed=1), sweeps=50, states=[0, 3])
    >>> dict(data.posterior.sizes)
    {'chain': 4, 'draw': 50, 'unit': 2}
    >>> sorted(data.posterior.data_vars), sorted(data.sample_stats.data_vars)
    (['free_energy', 'visible'], ['changed', 'lp'])
    """
    if isinstance(source, Chains):
        return _data(*_recorded(source, sweeps, thin, warmup, states, progress))
    if isinstance(source, Diagnostics):
        traces = {_name(source.quantity): np.asarray(source.traces)}
        return _data(traces, _log_probs(source.quantity, source.traces), _facts(source), None)
    if isinstance(source, Mapping):
        return _data({str(name): _trace(str(name), values) for name, values in source.items()}, {}, {}, None)
    raise ValueError(f"source is a {type(source).__name__}, allowed: Chains, Diagnostics, or a mapping of arrays")


def summary(source: Traces, *, var_names: Sequence[str] | None = None, **arguments: Any) -> pandas.DataFrame:
    """Return ArviZ's summary: mean, sd, interval, errors, bulk and tail ESS, and rank-normalised R-hat, unrounded.

    Parameters
    ----------
    source : Chains, Diagnostics or mapping of str to array
        As of `to_inference_data`.
    var_names : sequence of str, optional
        The quantities to summarise.
    **arguments
        As of `to_inference_data`.

    Returns
    -------
    pandas.DataFrame
        A row for each quantity; columns ``ess_bulk``, ``ess_tail``, ``r_hat`` and others.

    Notes
    -----
    `Diagnostics.split_r_hat` is ArviZ's ``rhat(method="split")``: equal up to rounding. `Diagnostics.ess` estimates
    what ArviZ's ``ess(method="mean")`` does, and the two agree as chains get long. They differ in three choices.

    - Autocovariances are divided by n - 1 here, as the variance is (equation 10 of the source), and by n in ArviZ.
    - The sum of autocorrelations ends with the last positive pair here. ArviZ adds the next term if it is positive.
    - The autocorrelation time is at least 1 / log10 of the draws of half a chain here, of all draws in ArviZ.

    Chains that never move count as one draw here, and in ArviZ as independent draws. `Diagnostics.ess_bulk`,
    ``ess_tail`` and ``r_hat`` are those of this table up to rounding.

    Source: Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), Rank-normalization, folding, and localization.

    Examples
    --------
    >>> import dgm, pytest
    >>> _ = pytest.importorskip("arviz")
    >>> from dgm.arviz import summary
    >>> rbm = dgm.RBM.fit(dgm.bars_and_stripes(2), hidden=3, epochs=5, batch_size=6, seed=1)
    >>> table = summary(rbm.chains(4, seed=1), sweeps=200)
    >>> bool(table.loc["free_energy", "r_hat"] < 1.05)
    True
    """
    package = _arviz()
    return package.summary(
        to_inference_data(source, **arguments),
        var_names=None if var_names is None else list(var_names),
        round_to="none",
    )


def _arviz() -> Any:
    try:
        import arviz
    except ImportError as error:
        raise ImportError("dgm.arviz needs ArviZ: pip install 'dgm[arviz]'") from error
    return arviz


def _data(
    traces: dict[str, np.ndarray], stats: dict[str, np.ndarray], facts: dict[str, Any], units: np.ndarray | None
) -> arviz.InferenceData:
    from . import __version__

    shapes = {name: values.shape[:2] for name, values in traces.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"traces have shapes {shapes}, expected the same chains and draws")
    data = _arviz().from_dict(
        posterior=traces,
        sample_stats=stats or None,
        coords=None if units is None else {"unit": units},
        dims=None if units is None else {"visible": ["unit"]},
        attrs={"inference_library": "dgm", "inference_library_version": __version__},
    )
    data.posterior.attrs.update(facts)
    return data  # type: ignore[no-any-return]


def _recorded(
    chains: Chains, sweeps: int, thin: int, warmup: int, states: bool | Sequence[int], progress: bool
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any], np.ndarray | None]:
    """Run chains, and return their traces, statistics, facts, and the units whose states are among the traces."""
    thin = check_count(thin, "thin", 1)
    draws = check_count(sweeps, "sweeps", 1) // thin
    if draws == 0:
        raise ValueError(f"sweeps is {sweeps}, allowed: {thin} (`thin`) or more")
    chains.advance(check_count(warmup, "warmup"))
    # A watched sweep ends all adaptation of temperatures, which draws must not see.
    chains.watch(1)
    last = chains.states
    units = _units(states, last.shape[1])
    quantities = np.empty((len(last), draws))
    changed = np.empty((len(last), draws))
    visible = None if units is None else np.empty((len(last), draws, len(units)), dtype=np.float32)
    with Bar("chains", progress) as bar:
        for draw in range(draws):
            chains.advance(thin)
            now = chains.states
            quantities[:, draw] = chains.quantities
            changed[:, draw] = (now != last).mean(axis=1)
            if visible is not None:
                visible[:, draw] = now[:, units]
            last = now
            bar.to(draw + 1, draws)
    traces: dict[str, np.ndarray] = {_name(chains.quantity): quantities}
    if visible is not None:
        traces["visible"] = visible
    stats = {"changed": changed, **_log_probs(chains.quantity, quantities)}
    return traces, stats, {"quantity": chains.quantity, "thin": thin, "warmup": warmup + 1}, units


def _units(states: bool | Sequence[int], count: int) -> np.ndarray | None:
    if states is False:
        return None
    if states is True:
        return np.arange(count)
    units = [check_count(unit, "states") for unit in states]
    if not units or max(units) >= count:
        raise ValueError(f"states is {list(states)}, allowed: units of 0 to {count - 1}")
    return np.array(units)


def _name(quantity: str) -> str:
    return quantity.replace(" ", "_")


def _log_probs(quantity: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return ``lp``, which ArviZ knows, for quantities that are log p up to sign and a constant."""
    if "energy" in quantity:
        return {"lp": -np.asarray(values)}
    return {"lp": np.asarray(values)} if quantity.startswith("log p") else {}


def _facts(found: Diagnostics) -> dict[str, Any]:
    names = ("quantity", "ess", "split_r_hat", "autocorrelation_time", "flips", "swap_acceptance")
    facts = {name: getattr(found, name) for name in names}
    return {"thin": found.interval, **{name: value for name, value in facts.items() if value is not None}}


def _trace(name: str, values: Any) -> np.ndarray:
    trace = np.asarray(values)
    if trace.ndim < 2 or 0 in trace.shape:
        raise ValueError(f"trace {name} has shape {trace.shape}, expected [chains, draws, ...] with 1 or more of each")
    return trace
