"""The doors to other packages: ArviZ, scikit-learn, TorchRBM, PyDeep, TensorBoard and Optuna."""

import itertools
import math
import subprocess
import sys

import dgm
import numpy as np
import pytest
from dgm import _native

BITS = np.array(list(itertools.product((0, 1), repeat=4)), dtype=np.float64)


@pytest.fixture(scope="module")
def rbm():
    return dgm.RBM.fit(dgm.bars_and_stripes(3), hidden=8, epochs=100, batch_size=7, evaluate_every=20, seed=1)


def log_probs(energies):
    """log p of visible states from energies of shape [visible states, hidden states]."""
    joint = -energies
    top = joint.max(axis=1, keepdims=True)
    log_p = (top + np.log(np.exp(joint - top).sum(axis=1, keepdims=True)))[:, 0]
    return log_p - (log_p.max() + math.log(np.exp(log_p - log_p.max()).sum()))


def bilinear(v, h, weights, visible, hidden):
    """Energies -v a - h b - v W h of all pairs of states."""
    return -(v @ visible)[:, None] - (h @ hidden)[None] - v @ weights @ h.T


def parameters(seed, visible=4, hidden=3):
    random = np.random.default_rng(seed)
    return random.normal(size=(visible, hidden)), random.normal(size=visible), random.normal(size=hidden)


def hidden_states(count):
    return np.array(list(itertools.product((0, 1), repeat=count)), dtype=np.float64)


