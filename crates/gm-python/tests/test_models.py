"""Models against enumeration in NumPy, and against the program."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import dgm
import numpy as np
import pytest
from conftest import states

KINDS = [dgm.RBM, dgm.SBN, dgm.DBM, dgm.DBN]
HIDDEN = {"rbm": 4, "sbn": [4, 3], "dbm": [4, 3], "dbn": [4, 3]}


def random_arrays(layers: list[int], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = {f"bias.{layer}": rng.normal(size=units) for layer, units in enumerate(layers)}
    for layer, (below, above) in enumerate(zip(layers[:-1], layers[1:], strict=True)):
        arrays[f"weights.{layer}"] = rng.normal(size=(below, above))
    return {name: values.astype(np.float32) for name, values in arrays.items()}


def program(*words: str, cwd: Path | None = None) -> str:
    """Run the program that comes with the package, and return its standard output."""
    done = subprocess.run([sys.executable, "-m", "dgm", *words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def log_sum_exp(values: np.ndarray, axis: int) -> np.ndarray:
    high = values.max(axis=axis, keepdims=True)
    return np.log(np.exp(values - high).sum(axis=axis)) + high.squeeze(axis)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def rbm_scores(p: dict[str, np.ndarray], v: np.ndarray) -> np.ndarray:
    return v @ p["bias.0"] + softplus(v @ p["weights.0"] + p["bias.1"]).sum(axis=1)


def dbm_scores(p: dict[str, np.ndarray], v: np.ndarray) -> np.ndarray:
    h = states(len(p["bias.1"]))
    upper = h @ p["bias.1"] + softplus(h @ p["weights.1"] + p["bias.2"]).sum(axis=1)
    return v @ p["bias.0"] + log_sum_exp(v @ p["weights.0"] @ h.T + upper, axis=1)


def directed_log_prob(p: dict[str, np.ndarray], v: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
    """log p(v) of a directed layer below hidden states with these log probabilities."""
    h = states(len(p["bias.1"]))
    inputs = h @ p["weights.0"].T + p["bias.0"]
    log_p = v @ inputs.T - softplus(inputs).sum(axis=1)
    return log_sum_exp(log_p + log_prior, axis=1)


def test_law_log_prob_is_that_of_enumeration() -> None:
    layers, rows = [5, 4, 3], states(5)
    for seed in range(3):
        p = random_arrays(layers, seed)
        of_rbm = {name: p[name] for name in ("bias.0", "bias.1", "weights.0")}
        model = dgm.RBM.from_arrays(of_rbm)
        scores = rbm_scores(of_rbm, rows)
        np.testing.assert_allclose(model.log_prob(rows), scores - log_sum_exp(scores, 0), atol=1e-5)
        np.testing.assert_allclose(model.free_energy(rows), -scores, atol=1e-5)
        log_z = model.log_partition()
        assert log_z.side == "exact" and abs(log_z.value - log_sum_exp(scores, 0)) < 1e-5
        flipped = [rbm_scores(of_rbm, np.abs(rows - np.eye(5)[unit])) for unit in range(5)]
        pseudo = sum(scores - np.logaddexp(scores, other) for other in flipped)
        np.testing.assert_allclose(model.pseudo_log_likelihood(rows), pseudo, atol=1e-5)
        scores = dbm_scores(p, rows)
        np.testing.assert_allclose(dgm.DBM.from_arrays(p).log_prob(rows), scores - log_sum_exp(scores, 0), atol=1e-5)
        h1, h2 = states(4), states(3)
        top = h1 @ p["bias.1"] + softplus(h1 @ p["weights.1"] + p["bias.2"]).sum(axis=1)
        expected = directed_log_prob(p, rows, top - log_sum_exp(top, 0))
        np.testing.assert_allclose(dgm.DBN.from_arrays(p).log_prob(rows), expected, atol=1e-5)
        inputs = h2 @ p["weights.1"].T + p["bias.1"]
        log_h1 = h1 @ inputs.T - softplus(inputs).sum(axis=1)
        log_prior = log_sum_exp(log_h1 + h2 @ p["bias.2"] - softplus(p["bias.2"]).sum(), axis=1)
        expected = directed_log_prob(p, rows, log_prior)
        sbn = dgm.SBN.from_arrays(p)
        np.testing.assert_allclose(sbn.log_prob(rows, exact="yes"), expected, atol=1e-5)
        assert sbn.log_partition() == dgm.Estimate(0.0, 0.0, 0.0, "exact", "normalised")


def test_law_posterior_means_of_an_rbm_are_sigmoids(rbm: dgm.RBM, bars: np.ndarray) -> None:
    (means,) = rbm.posterior_mean(bars)
    inputs = bars @ rbm.weights(0).T + rbm.bias(1)
    np.testing.assert_allclose(means, 1 / (1 + np.exp(-inputs)), atol=1e-5)


@pytest.mark.parametrize("kind", ["dbm", "dbn", "sbn"])
def test_stat_posterior_means_by_gibbs_are_near_the_exact_ones(kind: str, bars: np.ndarray) -> None:
    model = dgm.fit(kind, bars, hidden=HIDDEN[kind], epochs=60, batch_size=7, seed=2)
    exact = np.hstack(model.posterior_mean(bars, method="exact"))
    drawn = np.hstack(model.posterior_mean(bars, method="gibbs", steps=4000, seed=3))
    assert exact.shape == (14, 7) and np.abs(exact - drawn).max() < 0.12


def test_stat_completion_is_the_conditional_mean() -> None:
    p = {name: values for name, values in random_arrays([5, 4], 7).items()}
    rbm = dgm.RBM.from_arrays(p)
    rows = np.array([[0, 1, np.nan, np.nan, 1], [1, 1, 0, np.nan, 0]])
    all_states = states(5)
    expected = rows.copy()
    for row, known in zip(expected, ~np.isnan(rows), strict=True):
        fitting = all_states[(all_states[:, known] == row[known]).all(axis=1)]
        weights = np.exp(rbm_scores(p, fitting))
        row[~known] = (weights @ fitting / weights.sum())[~known]
    found = rbm.complete(rows, chains=200, steps=2000, seed=5)
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert (found[~np.isnan(rows)] == rows[~np.isnan(rows)]).all()


def test_stat_samples_have_the_means_of_the_model() -> None:
    p = random_arrays([5, 4], 9)
    rbm = dgm.RBM.from_arrays(p)
    probabilities = np.exp(rbm.log_prob(states(5)))
    means = probabilities @ states(5)
    drawn, report = rbm.sample(20_000, steps=200, return_report=True)
    np.testing.assert_allclose(drawn.mean(axis=0), means, atol=0.025)
    assert report["method"] == "block Gibbs sampling" and report["chains"] == 20_000
    moved = rbm.gibbs(drawn, 3, seed=4)
    np.testing.assert_allclose(moved.mean(axis=0), means, atol=0.025)
    chains = rbm.chains(2_000, method="tempering", temperatures=4, seed=2)
    found = chains.watch(200)
    assert found is not None and found.mixed and found.traces.shape == (2_000, 100)
    assert len(chains.swap_acceptance or []) == 3 and chains.quantity == "free energy"
    np.testing.assert_allclose(chains.means.mean(axis=0), means, atol=0.05)
    clamped = rbm.sample(50, clamp=[[1, np.nan, np.nan, np.nan, 0]], steps=20)
    assert (clamped[:, 0] == 1).all() and (clamped[:, 4] == 0).all() and clamped[:, 1:4].std() > 0


@pytest.mark.parametrize(
    ("kind", "shards"), [(kind, 1) for kind in [*HIDDEN, "classifier"]] + [(kind, 2) for kind in HIDDEN]
)
def test_law_training_gives_the_bits_of_the_program(kind: str, shards: int, bars: np.ndarray, tmp_path: Path) -> None:
    hidden = {**HIDDEN, "classifier": [4]}[kind]
    labels = (bars.sum(axis=1) > 4).astype(np.uint8)
    named = {"train": bars, "valid": bars[:5], "test": bars[:5]}
    for name, rows in named.items():
        taken = labels[: len(rows), None] if kind == "classifier" else np.zeros((len(rows), 0), dtype=np.uint8)
        header = [f"x{unit}" for unit in range(9)] + ["label"] * taken.shape[1]
        lines = [",".join(map(str, line)) for line in [header, *np.hstack([rows, taken]).tolist()]]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "config.toml").write_text(
        f"seed = 11\nshards = {shards}\n[data]\nspec = '{tmp_path}/train.csv'\n"
        f"valid = '{tmp_path}/valid.csv'\ntest = '{tmp_path}/test.csv'\n"
        f"[model]\nkind = '{kind}'\nhidden = {hidden}\nepochs = 9\nbatch_size = 5\n"
    )
    program("train", "--config", "config.toml", "--out", "run", "--no-report", "--quiet", cwd=tmp_path)
    expected = dgm.load(tmp_path / "run" / "model.gm").to_arrays()
    for threads in (1, 2):
        y = labels if kind == "classifier" else None
        model = dgm.fit(kind, bars, y, hidden=hidden, epochs=9, batch_size=5, seed=11, shards=shards, n_threads=threads)
        found = model.to_arrays()
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_law_reports_are_those_of_the_program(rbm: dgm.RBM, bars: np.ndarray, tmp_path: Path) -> None:
    rbm.save(tmp_path / "model.gm")
    np.save(tmp_path / "rows.npy", bars)
    line = ["eval", "model.gm", "--data", "rows.npy", "--split", "all", "--json", "--ais-temperatures", "500"]
    expected = json.loads(program(*line, cwd=tmp_path))
    report = rbm.evaluate(bars, exact="no", temperatures=500)
    assert set(report.fields) - {"free_energy_gap"} == set(expected) - {"free_energy_gap"}
    assert abs(report.log_partition.value - expected["log_partition"]["value"]) < 0.05
    assert report.low <= report.value <= report.high and report.side == "estimate"
    assert abs(report.value - rbm.evaluate(bars).value) < 0.05
    trained = rbm.evaluate(bars, X_train=bars[:7], exact="no", temperatures=500)
    assert abs(trained.value - report.value) < 0.05 and np.isfinite(trained["free_energy_gap"])
    assert "<table>" in report._repr_html_() and "mean log p" in str(report)


@pytest.mark.parametrize("cls", KINDS)
def test_law_models_survive_files_pickle_and_copies(cls: type[dgm.Model], bars: np.ndarray, tmp_path: Path) -> None:
    model = cls.fit(bars, hidden=HIDDEN[cls.kind], epochs=2, batch_size=7)
    for ending in ("gm", "npz", "safetensors", "json"):
        path = tmp_path / f"model.{ending}"
        model.save(path)
        assert dgm.load(path) == model and cls.load(path) == model
    assert pickle.loads(pickle.dumps(model)) == model and copy.deepcopy(model) == model
    assert pickle.loads(pickle.dumps(model)).history == model.history
    arrays = model.to_arrays()
    again = cls.from_arrays(arrays).to_arrays()
    assert arrays.keys() == again.keys() and all((arrays[name] == again[name]).all() for name in arrays)
    assert model.layers == [9, *np.atleast_1d(HIDDEN[cls.kind])] and model.n_features == 9
    assert repr(model).startswith(f"<dgm.{cls.__name__} 9-4")


def test_law_every_form_of_the_same_rows_gives_the_same_bits(bars: np.ndarray) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    pandas = pytest.importorskip("pandas")
    settings = {"hidden": 4, "epochs": 3, "batch_size": 5, "seed": 3}
    expected = dgm.RBM.fit(bars, **settings)
    read_only = bars.copy()
    read_only.flags.writeable = False
    forms = [bars.astype(kind) for kind in (bool, np.int8, np.int64, np.float16, np.float32, np.float64)]
    forms += [np.asfortranarray(bars), bars[::-1][::-1], read_only, bars.tolist(), pandas.DataFrame(bars)]
    forms += [kind(bars) for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array, sparse.csr_array)]
    for form in forms:
        assert dgm.RBM.fit(form, **settings) == expected, type(form)
    assert dgm.RBM.fit(bars * 2.0 + 1, binarize=2, **settings) == expected
    assert dgm.RBM.fit(sparse.csr_array(bars * 3.0), binarize=1.5, **settings) == expected


def test_law_grey_levels_are_drawn_or_compared() -> None:
    grey = np.random.default_rng(1).integers(0, 256, size=(40, 9), dtype=np.uint8)
    settings = {"hidden": 4, "epochs": 3, "batch_size": 5, "seed": 3}
    drawn = dgm.RBM.fit(grey, **settings)
    assert drawn == dgm.RBM.fit(grey, binarize="dynamic", **settings)
    assert drawn != dgm.RBM.fit(grey, binarize="fixed:1", **settings)
    above = dgm.RBM.fit((grey > 127).astype(np.uint8), **settings)
    assert (
        above == dgm.RBM.fit(grey, binarize=127, **settings) == dgm.RBM.fit(grey, binarize="threshold:0.5", **settings)
    )


def test_law_gaussian_and_softmax_units_take_their_numbers() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(3, 2, size=(200, 4))
    rbm = dgm.RBM.fit(X, hidden=3, epochs=20, visible="gaussian", learning_rate=0.01, seed=1)
    assert rbm.visible_kind == "gaussian" and np.isfinite(rbm.log_prob(X)).all()
    assert abs(rbm.sample(2_000, steps=50).mean() - 3) < 0.3
    categories = rng.integers(0, 3, size=(100, 4))
    potts = dgm.RBM.fit(categories, hidden=3, epochs=3, visible="softmax:3", seed=1)
    assert potts.visible_kind == "softmax:3" and potts.layers == [12, 3]
    assert potts.log_prob(categories).shape == (100,) and potts.n_features == 4
    drawn = potts.sample(10, steps=20)
    assert drawn.shape == (10, 4) and set(drawn.ravel()) <= {0, 1, 2}
    assert np.isfinite(potts.log_prob(drawn)).all()
    holes = categories[:5].astype(float)
    holes[:, 1] = np.nan
    filled = potts.complete(holes)
    assert set(filled.ravel()) <= {0, 1, 2} and (filled[:, [0, 2, 3]] == holes[:, [0, 2, 3]]).all()
    assert potts.gibbs(categories, 2).shape == (100, 4) and potts.chains(3).states.shape == (3, 4)
    gauged = potts.gauged("zero-sum")
    np.testing.assert_allclose(gauged.weights(0).T.reshape(4, 3, 3).sum(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(gauged.log_prob(categories), potts.log_prob(categories), atol=1e-5)
    contacts = potts.contacts(categories, ignored=0)
    assert contacts.shape == (4, 4) and (contacts == contacts.T).all() and (np.diag(contacts) == 0).all()
    for bad in [
        lambda: potts.gauged("reference:3"),
        lambda: potts.gauged("lattice"),
        lambda: rbm.gauged(),
        lambda: rbm.contacts(X),
        lambda: potts.contacts(categories, ignored=-1),
    ]:
        with pytest.raises(ValueError, match="allowed"):
            bad()


def test_law_labels_make_label_units(bars: np.ndarray) -> None:
    y = np.array([0] * 7 + [1] * 7)
    rbm = dgm.RBM.fit(bars, y, hidden=6, epochs=100, batch_size=7, seed=1)
    assert rbm.n_classes == 2 and rbm.n_features == 9
    np.testing.assert_allclose(np.exp(rbm.log_class_probs(bars)).sum(axis=1), 1, atol=1e-5)
    assert rbm.sample(6, classes=[0, 1], steps=5).shape == (6, 9)
    net = dgm.Classifier.fit(bars, y, hidden=[8], epochs=300, batch_size=7, start=None, seed=1)
    assert (net.predict(bars) == y).mean() > 0.8


def test_law_callbacks_see_figures_and_end_training(bars: np.ndarray) -> None:
    seen: list[dict[str, float]] = []

    def stop(figures: dict[str, float]) -> bool:
        seen.append(figures)
        return figures["epoch"] == 3

    rbm = dgm.RBM.fit(bars, hidden=4, epochs=10, batch_size=7, callback=stop)
    assert [figures["epoch"] for figures in seen] == [1, 2, 3] and "log_likelihood" in seen[0]
    assert rbm.history is not None and rbm.history.interrupted
    assert rbm == dgm.RBM.fit(bars, hidden=4, epochs=10, batch_size=7, callback=stop)
    np.testing.assert_array_equal(rbm.history["epoch"], [1, 2, 3])
    with pytest.raises(KeyError, match="no figure of this training; known: .*log_likelihood"):
        rbm.history["accuracy"]

    def fail(figures: dict[str, float]) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more") as caught:
        dgm.RBM.fit(bars, hidden=4, epochs=10, batch_size=7, callback=fail)
    assert isinstance(caught.value.model, dgm.RBM)  # type: ignore[attr-defined]


def test_law_early_stopping_keeps_the_best_epoch(bars: np.ndarray) -> None:
    rbm = dgm.RBM.fit(
        bars,
        hidden=6,
        epochs=4_000,
        batch_size=7,
        learning_rate=0.5,
        X_val=bars[:3],
        stop_on="log-likelihood",
        patience=20,
    )
    assert rbm.history is not None and rbm.history.stopped_early and len(rbm.history) < 4_000
    best = rbm.history["log_likelihood"].max()
    assert abs(rbm.log_prob(bars[:3]).mean() - best) < 1e-5


def test_law_training_goes_on_from_a_model(bars: np.ndarray) -> None:
    first = dgm.RBM.fit(bars, hidden=6, epochs=100, batch_size=7, learning_rate=0.1)
    further = dgm.RBM.fit(bars, hidden=6, epochs=300, batch_size=7, learning_rate=0.1, start=first, seed=1)
    assert further.log_prob(bars).mean() > first.log_prob(bars).mean()
    dbn = dgm.DBN.fit(bars, hidden=[6, 4], epochs=2, batch_size=7, start=first)
    np.testing.assert_array_equal(dbn.weights(0), first.weights(0))


def test_law_conversions_keep_the_distribution(rbm: dgm.RBM, bars: np.ndarray) -> None:
    for kind in ("dbm", "dbn"):
        np.testing.assert_allclose(rbm.convert(kind).log_prob(bars), rbm.log_prob(bars), atol=1e-5)
    with pytest.raises(ValueError, match="sbn"):
        rbm.convert("sbn")


def test_law_sample_weights_count_rows(bars: np.ndarray) -> None:
    settings = {"hidden": 6, "epochs": 500, "batch_size": 14, "learning_rate": 0.2, "algorithm": "exact"}
    weights = np.where(np.arange(14) < 2, 20.0, 0.1)
    rbm = dgm.RBM.fit(bars, sample_weight=weights, **settings)
    log_prob = rbm.log_prob(bars)
    assert log_prob[:2].min() > log_prob[2:].max()


def test_law_warnings_of_training_are_warnings_of_python(bars: np.ndarray) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dgm.RBM.fit(bars, hidden=4, epochs=2, batch_size=7)
    assert all(issubclass(w.category, UserWarning) for w in caught)


def test_law_the_program_comes_with_the_package() -> None:
    assert program("--version") == f"dgm {dgm.__version__}\n"
    wrong = subprocess.run([sys.executable, "-m", "dgm", "no-such-command"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "no-such-command" in wrong.stderr


def test_law_diagnostics_are_those_of_their_formulas() -> None:
    rng = np.random.default_rng(4)
    traces = rng.normal(size=(4, 400))
    halves = traces.reshape(8, 200)
    within = halves.var(axis=1, ddof=1).mean()
    between = 200 * halves.mean(axis=1).var(ddof=1)
    expected = np.sqrt((199 / 200 * within + between / 200) / within)
    assert abs(dgm._native.split_r_hat(traces.tolist()) - expected) < 1e-12
    assert 0.5 < dgm._native.effective_sample_size(traces.tolist()) / traces.size < 2


def test_a_harmonium_of_spins_and_gaussian_units_against_enumeration(tmp_path: Path) -> None:
    rows = dgm.bars_and_stripes(2)
    settings = {"hidden": 2, "epochs": 40, "batch_size": 6, "learning_rate": 0.05, "seed": 1}
    model = dgm.Harmonium.fit(rows, visible="spin", hidden_units="gaussian", **settings)
    assert (model.kind, model.layers) == ("harmonium", [4, 2])
    model.save(tmp_path / "model.npz")
    arrays = np.load(tmp_path / "model.npz")
    spins = 2.0 * states(4) - 1.0
    # ln p(s) + ln Z with the Gaussian units integrated out.
    inputs = spins @ arrays["weights.0"] + arrays["bias.1"]
    gamma = arrays["units.1.gamma"]
    scores = spins @ arrays["bias.0"] + (inputs**2 / gamma + np.log(2 * np.pi / gamma)).sum(axis=1) / 2
    expected = scores - log_sum_exp(scores, axis=0)
    np.testing.assert_allclose(model.log_prob(states(4)), expected, atol=1e-4)
    assert model.evaluate(rows).side == "exact"

    assert set(np.unique(model.sample(50, seed=1))) <= {0.0, 1.0}
    assert set(np.unique(model.gibbs(rows, 3, seed=1))) <= {0.0, 1.0}
    expected = ((2.0 * rows - 1.0) @ arrays["weights.0"] + arrays["bias.1"]) / gamma
    np.testing.assert_allclose(model.posterior_mean(rows)[0], expected, atol=1e-4)
    gaps = rows.astype(float)
    gaps[0, 0] = np.nan
    assert model.complete(gaps, steps=50).shape == rows.shape
    again = dgm.load(tmp_path / "model.npz")
    assert isinstance(again, dgm.Harmonium)
    np.testing.assert_array_equal(again.log_prob(states(4)), model.log_prob(states(4)))
    with pytest.raises(ValueError, match="hidden_units|units"):
        dgm.Harmonium.fit(rows, hidden_units="relus", hidden=2)


def test_weights_and_biases_are_copied_once_and_cannot_be_changed(bars: np.ndarray) -> None:
    rbm = dgm.RBM.fit(bars, hidden=5, epochs=1, seed=1)
    weights, bias = rbm.weights(), rbm.bias(1)
    assert rbm.weights() is weights and rbm.bias(1) is bias
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        bias += 1
    expected = weights.copy()
    del rbm
    np.testing.assert_array_equal(weights, expected)


def test_rejects_shards(bars: np.ndarray) -> None:
    for shards in (0, 3, 2048, 1.5):
        with pytest.raises(ValueError, match=f"shards.* is {shards}, allowed"):
            dgm.RBM.fit(bars, hidden=5, epochs=1, shards=shards)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shards.* is 2, allowed: 1 for this model"):
        dgm.Harmonium.fit(bars, hidden=5, epochs=1, shards=2)


def test_law_an_rbm_learns_from_means_as_they_are(bars: np.ndarray) -> None:
    settings: dict[str, Any] = {"hidden": 3, "batch_size": 10, "seed": 1}
    assert dgm.RBM.fit(bars, binarize="none", epochs=3, **settings) == dgm.RBM.fit(bars, epochs=3, **settings)
    grey = np.random.default_rng(2).random((40, 9)).astype(np.float32)
    first = dgm.RBM.from_arrays({"weights.0": np.zeros((9, 3)), "bias.0": np.zeros(9), "bias.1": np.zeros(3)})
    one: dict[str, Any] = {"start": first, "epochs": 1, "batch_size": 40, "hidden": 3, "seed": 1}
    one |= {"algorithm": "cd", "centred": False, "schedule": "constant", "learning_rate": 0.5}
    learnt = dgm.RBM.fit(grey, binarize="none", **one)
    # An update moves the biases by half of the means of the data less those of 40 chains.
    chains = grey.mean(axis=0) - 2 * learnt.bias(0)
    np.testing.assert_allclose(40 * chains, np.round(40 * chains), atol=1e-4)
    with pytest.raises(ValueError, match="X: value"):
        dgm.RBM.fit(grey + 1, binarize="none", epochs=1, **settings)
    with pytest.raises(ValueError):
        dgm.SBN.fit(grey, binarize="none", hidden=[3], epochs=1)
