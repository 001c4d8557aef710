"""Forms of rows and settings that users have, and what becomes of values between 0 and 1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dgm
import numpy as np
import pytest

GREY = np.random.default_rng(3).random((6, 9))


def test_law_an_rbm_takes_grey_rows_as_they_are(rbm: dgm.RBM) -> None:
    expected = 1 / (1 + np.exp(-(GREY @ rbm.weights().T + rbm.bias(1))))
    (means,) = rbm.posterior_mean(GREY)
    np.testing.assert_allclose(means, expected, atol=1e-5)
    np.testing.assert_array_equal(rbm.posterior_mean(GREY[2:3])[0][0], means[2])
    levels = (GREY * 255).astype(np.uint8)
    np.testing.assert_allclose(rbm.posterior_mean(levels)[0], expected, atol=0.01)


@pytest.mark.parametrize("method", ["free_energy", "pseudo_log_likelihood", "gibbs", "reconstruct"])
def test_rejects_grey_rows_where_states_are_needed(rbm: dgm.RBM, method: str) -> None:
    with pytest.raises(ValueError, match="other values than 0 and 1, allowed: zeros and ones"):
        getattr(rbm, method)(GREY)


def test_law_completions_have_one_scale(rbm: dgm.RBM) -> None:
    levels = (GREY * 255).astype(np.uint8)
    found = rbm.complete(levels, missing=np.arange(9) > 6)
    np.testing.assert_allclose(found[:, :7], levels[:, :7] / 255, atol=1e-6)
    assert found.max() <= 1


def test_law_missing_values_of_every_kind_are_completed(rbm: dgm.RBM, bars: np.ndarray) -> None:
    pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    missing = np.zeros(bars.shape, dtype=bool)
    missing[:, 4] = True
    expected = rbm.complete(bars, missing, seed=2)
    assert 0 < expected[:, 4].mean() < 1
    nan = np.where(missing, np.nan, bars)
    frame = pandas.DataFrame(bars).astype("Int64")
    frame.iloc[:, 4] = pandas.NA
    masked = np.ma.masked_array(bars, mask=missing)
    for form, mask in [(nan, None), (frame, None), (masked, None), (sparse.csr_array(bars), missing)]:
        np.testing.assert_array_equal(rbm.complete(form, mask, seed=2), expected)
    for form in (frame, masked):
        with pytest.raises(ValueError, match="X has NaN at row 1, column 5; only `complete` takes missing values"):
            dgm.RBM.fit(form, hidden=3, epochs=1)
    clamped = rbm.sample(4, clamp=sparse.csr_array(bars[:1]), steps=3)
    np.testing.assert_array_equal(clamped, np.repeat(bars[:1], 4, axis=0))


def test_law_faint_grey_levels_are_warned_of(bars: np.ndarray) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    stray = bars.copy()
    stray[0, 0] = 2
    for form in (stray, sparse.csr_array(stray)):
        with pytest.warns(UserWarning, match="X has values up to 2: uint8 values above 1 are grey levels"):
            dgm.RBM.fit(form, hidden=3, epochs=1)
    assert dgm.RBM.fit(bars * 200, hidden=3, epochs=1) == dgm.RBM.fit(sparse.csr_array(bars * 200), hidden=3, epochs=1)


def test_law_files_of_numpy_are_arrays_of_a_model(rbm: dgm.RBM, tmp_path: Path) -> None:
    rbm.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as file:
        assert dgm.RBM.from_arrays(file) == rbm
    with pytest.raises(ValueError, match="arrays is NoneType, allowed"):
        dgm.RBM.from_arrays(None)  # type: ignore[arg-type]


def test_law_one_layer_may_be_a_number_and_a_start_gives_the_layers(bars: np.ndarray) -> None:
    few = {"epochs": 1, "batch_size": 7}
    for cls in (dgm.SBN, dgm.DBM, dgm.DBN):
        assert cls.fit(bars, hidden=4, **few) == cls.fit(bars, hidden=[4], **few)
        first = cls.fit(bars, hidden=[4, 3], **few)
        if cls is not dgm.DBN:  # A network is extended by more layers.
            assert cls.fit(bars, start=first, **few).layers == [9, 4, 3]
    rbm = dgm.RBM.fit(bars, hidden=4, **few)
    assert dgm.RBM.fit(bars, start=rbm, **few).layers == [9, 4]
    with pytest.raises(ValueError, match="start: .* rbm, expected"):
        dgm.SBN.fit(bars, start=rbm, hidden=[4], **few)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hiden": 3}, "unknown field `hiden`.*`hidden`.*other arguments of fit: X_val, .*n_threads"),
        ({"stop_on": True}, "stop_on is True"),
        ({"y_val": [1]}, "y_val is given, allowed: together with X_val and y"),
        ({"image": [3, 4]}, "image"),
    ],
)
def test_rejects_arguments_by_name(bars: np.ndarray, arguments: dict[str, object], message: str) -> None:
    for cls in (dgm.RBM, dgm.DBN):
        with pytest.raises(ValueError, match=message):
            cls.fit(bars, **arguments)  # type: ignore[arg-type]


def test_rejects_labels_that_a_model_has_no_units_for(bars: np.ndarray) -> None:
    for cls in (dgm.SBN, dgm.DBM):
        with pytest.raises(ValueError, match=f"y is given, allowed: None for {cls.__name__}"):
            cls.fit(bars, np.zeros(14, dtype=int), hidden=[3])


def test_rejects_clamped_rows_of_another_number(rbm: dgm.RBM, bars: np.ndarray) -> None:
    with pytest.raises(ValueError, match="clamp has 2 rows, allowed: 1 or 5"):
        rbm.sample(5, clamp=bars[:2])
    with pytest.raises(ValueError, match="layer is 1, allowed: 0 to 0"):
        rbm.weights(1)


def test_rejects_a_number_of_threads_that_is_none() -> None:
    code = "import dgm; dgm.RBM.fit(dgm.bars_and_stripes(2), hidden=2, epochs=1)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "DGM_NUM_THREADS": "no"}
    )
    assert done.returncode == 1 and "DGM_NUM_THREADS is no, allowed: 1 to 1024" in done.stderr