class TestArviz:
    arviz = pytest.importorskip("arviz")

    def chains(self, seed, chains=4, draws=500, memory=0.8):
        """Autoregressive traces, whose ESS lies well below and, for negative memory, above the number of draws."""
        random = np.random.default_rng(seed)
        noise = random.normal(size=(chains, draws))
        for t in range(1, draws):
            noise[:, t] += memory * noise[:, t - 1]
        return noise

    @pytest.mark.parametrize("draws", [16, 17, 100, 501])
    @pytest.mark.parametrize("memory", [-0.5, 0.0, 0.8, 0.99])
    def test_split_r_hat_is_that_of_arviz(self, draws, memory):
        traces = self.chains(1, draws=draws, memory=memory)
        assert _native.split_r_hat(traces.tolist()) == pytest.approx(
            float(self.arviz.rhat(traces, method="split")), abs=1e-6
        )

    def test_split_r_hat_of_a_planted_shift_is_that_of_arviz(self):
        traces = self.chains(2) + np.arange(4)[:, None]
        found = _native.split_r_hat(traces.tolist())
        assert found == pytest.approx(float(self.arviz.rhat(traces, method="split")), abs=1e-6)
        assert found > 1.2

    @pytest.mark.parametrize("draws", [16, 17, 100, 501, 4000])
    @pytest.mark.parametrize("memory", [-0.5, 0.0, 0.8, 0.99])
    def test_ess_differs_from_arviz_in_what_the_docstring_says_and_in_nothing_else(self, draws, memory):
        traces = self.chains(3, draws=draws, memory=memory)
        assert _native.effective_sample_size(traces.tolist()) == pytest.approx(geyer(traces), rel=1e-9)
        theirs = float(self.arviz.ess(traces, method="mean"))
        assert geyer(traces, biased=True, next_term=True, total=True) == pytest.approx(theirs, rel=1e-6)

    @pytest.mark.parametrize("chains", [1, 2, 5])
    @pytest.mark.parametrize("draws", [8, 9, 11, 16, 101, 500])
    @pytest.mark.parametrize("memory", [-0.9, 0.0, 0.8, 0.99])
    @pytest.mark.parametrize("form", [np.asarray, np.round, np.exp, lambda x: x + np.arange(len(x))[:, None]])
    def test_diagnostics_of_ranks_are_those_of_arviz(self, chains, draws, memory, form):
        from dgm.diagnostics import ess, r_hat

        traces = form(self.chains(5, chains, draws, memory))
        for method in ("bulk", "tail", "mean"):
            assert ess(traces, method) == pytest.approx(float(self.arviz.ess(traces, method=method)), rel=1e-6)
        for method in ("rank", "split") if chains > 1 else ():
            assert r_hat(traces, method) == pytest.approx(float(self.arviz.rhat(traces, method=method)), rel=1e-6)

    @pytest.mark.parametrize("memory", [-0.5, 0.0, 0.8])
    def test_ess_of_long_chains_is_near_that_of_arviz(self, memory):
        traces = self.chains(4, draws=20_000, memory=memory)
        theirs = float(self.arviz.ess(traces, method="mean"))
        assert _native.effective_sample_size(traces.tolist()) == pytest.approx(theirs, rel=0.05)

    def test_diagnostics_keep_traces_and_facts(self, rbm):
        from dgm.arviz import summary, to_inference_data

        found = rbm.chains(6, seed=1).watch(400)
        data = to_inference_data(found)
        assert np.array_equal(data.posterior["free_energy"], found.traces)
        assert np.array_equal(data.sample_stats["lp"], -found.traces)
        assert data.posterior.attrs["split_r_hat"] == found.split_r_hat
        assert float(self.arviz.rhat(data, method="split")["free_energy"]) == pytest.approx(found.split_r_hat, abs=1e-6)
        table = summary(found)
        for kind in ("bulk", "tail"):
            theirs = self.arviz.ess(found.traces, method=kind)
            assert table.loc["free_energy", f"ess_{kind}"] == pytest.approx(float(theirs), rel=1e-9)
            assert getattr(found, f"ess_{kind}") == pytest.approx(float(theirs), rel=1e-6)
        assert found.r_hat == pytest.approx(float(self.arviz.rhat(found.traces)), rel=1e-6)

    def test_chains_are_run_and_go_on(self, rbm):
        from dgm.arviz import to_inference_data

        data = to_inference_data(rbm.chains(5, seed=2), sweeps=60, thin=3, warmup=10, states=True)
        assert dict(data.posterior.sizes) == {"chain": 5, "draw": 20, "unit": 9}
        visible = data.posterior["visible"].to_numpy()
        assert set(np.unique(visible)) == {0.0, 1.0}
        # The recorded energies are those of the recorded states.
        energies = rbm.free_energy(visible.reshape(-1, 9)).reshape(5, 20)
        assert np.allclose(energies, data.posterior["free_energy"], atol=1e-3)
        changed = (visible[:, 1:] != visible[:, :-1]).mean(axis=2)
        assert np.allclose(changed, data.sample_stats["changed"].to_numpy()[:, 1:])
        # The same chains without this function.
        by_hand = rbm.chains(5, seed=2)
        by_hand.advance(10 + 1 + 3)
        assert np.array_equal(by_hand.states, visible[:, 0])

    def test_tempered_and_deep_chains(self, rbm):
        from dgm.arviz import to_inference_data

        tempered = rbm.chains(3, method="tempering", temperatures=4, seed=1)
        assert to_inference_data(tempered, sweeps=20).posterior.sizes["draw"] == 20
        X = dgm.bars_and_stripes(2)
        for kind in ("dbm", "dbn"):
            model = dgm.fit(kind, X, hidden=[4, 3], epochs=2, batch_size=6)
            data = to_inference_data(model.chains(3), sweeps=20, states=[1])
            assert data.posterior["visible"].shape == (3, 20, 1)
            assert "lp" in data.sample_stats

    def test_mappings_are_named(self):
        from dgm.arviz import summary

        table = summary({"a": self.chains(1), "b": self.chains(2)}, var_names=["b"])
        assert list(table.index) == ["b"]

    @pytest.mark.parametrize(
        ("source", "arguments", "text"),
        [
            (np.zeros((2, 9)), {}, "source is a ndarray, allowed: Chains, Diagnostics, or a mapping"),
            ({"a": np.zeros(9)}, {}, r"trace a has shape \(9,\), expected \[chains, draws"),
            ({"a": np.zeros((2, 9)), "b": np.zeros((3, 9))}, {}, "expected the same chains and draws"),
            ("chains", {"sweeps": 2, "thin": 3}, r"sweeps is 2, allowed: 3 \(`thin`\) or more"),
            ("chains", {"thin": 0}, "thin is 0, allowed: 1 or more"),
            ("chains", {"states": [9]}, "states is .*, allowed: units of 0 to 8"),
            ("chains", {"states": []}, "states is .*, allowed: units of 0 to 8"),
        ],
    )
    def test_bad_arguments_are_refused_by_name(self, rbm, source, arguments, text):
        from dgm.arviz import to_inference_data

        with pytest.raises(ValueError, match=text):
            to_inference_data(rbm.chains(2) if isinstance(source, str) else source, **arguments)


