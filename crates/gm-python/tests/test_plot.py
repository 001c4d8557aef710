"""Pictures: what is drawn, and that nothing is shown."""

import io
import math

import dgm
import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")

import dgm.plot as plot  # noqa: E402
from matplotlib import pyplot  # noqa: E402


@pytest.fixture(scope="module")
def rbm():
    return dgm.RBM.fit(dgm.bars_and_stripes(3), hidden=8, epochs=20, batch_size=7, evaluate_every=4, seed=1)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No test may show a figure, and each must be able to write it."""

    def shown(*_, **__):
        raise AssertionError("a function of dgm.plot called show")

    monkeypatch.setattr(pyplot, "show", shown)
    yield
    for number in pyplot.get_fignums():
        pyplot.figure(number).savefig(io.BytesIO(), format="png")
    pyplot.close("all")


def test_filters_are_the_weights_largest_first(rbm):
    axes = plot.filters(rbm, columns=4)
    picture = axes.get_images()[0].get_array().filled(math.nan)
    assert picture.shape == (2 * 4 - 1, 4 * 4 - 1)
    weights = rbm.weights(0)
    order = np.argsort(-np.linalg.norm(weights, axis=1))
    assert np.allclose(picture[:3, :3], weights[order[0]].reshape(3, 3))
    assert np.allclose(picture[4:, 12:], weights[order[7]].reshape(3, 3))
    assert np.isnan(picture[3]).all() and np.isnan(picture[:, 3]).all()
    low, high = axes.get_images()[0].get_clim()
    assert low == -high


def test_filters_of_a_higher_layer_are_products(rbm):
    dbn = dgm.DBN.fit(dgm.bars_and_stripes(3), hidden=[6, 4], epochs=2, batch_size=7)
    axes = plot.filters(dbn, 2, count=3, shape=(1, 9), columns=1)
    assert axes.get_title(loc="left") == "Weights of 3 of 4 hidden units, layer 2"
    weights = dbn.weights(1) @ dbn.weights(0)
    largest = weights[np.argmax(np.linalg.norm(weights, axis=1))]
    assert np.allclose(axes.get_images()[0].get_array()[0], largest, atol=1e-6)
    with pytest.raises(ValueError, match="layer is 3, allowed: 1 to 2"):
        plot.filters(dbn, 3)
    with pytest.raises(ValueError, match="layer is 0, allowed: 1 or more"):
        plot.filters(dbn, 0)
    with pytest.raises(ValueError, match="shape is 2 x 4, expected 9 pixels"):
        plot.filters(rbm, shape=(2, 4))


@pytest.mark.parametrize("form", [np.asarray, lambda rows: rows.astype(bool), lambda rows: rows.astype(np.float64)])
def test_samples_are_drawn_row_by_row(form):
    rows = dgm.bars_and_stripes(3)
    axes = plot.samples(form(rows), columns=5, count=13, title="Bars and stripes")
    picture = axes.get_images()[0].get_array().filled(math.nan)
    assert picture.shape == (3 * 4 - 1, 5 * 4 - 1)
    assert np.array_equal(picture[4:7, 4:7], rows[6].reshape(3, 3))
    assert np.isnan(picture[8:, 12:]).all()
    assert axes.get_title(loc="left") == "Bars and stripes"


def test_samples_of_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    rows = dgm.bars_and_stripes(2)
    axes = plot.samples(sparse.csr_matrix(rows), columns=6)
    assert np.array_equal(axes.get_images()[0].get_array()[:, -2:], rows[-1].reshape(2, 2))


def test_samples_draw_on_given_axes():
    figure, (left, _) = pyplot.subplots(1, 2)
    assert plot.samples(dgm.bars_and_stripes(3), (3, 3), ax=left) is left
    assert len(pyplot.get_fignums()) == 1 and left.get_figure() is figure


def test_curves_share_panels_and_say_which_rows(rbm):
    figure = plot.curves(rbm.history)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "log p, nats a row" and len(titles) == plot.USUAL
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["validation", "training"]
    validation, training = figure.axes[0].get_lines()
    assert np.array_equal(validation.get_xdata(), rbm.history["epoch"])
    assert np.array_equal(validation.get_ydata(), rbm.history["log_likelihood"])
    assert np.array_equal(training.get_ydata(), rbm.history["train_log_likelihood"])


def test_curves_of_named_figures_leave_gaps_out():
    records = [{"epoch": e, "step": e, "elbo": -5.0 + e, **({"mine": e} if e % 2 else {})} for e in range(1, 6)]
    figure = plot.curves(records, ["mine", "elbo"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["lower bound of log p, nats a row", "mine"]
    assert figure.axes[1].get_lines()[0].get_xdata().tolist() == [1, 3, 5]
    with pytest.raises(KeyError, match="'other' is no figure of this training; known: elbo, epoch, mine, step"):
        plot.curves(records, ["other"])


def test_curves_read_runs(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"epoch":1,"step":2,"seconds":0.5,"elbo":null}\n')
    for path in (tmp_path, str(tmp_path / "metrics.jsonl")):
        assert [axes.get_title(loc="left") for axes in plot.curves(path).axes] == ["lower bound of log p, nats a row"]
    with pytest.raises(FileNotFoundError):
        plot.curves(tmp_path / "absent")
    (tmp_path / "metrics.jsonl").write_text("[1]\n")
    with pytest.raises(ValueError, match=r"is no metrics\.jsonl"):
        plot.curves(tmp_path)
    with pytest.raises(ValueError, match="history has 0 evaluations"):
        plot.curves([])


def test_open_ends_are_arrows(rbm):
    exact = rbm.evaluate(dgm.bars_and_stripes(3))
    sides = {
        "exact": exact,
        "estimate": dgm.Estimate(-7.0, -7.5, -6.8, "estimate", "ais"),
        "lower": dgm.Estimate(-8.0, -8.2, math.inf, "lower", "importance"),
        "upper": dgm.Estimate(-5.0, -math.inf, -4.9, "upper", "tempering"),
    }
    axes = plot.intervals(sides)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(sides)
    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", None) is not None]
    assert [(arrow.xy[0] > arrow.xyann[0], arrow.xy[1]) for arrow in arrows] == [(True, 2), (False, 3)]
    low, high = axes.get_xlim()
    assert low < min(arrow.xy[0] for arrow in arrows) and high > max(arrow.xy[0] for arrow in arrows)
    texts = [text.get_text() for text in axes.texts if text.get_text()]
    assert texts[2] == "\N{MINUS SIGN}8.00, a lower bound"
    bottom, top = axes.get_ylim()
    assert bottom > top, "the first report is at the top"
    with pytest.raises(ValueError, match="reports has 0 entries"):
        plot.intervals({})


def test_intervals_of_log_partition(rbm):
    axes = plot.intervals({"RBM": rbm.log_partition()}, title="log Z, nats")
    assert axes.get_title(loc="left") == "log Z, nats"


def test_traces_are_drawn_by_sweep(rbm):
    found = rbm.chains(6).watch(2000)
    assert found.interval > 1
    axes = plot.traces(found, chains=4)
    *lines, mean = axes.get_lines()
    assert len(lines) == 4
    assert np.array_equal(lines[3].get_ydata(), found.traces[3])
    assert mean.get_xdata()[-1] == found.interval * found.traces.shape[1]
    assert np.allclose(mean.get_ydata(), found.traces.mean(axis=0))
    assert axes.get_title(loc="left").startswith("Free energy, nats: split R-hat 1.0")
