"""The native part of the package. Rows are arrays in C order, or (indptr, indices, units) of a CSR matrix of ones."""

import os
from collections.abc import Callable
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

_Rows: TypeAlias = (
    NDArray[np.bool_] | NDArray[np.uint8] | NDArray[np.float32] | tuple[NDArray[np.int64], NDArray[np.int64], int]
)
_Progress: TypeAlias = Callable[[int, int], None] | None

__version__: str

class DivergedError(RuntimeError): ...
class ModelFileError(ValueError): ...

@final
class Model:
    @staticmethod
    def load(path: str | os.PathLike[str]) -> Model: ...
    def save(self, path: str | os.PathLike[str]) -> None: ...
    @staticmethod
    def from_bytes(content: bytes, format: str) -> Model: ...
    def to_bytes(self, format: str) -> bytes: ...
    @property
    def kind(self) -> str: ...
    @property
    def layers(self) -> list[int]: ...
    @property
    def visible_kind(self) -> str: ...
    @property
    def features(self) -> int: ...
    @property
    def classes(self) -> int: ...
    def weights(self, l: int) -> NDArray[np.float32]: ...
    def bias(self, l: int) -> NDArray[np.float32]: ...
    def convert(self, to: str) -> Model: ...
    def gauged(self, gauge: str) -> Model: ...
    def contacts(self, rows: _Rows, ignored: int | None = None, threads: int | None = None) -> NDArray[np.float32]: ...
    def sample(
        self,
        count: int,
        options: dict[str, Any],
        *,
        means: bool = False,
        chains: int | None = None,
        steps: int | None = None,
        thin: int | None = None,
        seed: int = 0,
        threads: int | None = None,
        progress: _Progress = None,
    ) -> tuple[NDArray[np.float32], dict[str, Any]]: ...
    def chains(self, count: int, options: dict[str, Any], seed: int, threads: int | None) -> Chains: ...
    def gibbs(self, rows: _Rows, sweeps: int, *, seed: int = 0, threads: int | None = None) -> NDArray[np.float32]: ...
    def evaluate(
        self,
        rows: _Rows,
        options: dict[str, Any],
        *,
        binarise: str | None = None,
        train: _Rows | None = None,
        threads: int | None = None,
        progress: _Progress = None,
    ) -> tuple[dict[str, Any], NDArray[np.float64], str]: ...
    def log_partition(
        self, options: dict[str, Any], *, threads: int | None = None, progress: _Progress = None
    ) -> dict[str, Any] | None: ...
    def posterior_mean(
        self,
        rows: _Rows,
        *,
        method: str | None = None,
        samples: int = 200,
        steps: int = 100,
        seed: int = 0,
        threads: int | None = None,
        progress: _Progress = None,
    ) -> tuple[list[NDArray[np.float32]], str, float | None]: ...
    def complete(
        self,
        rows: _Rows,
        missing: _Rows,
        *,
        method: str | None = None,
        steps: int | None = None,
        chains: int = 10,
        seed: int = 0,
        threads: int | None = None,
        progress: _Progress = None,
    ) -> tuple[NDArray[np.float32], str, int]: ...
    def reconstruct(self, rows: _Rows, *, seed: int = 0, threads: int | None = None) -> NDArray[np.float32]: ...
    def free_energy(self, rows: _Rows, *, threads: int | None = None) -> NDArray[np.float64]: ...
    def pseudo_log_likelihood(
        self, rows: _Rows, *, stochastic: bool = False, seed: int = 0, threads: int | None = None
    ) -> NDArray[np.float64]: ...
    def log_class_probs(self, rows: _Rows, *, threads: int | None = None) -> NDArray[np.float32]: ...

@final
class Chains:
    def advance(self, sweeps: int) -> float: ...
    def watch(self, sweeps: int) -> dict[str, Any] | None: ...
    @property
    def states(self) -> NDArray[np.float32]: ...
    @property
    def means(self) -> NDArray[np.float32]: ...
    @property
    def quantities(self) -> NDArray[np.float64]: ...
    @property
    def quantity(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def swaps(self) -> list[float] | None: ...

def fit_model(
    kind: str,
    rows: _Rows,
    settings: dict[str, Any],
    *,
    labels: list[int] | None = None,
    weights: NDArray[np.float32] | None = None,
    valid: _Rows | None = None,
    valid_labels: list[int] | None = None,
    image: tuple[int, int] | None = None,
    binarise: str | None = None,
    monitor: dict[str, Any] | None = None,
    start: Model | None = None,
    seed: int = 0,
    shards: int = 1,
    threads: int | None = None,
    event: Callable[[str], bool] | None = None,
    reports: bool = True,
) -> tuple[Model, dict[str, Any], list[dict[str, Any]], BaseException | None]: ...
def default_settings(kind: str) -> dict[str, Any]: ...
def default_evaluation() -> dict[str, Any]: ...
def shut_down() -> None: ...
def program(words: list[str]) -> int: ...
def effective_sample_size(chains: list[list[float]]) -> float: ...
def split_r_hat(chains: list[list[float]]) -> float: ...