class TestDiagnostics:
    def test_draws_that_are_equal_say_nothing(self):
        from dgm.diagnostics import ess, r_hat

        for method in ("bulk", "tail", "mean"):
            assert math.isnan(ess(np.ones((4, 100)), method))
        for method in ("rank", "split"):
            assert math.isnan(r_hat(np.ones((4, 100)), method))
        assert r_hat(np.arange(4.0)[:, None] + np.zeros(100)) > 1e6

    def test_rejects_traces_and_methods(self):
        from dgm.diagnostics import ess, r_hat

        for function in (ess, r_hat):
            with pytest.raises(ValueError, match="traces has shape"):
                function(np.ones((4, 3)))
            with pytest.raises(ValueError, match="traces has shape"):
                function(np.ones((4, 10, 2)))
            with pytest.raises(ValueError, match="traces has NaN"):
                function([1.0, np.nan, 2.0, 3.0])
            with pytest.raises(ValueError, match="method is 'median'"):
                function(np.eye(4), method="median")


def geyer(traces, biased=False, next_term=False, total=False):
    """ESS of split chains with Geyer's initial monotone sequence, as here, or with each of ArviZ's choices.

    ``biased``: autocovariances at lag t are divided by n, although the variance within is divided by n - 1.
    ``next_term``: the first term after the last positive pair counts once, if it is positive; and where lags run out
    before a pair is negative, the last pair counts only in this way.
    ``total``: the least autocorrelation time is 1 / log10 of all draws, in place of the draws of half a chain.
    """
    half = traces.shape[1] // 2
    halves = np.concatenate([traces[:, :half], traces[:, -half:]])
    m, n = halves.shape
    centred = halves - halves.mean(axis=1, keepdims=True)
    covariance = [(centred[:, : n - t] * centred[:, t:]).sum(axis=1).mean() / n for t in range(n)]
    within = covariance[0] * n / (n - 1)
    variance = covariance[0] + halves.mean(axis=1).var(ddof=1)
    factor = 1 if biased else n / (n - 1)
    rho = [1.0] + [1 - (within - factor * covariance[t]) / variance for t in range(1, n)]
    pairs, lag = [], 0
    lags = range(0, n - 1, 2)
    for lag in lags:
        pair = rho[lag] + rho[lag + 1]
        if pair <= 0:
            break
        pairs.append(min(pair, pairs[-1] if pairs else math.inf))
        if next_term and lag + 1 >= n - 3:
            pairs.pop()
            break
    time = -1 + 2 * sum(pairs) + (max(rho[lag], 0) if next_term else 0)
    return m * n / max(time, 1 / math.log10(m * n if total else n))


