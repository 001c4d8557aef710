"""A bar of tqdm for long computations, in terminals and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self


class Bar:
    """A bar that is shown only if it is wanted.

    Parameters
    ----------
    name : str
        What is being done.
    wanted : bool
        Whether to show it. It needs the package tqdm.
    """

    def __init__(self, name: str, wanted: bool) -> None:
        self._bar: Any = None
        if wanted:
            try:
                from tqdm.auto import tqdm
            except ImportError as error:
                raise ImportError("progress=True needs tqdm: pip install 'dgm[progress]'") from error
            self._bar = tqdm(total=0, desc=name)

    @property
    def call(self) -> Callable[[int, int], None] | None:
        """The function that the native part calls with steps done and all steps; None without a bar."""
        return None if self._bar is None else self.to

    def to(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def describe(self, text: str) -> None:
        """Say what is being done."""
        if self._bar is not None:
            self._bar.set_description(text)

    def figures(self, figures: Mapping[str, Any]) -> None:
        """Show the figures of an evaluation, and move the bar to its step."""
        if self._bar is not None:
            self.to(figures["step"], max(self._bar.total, figures["step"]))
            shown = ("log_likelihood", "estimated_log_likelihood", "elbo", "pseudo_log_likelihood", "error_rate")
            self._bar.set_postfix({name: f"{figures[name]:.3f}" for name in shown if name in figures})

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
