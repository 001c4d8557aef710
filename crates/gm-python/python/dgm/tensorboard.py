"""Runs and histories as event files of TensorBoard, written without TensorFlow or PyTorch.

Needs TensorBoard: ``pip install 'dgm[tensorboard]'``.
"""

from __future__ import annotations

import math
import os
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .models import GenerativeModel, Model
from .plot import history_of, picture_shape
from .results import History

__all__ = ["log_to_tensorboard"]

PICTURES = 64
"""The most samples and the most hidden units in a picture."""


def log_to_tensorboard(
    run: str | os.PathLike[str] | History | Model,
    logdir: str | os.PathLike[str],
    *,
    image: tuple[int, int] | None = None,
) -> Path:
    """Write the figures of a training as scalars of TensorBoard, by the number of updates.

    Parameters
    ----------
    run : path, History or Model
        The folder of a run of ``dgm train``: its ``metrics.jsonl`` becomes scalars, its pictures (``samples/``,
        ``filters.png``, ``curves.png``) become images, and ``config.toml`` becomes text. A history, or a model that was
        trained in this process, gives its figures.
    logdir : path
        The folder of the event file; it is made if it does not exist. Each call adds a file.
    image : (int, int), optional
        Height and width of a row as a picture. With it, a model also gives pictures of 64 samples and of its weights.

    Returns
    -------
    Path
        ``logdir``, for ``tensorboard --logdir``.

    Raises
    ------
    FileNotFoundError
        If the run has no ``metrics.jsonl``.
    ValueError
        For a model without a history, and a shape that does not fit its units.
    ImportError
        Without TensorBoard.

    Notes
    -----
    The tags are the names of ``metrics.jsonl`` in three groups: ``validation/log_likelihood`` is of validation rows,
    ``training/log_likelihood`` is ``train_log_likelihood``, and ``course/`` has all that is not of rows, such as the
    learning rate. Figures that are not finite are left out.

    Examples
    --------
    >>> import dgm, pytest, tempfile
    >>> _ = pytest.importorskip("tensorboard")
    >>> from dgm.tensorboard import log_to_tensorboard
    >>> rbm = dgm.RBM.fit(dgm.bars_and_stripes(3), hidden=8, epochs=5, batch_size=7, evaluate_every=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(list(log_to_tensorboard(rbm, folder, image=(3, 3)).glob("events.out.tfevents.*")))
    1
    """
    history = history_of(run)
    pictures = list(_pictures_of_model(run, image)) if isinstance(run, Model) and image is not None else []
    texts = []
    if isinstance(run, (str, os.PathLike)) and Path(run).is_dir():
        pictures = list(_pictures_of_run(Path(run)))
        texts = [(path.name, path.read_text(encoding="utf-8")) for path in [Path(run) / "config.toml"] if path.exists()]
    last = history.records[-1]["step"] if history.records else 0
    ended = _ended(run)
    writer = _Writer(logdir)
    try:
        for name, text in texts:
            writer.text(name, text, ended)
        for record in history.records:
            at = ended - history.records[-1]["seconds"] + record["seconds"]
            writer.scalars(_scalars(record), record["step"], at)
        for name, content in pictures:
            writer.picture(name, content, last, ended)
    finally:
        writer.close()
    return Path(logdir)


def _ended(run: Any) -> float:
    """Return when training ended, in seconds since 1970: now, or when the run was written last."""
    if not isinstance(run, (str, os.PathLike)):
        return time.time()
    path = Path(run)
    return (path / "metrics.jsonl" if path.is_dir() else path).stat().st_mtime


ROWS = ("likelihood", "elbo", "importance_weighted", "error_rate", "cross_entropy", "reconstruction", "squared_error")


def _scalars(record: dict[str, Any]) -> dict[str, float]:
    """Return the finite figures of an evaluation by their tags."""
    out = {}
    for name, value in record.items():
        if name == "step" or value is None or not math.isfinite(value):
            continue
        if name.startswith("train_"):
            out[f"training/{name.removeprefix('train_')}"] = float(value)
        elif name.endswith(ROWS):
            out[f"validation/{name}"] = float(value)
        else:
            out[f"course/{name}"] = float(value)
    return out