class TestScikitLearn:
    neural_network = pytest.importorskip("sklearn.neural_network")

    def test_log_p_is_equal(self):
        from dgm.importers import from_sklearn

        theirs = self.neural_network.BernoulliRBM(n_components=3, n_iter=20, learning_rate=0.5, random_state=1)
        theirs.fit(BITS[[0, 3, 12, 15]])
        parts = theirs.components_.T, theirs.intercept_visible_, theirs.intercept_hidden_
        exact = log_probs(bilinear(BITS, hidden_states(3), *parts))
        rbm = from_sklearn(theirs)
        assert np.allclose(rbm.log_prob(BITS), exact, atol=1e-5)
        assert np.allclose(rbm.free_energy(BITS), theirs._free_energy(BITS), atol=1e-5)

    def test_subclasses_are_taken(self):
        from dgm.importers import from_sklearn

        class Mine(self.neural_network.BernoulliRBM):
            pass

        assert from_sklearn(Mine(n_components=2).fit(BITS)).layers == [4, 2]

    def test_others_are_refused_by_name(self):
        from dgm.importers import from_sklearn

        with pytest.raises(ValueError, match="estimator is a MLPClassifier, allowed: a fitted BernoulliRBM"):
            from_sklearn(self.neural_network.MLPClassifier())
        with pytest.raises(ValueError, match="not fitted"):
            from_sklearn(self.neural_network.BernoulliRBM())
        with pytest.raises(ValueError, match="estimator is a BernoulliRBM, allowed: a fitted"):
            from_sklearn(self.neural_network.BernoulliRBM)


class TestTorchRbm:
    h5py = pytest.importorskip("h5py")

    def write(self, path, kind, updates, *, group="params", leave_out=()):
        """An archive as `save_model` of TorchRBM writes it; with group="" as its first versions did."""
        with self.h5py.File(path, "w") as archive:
            if kind is not None:
                archive["model_type"] = kind
            archive["parallel_chains"] = np.zeros((10, 4))
            archive.create_group("hyperparameters")
            for update, (weights, visible, hidden) in updates.items():
                checkpoint = archive.create_group(f"update_{update}")
                checkpoint["time"] = 1.5
                params = checkpoint.create_group(group) if group else checkpoint
                for name, values in (("weight_matrix", weights), ("vbias", visible), ("hbias", hidden)):
                    if name not in leave_out:
                        params[name] = values
        return path

    def test_log_p_of_binary_units_is_equal(self, tmp_path):
        from dgm.importers import from_torchrbm

        first, last = parameters(1), parameters(2)
        # The names sort as text in another order than as numbers.
        path = self.write(tmp_path / "rbm.h5", "BBRBM", {9: first, 10: last})
        for update, parts in ((None, last), (10, last), (9, first)):
            exact = log_probs(bilinear(BITS, hidden_states(3), *parts))
            assert np.allclose(from_torchrbm(path, update).log_prob(BITS), exact, atol=1e-5)

    @pytest.mark.parametrize("group", ["params", ""])
    def test_old_archives_without_a_type(self, tmp_path, group):
        from dgm.importers import from_torchrbm

        parts = parameters(3)
        path = self.write(tmp_path / "rbm.h5", None, {1: parts}, group=group)
        exact = log_probs(bilinear(BITS, hidden_states(3), *parts))
        assert np.allclose(from_torchrbm(str(path)).log_prob(BITS), exact, atol=1e-5)

    @pytest.mark.parametrize("kind", ["PBRBM", None])
    def test_log_p_of_potts_units_is_equal(self, tmp_path, kind):
        from dgm.importers import from_torchrbm

        random = np.random.default_rng(4)
        weights, visible, hidden = random.normal(size=(3, 4, 2)), random.normal(size=(3, 4)), random.normal(size=2)
        path = self.write(tmp_path / "potts.h5", kind, {5: (weights, visible, hidden)})
        categories = np.array(list(itertools.product(range(4), repeat=3)))
        one_hot = np.eye(4)[categories].reshape(len(categories), -1)
        parts = weights.reshape(12, 2), visible.ravel(), hidden
        rbm = from_torchrbm(path)
        assert (rbm.visible_kind, rbm.layers) == ("softmax:4", [12, 2])
        exact = log_probs(bilinear(one_hot, hidden_states(2), *parts))
        assert np.allclose(rbm.log_prob(categories), exact, atol=1e-5)

    def test_log_p_of_spins_is_equal(self, tmp_path):
        from dgm.importers import from_torchrbm

        parts = parameters(5)
        path = self.write(tmp_path / "ising.h5", "IIRBM", {5: parts})
        exact = log_probs(bilinear(2 * BITS - 1, 2 * hidden_states(3) - 1, *parts))
        assert np.allclose(from_torchrbm(path).log_prob(BITS), exact, atol=1e-5)

    @pytest.mark.parametrize("kind", ["BGRBM", "IGRBM", "BEBM", "CEBM"])
    def test_other_models_are_refused_by_name(self, tmp_path, kind):
        from dgm.importers import from_torchrbm

        path = self.write(tmp_path / "rbm.h5", kind, {1: parameters(1)})
        with pytest.raises(ValueError, match=f"holds a model of type {kind}, allowed: BBRBM, IIRBM, PBRBM"):
            from_torchrbm(path)

    def test_bad_archives_are_refused(self, tmp_path):
        from dgm.importers import from_torchrbm

        path = self.write(tmp_path / "rbm.h5", "BBRBM", {1: parameters(1), 20: parameters(2)})
        with pytest.raises(ValueError, match=r"update is 3, which .* does not have; known: 1, 20"):
            from_torchrbm(path, 3)
        path = self.write(tmp_path / "rbm.h5", "BBRBM", {})
        with pytest.raises(ValueError, match="no archive of TorchRBM: it has no group update_N"):
            from_torchrbm(path)
        path = self.write(tmp_path / "rbm.h5", "BBRBM", {1: parameters(1)}, leave_out=["hbias"])
        with pytest.raises(ValueError, match="/update_1/params of .*; hbias is missing"):
            from_torchrbm(path)
        weights, visible, hidden = parameters(1)
        path = self.write(tmp_path / "rbm.h5", "BBRBM", {1: (weights.T, visible, hidden)})
        with pytest.raises(ValueError, match="do not fit each other for a BBRBM"):
            from_torchrbm(path)
        with pytest.raises(FileNotFoundError):
            from_torchrbm(tmp_path / "absent.h5")
        (tmp_path / "text.h5").write_text("text")
        with pytest.raises(ValueError, match="is no HDF5 file"):
            from_torchrbm(tmp_path / "text.h5")


