"""Pruning of trials by Optuna while a model trains.

Needs Optuna: ``pip install 'dgm[optuna]'``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

__all__ = ["PruningCallback"]


class PruningCallback:
    """Report a figure of each evaluation to Optuna, and end a trial that is to be pruned.

    Pass it as ``callback=`` of ``fit``. The study must be created with the direction of the figure: ``maximize`` for
    log-likelihoods and pseudo-log-likelihoods, ``minimize`` for ``reconstruction`` and error rates.

    Parameters
    ----------
    trial : optuna.trial.Trial
        The trial that the objective was called with.
    figure : str
        A figure of validation rows, by its name in ``history`` and ``metrics.jsonl``.

    Attributes
    ----------
    last : float
        The last value that was reported; NaN before the first.

    Raises
    ------
    optuna.TrialPruned
        Out of ``fit``, if the pruner of the study says so. Its attribute ``model`` is the model trained so far.
    ValueError
        If an evaluation does not have the figure; the message lists those that it has.

    Examples
    --------
    >>> import dgm, pytest
    >>> optuna = pytest.importorskip("optuna")
    >>> from dgm.optuna import PruningCallback
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> X = dgm.bars_and_stripes(3)
    >>> def objective(trial):
    ...     rate = trial.suggest_float("learning_rate", 0.01, 1.0, log=True)
    ...     callback = PruningCallback(trial)
    ...     rbm = dgm.RBM.fit(X, hidden=8, epochs=20, batch_size=7, learning_rate=rate, callback=callback)
    ...     return rbm.log_prob(X).mean()
    >>> study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    >>> study.optimize(objective, n_trials=3)
    >>> len(study.trials)
    3
    """

    def __init__(self, trial: optuna.trial.Trial, figure: str = "pseudo_log_likelihood") -> None:
        self.trial = trial
        self.figure = figure
        self.last = math.nan

    def __call__(self, figures: Mapping[str, Any]) -> bool:
        """Report the figure at its epoch. Return False: a trial is ended by the exception."""
        if self.figure not in figures:
            known = ", ".join(sorted(set(figures) - {"epoch", "step", "seconds"}))
            raise ValueError(f"figure is {self.figure!r}, which this training does not have; known: {known}")
        value, epoch = figures[self.figure], int(figures["epoch"])
        self.last = math.nan if value is None else float(value)
        self.trial.report(self.last, epoch)
        if self.trial.should_prune():
            from optuna import TrialPruned

            raise TrialPruned(f"{self.figure} is {self.last:.4f} after epoch {epoch}")
        return False