def _pictures_of_run(run: Path) -> Iterator[tuple[str, bytes]]:
    for path in [*sorted((run / "samples").glob("*.png")), run / "filters.png", run / "curves.png"]:
        if path.exists():
            yield path.relative_to(run).with_suffix("").as_posix(), path.read_bytes()


def _pictures_of_model(model: Model, image: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    if isinstance(model, GenerativeModel):
        shape = picture_shape(model.n_features, image)
        yield "samples", _png(1 - _grid(model.sample(PICTURES, means=True, seed=0), shape))
    weights = np.asarray(model.weights(0))
    shape = picture_shape(weights.shape[1], image)
    shown = weights[np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[:PICTURES]]
    yield "filters", _png(_grid(0.5 + shown / (2 * (np.abs(shown).max() or 1.0)), shape, gap=1.0))


def _grid(rows: np.ndarray, shape: tuple[int, int], *, scale: int = 4, gap: float = 0.5) -> np.ndarray:
    """Return pictures with values of 0 to 1 side by side, magnified, with a line between them."""
    height, width = shape
    across = math.ceil(math.sqrt(len(rows)))
    down = math.ceil(len(rows) / across)
    out = np.full((down * (height * scale + 1) - 1, across * (width * scale + 1) - 1), gap)
    for place, row in enumerate(rows):
        top, left = place // across * (height * scale + 1), place % across * (width * scale + 1)
        out[top : top + height * scale, left : left + width * scale] = np.kron(
            row.reshape(shape), np.ones((scale, scale))
        )
    return out


def _png(values: np.ndarray) -> bytes:
    """Return an array with values of 0 to 1 as a PNG of 8 grey bits."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    grey = np.clip(np.round(values * 255), 0, 255).astype(np.uint8)
    lines = np.hstack([np.zeros((len(grey), 1), np.uint8), grey]).tobytes()
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


class _Writer:
    """An event file of TensorBoard."""

    def __init__(self, logdir: str | os.PathLike[str]) -> None:
        try:
            from tensorboard.compat.proto import (
                event_pb2,
                summary_pb2,
                tensor_pb2,
                types_pb2,
            )
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise ImportError("log_to_tensorboard needs TensorBoard: pip install 'dgm[tensorboard]'") from error
        self._events, self._summaries, self._tensors, self._types = event_pb2, summary_pb2, tensor_pb2, types_pb2
        self._file = EventFileWriter(os.fspath(logdir))

    def _add(self, values: list[Any], step: int, at: float) -> None:
        summary = self._summaries.Summary(value=values)
        self._file.add_event(self._events.Event(wall_time=at, step=step, summary=summary))

    def scalars(self, figures: dict[str, float], step: int, at: float) -> None:
        """Add figures by their tags."""
        values = [self._summaries.Summary.Value(tag=tag, simple_value=value) for tag, value in figures.items()]
        self._add(values, step, at)

    def picture(self, tag: str, content: bytes, step: int, at: float) -> None:
        """Add a PNG."""
        width, height = struct.unpack(">II", content[16:24])
        image = self._summaries.Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=content)
        self._add([self._summaries.Summary.Value(tag=tag, image=image)], step, at)

    def text(self, tag: str, text: str, at: float) -> None:
        """Add text, shown as it is."""
        quoted = "".join(f"    {line}\n" for line in text.splitlines())
        data = self._summaries.SummaryMetadata.PluginData(plugin_name="text")
        metadata = self._summaries.SummaryMetadata(plugin_data=data)
        tensor = self._tensors.TensorProto(dtype=self._types.DT_STRING, string_val=[quoted.encode()])
        self._add([self._summaries.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)], 0, at)

    def close(self) -> None:
        """Write what is left, and close the file."""
        self._file.close()