class BinaryBinaryRBM:
    """Stands for PyDeep's class: the same name, parameters of the same shapes."""

    def __init__(self, w, bv, bh, ov, oh):
        self.w, self.bv, self.bh, self.ov, self.oh = w, bv[None], bh[None], ov[None], oh[None]

    def energy(self, v, h):
        """E = -(v - ov) bv - (h - oh) bh - (v - ov) W (h - oh)."""
        v, h = v - self.ov, h - self.oh
        return -(v @ self.bv[0])[:, None] - (h @ self.bh[0])[None] - v @ self.w @ h.T


class GaussianBinaryRBM(BinaryBinaryRBM):
    """Stands for another class of PyDeep."""


class TestPyDeep:
    def centred(self, kind=BinaryBinaryRBM):
        random = np.random.default_rng(6)
        return kind(*parameters(6), random.random(4), random.random(3))

    def test_offsets_are_folded_into_the_biases(self):
        from dgm.importers import from_pydeep

        model = self.centred()
        exact = log_probs(model.energy(BITS, hidden_states(3)))
        assert np.allclose(from_pydeep(model).log_prob(BITS), exact, atol=1e-5)
        arrays = {"w": model.w, "bv": model.bv, "bh": model.bh, "ov": model.ov, "oh": model.oh}
        assert from_pydeep(arrays) == from_pydeep(model)
        # Without the offsets it is another distribution, so that this test can fail.
        plain = from_pydeep({name: arrays[name] for name in ("w", "bv", "bh")})
        assert not np.allclose(plain.log_prob(BITS), exact, atol=0.1)

    def test_offsets_may_be_numbers_or_absent(self):
        from dgm.importers import from_pydeep

        w, bv, bh = parameters(7)
        halves = from_pydeep({"w": w, "bv": bv, "bh": bh, "ov": 0.5, "oh": 0.5})
        assert halves == from_pydeep({"w": w, "bv": bv, "bh": bh, "ov": np.full(4, 0.5), "oh": np.full((1, 3), 0.5)})
        exact = log_probs(bilinear(BITS, hidden_states(3), w, bv, bh))
        assert np.allclose(from_pydeep({"w": w, "bv": bv, "bh": bh}).log_prob(BITS), exact, atol=1e-5)

    def test_others_are_refused_by_name(self):
        from dgm.importers import from_pydeep

        with pytest.raises(ValueError, match="model is a GaussianBinaryRBM, allowed: a BinaryBinaryRBM of PyDeep"):
            from_pydeep(self.centred(GaussianBinaryRBM))
        w, bv, bh = parameters(1)
        with pytest.raises(ValueError, match="model has bv, w; allowed: w, bv, bh, and ov, oh"):
            from_pydeep({"w": w, "bv": bv})
        with pytest.raises(ValueError, match="sigma"):
            from_pydeep({"w": w, "bv": bv, "bh": bh, "sigma": bv})
        with pytest.raises(ValueError, match="bv has 3 numbers, expected 4"):
            from_pydeep({"w": w, "bv": bh, "bh": bh})
        with pytest.raises(ValueError, match="oh has 4 numbers, expected 3"):
            from_pydeep({"w": w, "bv": bv, "bh": bh, "oh": bv})
        with pytest.raises(ValueError, match=r"w has shape \(4,\)"):
            from_pydeep({"w": bv, "bv": bv, "bh": bh})


class TestTensorBoard:
    tensorboard = pytest.importorskip("tensorboard")

    def read(self, folder):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
        events.Reload()
        return events

    def test_a_model_and_its_history(self, rbm, tmp_path):
        from dgm.tensorboard import log_to_tensorboard

        assert log_to_tensorboard(rbm, tmp_path / "new" / "m", image=(3, 3)) == tmp_path / "new" / "m"
        events = self.read(tmp_path / "new" / "m")
        scalars = events.Scalars("validation/log_likelihood")
        assert [event.step for event in scalars] == rbm.history["step"].tolist()
        assert np.allclose([event.value for event in scalars], rbm.history["log_likelihood"], rtol=1e-6)
        train = [event.value for event in events.Scalars("training/log_likelihood")]
        assert np.allclose(train, rbm.history["train_log_likelihood"], rtol=1e-6)
        assert len(events.Scalars("course/learning_rate")) == 5
        assert events.Tags()["images"] == ["samples", "filters"]
        times = [event.wall_time for event in scalars]
        assert times == sorted(times)
        log_to_tensorboard(rbm.history, tmp_path / "h")
        assert self.read(tmp_path / "h").Tags()["images"] == []

    def test_pictures_can_be_read(self, rbm, tmp_path):
        from dgm.tensorboard import log_to_tensorboard

        image = pytest.importorskip("matplotlib.image")
        log_to_tensorboard(rbm, tmp_path, image=(3, 3))
        for tag in ("samples", "filters"):
            found = self.read(tmp_path).Images(tag)[0]
            (tmp_path / "picture.png").write_bytes(found.encoded_image_string)
            assert image.imread(tmp_path / "picture.png").shape[:2] == (found.height, found.width)

    def test_a_run_of_the_program(self, tmp_path):
        from dgm.tensorboard import log_to_tensorboard

        command = "train rbm --data bars-and-stripes:3 --hidden 8 --epochs 4 --batch-size 10 --quiet --out".split()
        subprocess.run([sys.executable, "-m", "dgm", *command, tmp_path / "run"], check=True)
        log_to_tensorboard(tmp_path / "run", tmp_path / "logs")
        events = self.read(tmp_path / "logs")
        assert [event.value for event in events.Scalars("course/epoch")] == [1, 2, 3, 4]
        assert {"samples/final", "filters", "curves"} <= set(events.Tags()["images"])
        assert events.Tags()["tensors"] == ["config.toml"]

    def test_what_cannot_be_logged_is_refused(self, rbm, tmp_path):
        from dgm.tensorboard import log_to_tensorboard

        with pytest.raises(FileNotFoundError):
            log_to_tensorboard(tmp_path, tmp_path / "logs")
        rbm.save(tmp_path / "model.gm")
        with pytest.raises(ValueError, match="has no history"):
            log_to_tensorboard(dgm.load(tmp_path / "model.gm"), tmp_path / "logs")
        with pytest.raises(ValueError, match="is no metrics.jsonl"):
            log_to_tensorboard(tmp_path / "model.gm", tmp_path / "logs")
        with pytest.raises(ValueError, match="shape is 2 x 4, expected 9 pixels"):
            log_to_tensorboard(rbm, tmp_path / "logs", image=(2, 4))
        assert not (tmp_path / "logs").exists()


class TestOptuna:
    optuna = pytest.importorskip("optuna")

    def study(self, pruner, figure, direction="maximize"):
        from dgm.optuna import PruningCallback

        self.optuna.logging.set_verbosity(self.optuna.logging.ERROR)
        X, callbacks = dgm.bars_and_stripes(3), []

        def objective(trial):
            rate = trial.suggest_categorical("learning_rate", [1.0, 1e-6])
            callbacks.append(PruningCallback(trial, figure))
            rbm = dgm.RBM.fit(X, hidden=8, epochs=60, batch_size=7, learning_rate=rate, seed=1, callback=callbacks[-1])
            return float(rbm.history[figure][-1])

        search = {"learning_rate": [1.0, 1e-6]}
        study = self.optuna.create_study(
            direction=direction, pruner=pruner, sampler=self.optuna.samplers.GridSampler(search, seed=0)
        )
        study.enqueue_trial({"learning_rate": 1.0})
        study.enqueue_trial({"learning_rate": 1e-6})
        study.optimize(objective, n_trials=2)
        return study, callbacks

    @pytest.mark.parametrize("figure", ["pseudo_log_likelihood", "log_likelihood"])
    def test_a_bad_trial_is_pruned_and_a_good_one_is_not(self, figure):
        study, callbacks = self.study(self.optuna.pruners.MedianPruner(1, 45), figure)
        good, bad = study.trials
        assert (good.state.name, bad.state.name) == ("COMPLETE", "PRUNED")
        assert sorted(good.intermediate_values) == list(range(1, 61))
        assert len(bad.intermediate_values) < 50
        assert callbacks[0].last == good.value == study.best_value

    def test_without_pruning_all_epochs_are_reported(self):
        study, _ = self.study(self.optuna.pruners.NopPruner(), "reconstruction", "minimize")
        assert [len(trial.intermediate_values) for trial in study.trials] == [60, 60]

    def test_the_exception_carries_the_model(self):
        from dgm.optuna import PruningCallback

        class Trial:
            def report(self, value, step):
                self.step = step

            def should_prune(self):
                return self.step == 3

        with pytest.raises(self.optuna.TrialPruned, match="pseudo_log_likelihood is .* after epoch 3") as caught:
            dgm.RBM.fit(dgm.bars_and_stripes(3), hidden=4, epochs=9, batch_size=7, callback=PruningCallback(Trial()))
        assert caught.value.model.layers == [9, 4]

    def test_unknown_figures_are_refused_with_the_list(self):
        from dgm.optuna import PruningCallback

        with pytest.raises(ValueError, match="figure is 'elbo', .* known: .*log_likelihood.*pseudo_log_likelihood"):
            X = dgm.bars_and_stripes(3)
            dgm.RBM.fit(X, hidden=4, epochs=2, batch_size=7, callback=PruningCallback(None, "elbo"))
