"""The estimators of scikit-learn: its own checks, and what the estimators promise beyond them."""

import copy
import inspect
import os
import pickle
import signal
import threading
import warnings

import dgm
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn", minversion="1.6")

from dgm.sklearn import DBM, DBN, RBM, SBN, BernoulliRBM, Classifier
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import BernoulliRBM as Theirs
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

FEW = {"n_iter": 2, "n_threads": 1}

# Rows of the checks are numbers of any size, so that most estimators here have a threshold. One check compares weighted
# rows with repeated ones to 1e-7, which is less than the last bit of a float32. So a batch holds all rows, and the rate
# is small; `test_weights_are_repetitions` does the same at a usual rate.
WEIGHED = {"batch_size": 1000, "learning_rate": 1e-6}
CHECKED = [
    RBM(3, binarize=0.5, **WEIGHED, **FEW),
    SBN((3, 2), binarize=0.5, **FEW),
    DBM((3, 2), binarize=0.5, pretrain="none", **FEW),
    DBM((3, 2), visible="gaussian", layer=0, settings={"pretrain_epochs": 1, "chains": 20}, **FEW),
    DBN((3, 2), binarize=0.5, **FEW),
    DBN((3,), binarize=0.5, **FEW),
    BernoulliRBM(3, **FEW),
    BernoulliRBM(3, binarize=0.5, **FEW),
    Classifier((8,), binarize=0.0, n_iter=30, n_threads=1),
]


@parametrize_with_checks(CHECKED)
def test_checks_of_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has values outside 0 to 1")
        check(estimator)


X = dgm.bars_and_stripes(3)
Y = np.array(["odd", "even"])[X.sum(axis=1) % 2]
SMALL = [
    RBM(5, n_iter=3, batch_size=4, random_state=1),
    SBN((4, 3), n_iter=3, batch_size=4, random_state=1),
    DBM((4, 3), n_iter=3, batch_size=4, random_state=1, settings={"pretrain_epochs": 1, "chains": 20}),
    DBN((4, 3), n_iter=3, batch_size=4, random_state=1),
    BernoulliRBM(5, n_iter=3, batch_size=4, random_state=1),
]
ALL = [*SMALL, Classifier((4,), n_iter=3, batch_size=4, random_state=1)]


def name_of(estimator):
    return type(estimator).__name__


def fitted(estimator, rows=X):
    return clone(estimator).fit(rows, Y[: rows.shape[0]])


def features(estimator, rows):
    return estimator.predict_proba(rows) if is_classifier(estimator) else estimator.transform(rows)


every = pytest.mark.parametrize("estimator", ALL, ids=name_of)
generative = pytest.mark.parametrize("estimator", SMALL, ids=name_of)


@pytest.mark.parametrize("kind", [RBM, SBN, DBM, DBN, Classifier])
def test_parameters_have_the_default_values_of_the_library(kind):
    usual = kind._kind.default_settings()
    parameters = inspect.signature(kind).parameters
    for name, setting in kind._renamed.items():
        default = parameters[name].default
        if default is not None:
            expected = usual[setting]
            assert np.array_equal(np.ravel(default), np.ravel(expected)), (name, default, expected)


def test_the_drop_in_has_the_parameters_of_scikit_learn():
    ours, theirs = (inspect.signature(kind).parameters for kind in (BernoulliRBM, Theirs))
    assert list(ours)[: len(theirs)] == list(theirs)
    assert all(ours[name].default == theirs[name].default for name in theirs)
    model = fitted(SMALL[-1])
    theirs_fitted = Theirs(5, n_iter=3, batch_size=4, random_state=1).fit(X)
    for name, value in vars(theirs_fitted).items():
        if name.endswith("_") and name != "random_state_":
            assert np.shape(getattr(model, name)) == np.shape(value), name
    assert model.h_samples_.dtype == model.components_.dtype
    assert set(np.unique(model.h_samples_)) <= {0, 1}
    begun = BernoulliRBM(5, n_iter=0, random_state=1).fit(X)
    assert_allclose(begun.components_, Theirs(5, n_iter=0, random_state=1).fit(X).components_, rtol=1e-6)
    assert_allclose(model.transform(X), _theirs_with(model).transform(X), rtol=1e-6)
    scores = [_theirs_with(model).set_params(random_state=seed).score_samples(X).mean() for seed in range(400)]
    ours = [model.set_params(random_state=seed).score_samples(X).mean() for seed in range(400)]
    assert abs(np.mean(scores) - np.mean(ours)) < 6 * np.hypot(np.std(scores), np.std(ours)) / 20
    assert_allclose(np.mean(ours), model.model_.pseudo_log_likelihood(X).mean(), atol=6 * np.std(ours) / 20)


def _theirs_with(model):
    """Return an RBM of scikit-learn with the parameters of one of ours."""
    theirs = Theirs(model.n_components, random_state=1, n_iter=0).fit(X)
    theirs.components_, theirs.intercept_hidden_ = model.components_, model.intercept_hidden_
    theirs.intercept_visible_ = model.intercept_visible_
    return theirs


def test_the_drop_in_learns_no_worse():
    grey = MinMaxScaler().fit_transform(np.random.RandomState(1).rand(60, 4) @ np.random.RandomState(2).rand(4, 12))
    arguments = {"n_components": 8, "n_iter": 60, "random_state": 1}

    def mean(model):
        return np.mean([model.set_params(random_state=seed).score_samples(grey).mean() for seed in range(50)])

    assert mean(BernoulliRBM(**arguments).fit(grey)) > mean(Theirs(**arguments).fit(grey)) - 0.2


def test_the_drop_in_cuts_off_values_with_a_warning():
    rows = X.astype(float)
    wide = rows * 3 - 1
    with pytest.warns(UserWarning, match="X has values outside 0 to 1"):
        model = clone(SMALL[-1]).fit(wide)
    assert_array_equal(model.components_, fitted(SMALL[-1], rows).components_)
    with pytest.warns(UserWarning, match="X has values outside 0 to 1"):
        model = clone(SMALL[-1]).fit(sparse.csr_array(rows * 3))
    assert_array_equal(model.components_, fitted(SMALL[-1], rows).components_)


def test_an_integer_is_the_seed_of_the_library():
    model = fitted(SMALL[0]).model_
    assert model == dgm.RBM.fit(X, hidden=5, epochs=3, batch_size=4, seed=1)
    assert model != fitted(SMALL[0].__class__(5, n_iter=3, batch_size=4, random_state=2)).model_
    state = np.random.RandomState(1)
    first, second = (RBM(3, n_iter=1, random_state=state).fit(X).model_ for _ in range(2))
    assert first != second
    assert first == RBM(3, n_iter=1, random_state=np.random.RandomState(1)).fit(X).model_


@every
def test_copies_do_the_same(estimator):
    model = fitted(estimator)
    for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), fitted(estimator)):
        assert_array_equal(features(copied, X), features(model, X))
        assert copied.n_iter_ == model.n_iter_
    with pytest.raises(NotFittedError):
        features(clone(model), X)
    assert model.n_iter_ == model.history_.records[-1]["epoch"]


FORMS = {
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "bool": lambda rows: rows.astype(bool),
    "float32": lambda rows: rows.astype(np.float32),
    "float64": lambda rows: rows.astype(np.float64),
    "int64": lambda rows: rows.astype(np.int64),
    "fortran": np.asfortranarray,
    "list": lambda rows: rows.tolist(),
}


@every
@pytest.mark.parametrize("form", FORMS)
def test_rows_in_any_form_give_the_same_model(estimator, form):
    rows = FORMS[form](X)
    model, expected = clone(estimator).fit(rows, Y), fitted(estimator)
    assert model.model_ == expected.model_
    assert_allclose(features(model, rows), features(expected, X), rtol=1e-6)


@every
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(estimator, library):
    frames = pytest.importorskip(library)
    names = [f"pixel{i}" for i in range(9)]
    frame = frames.DataFrame(dict(zip(names, X.T, strict=True)))
    model = clone(estimator).fit(frame, Y)
    assert list(model.feature_names_in_) == names
    assert model.model_ == fitted(estimator).model_
    if is_classifier(model):
        return
    out = model.set_output(transform=library).transform(frame)
    assert isinstance(out, frames.DataFrame)
    assert list(out.columns) == list(model.get_feature_names_out())
    assert list(out.columns)[0] == f"{name_of(estimator).lower()}0"
    assert_array_equal(out.to_numpy(), model.set_output(transform="default").transform(frame))


def test_a_search_over_a_pipeline_in_two_processes():
    digits, labels = dgm.load_digits()
    pipeline = make_pipeline(RBM(n_iter=5, batch_size=10, random_state=1, n_threads=1), LogisticRegression())
    grid = {"rbm__n_components": [2, 40], "rbm__algorithm": ["cd"]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(digits[:300], labels[:300])
    assert search.best_params_["rbm__n_components"] == 40
    assert search.best_estimator_[0].transform(digits[:5]).shape == (5, 40)


@generative
def test_cross_validation_by_likelihood(estimator):
    if isinstance(estimator, BernoulliRBM):
        assert np.isfinite(fitted(estimator).score(X))
    scores = cross_val_score(estimator, X, cv=2)
    assert (scores < 0).all()
    assert (scores > -20).all()


@generative
def test_scores_are_likelihoods(estimator):
    model = fitted(estimator)
    assert model.score(X) == pytest.approx(model.model_.evaluate(X).value)
    assert model.score_side_ == "exact"
    if not isinstance(estimator, BernoulliRBM):
        assert_allclose(model.score_samples(X), model.model_.log_prob(X))
        assert model.score(X) == pytest.approx(model.score_samples(X).mean())
        states = np.array(list(np.ndindex(*[2] * 9)))
        assert np.exp(model.score_samples(states)).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("estimator", SMALL[:4], ids=name_of)
def test_scores_say_what_they_are(estimator):
    evaluation = {"exact": "no", "ais_runs": 20, "temperatures": 50, "samples": 50}
    model = clone(estimator).set_params(evaluation=evaluation).fit(X)
    exact = model.model_.evaluate(X).value
    assert model.score(X) == pytest.approx(exact, abs=1)
    assert model.score_side_ in ("estimate", "lower")


def test_layers_of_transform():
    model = fitted(SMALL[1])
    means = model.model_.posterior_mean(X, seed=1)
    for layer, expected in ((0, means[0]), (1, means[1]), (-1, means[1]), (-2, means[0])):
        found = model.set_params(layer=layer).transform(X)
        assert_array_equal(found, expected)
        assert len(model.get_feature_names_out()) == found.shape[1]
    assert_array_equal(model.set_params(posterior="gibbs", layer=0).transform(X).shape, (14, 4))


def test_grey_levels_enter_rbms_as_means():
    grey = np.random.RandomState(1).rand(20, 9)
    model = RBM(4, n_iter=2, random_state=1).fit(grey)
    expected = 1 / (1 + np.exp(-(grey @ model.components_.T + model.intercept_hidden_)))
    assert_allclose(model.transform(grey), expected, rtol=1e-5)
    assert_allclose(model.transform(sparse.csr_array(grey)), expected, rtol=1e-5)
    levels = (grey * 255).astype(np.uint8)
    assert_allclose(model.transform(levels), model.transform(levels / np.float32(255)), rtol=1e-6)


@generative
def test_a_threshold_holds_in_all_methods(estimator):
    wide = X * 20.0 - 3
    model = clone(estimator).set_params(binarize=1.5).fit(wide)
    assert model.model_ == fitted(estimator).model_
    assert_allclose(model.transform(wide), fitted(estimator).transform(X), rtol=1e-6)
    assert model.score(wide) == pytest.approx(fitted(estimator).score(X))
    assert_allclose(model.score_samples(wide), fitted(estimator).score_samples(X))
    expected = clone(model).set_params(binarize=-1).fit(np.where(X == 0, -3.0, 0.0)).model_
    assert clone(model).set_params(binarize=-1).fit(sparse.csr_array(np.where(X == 0, -3.0, 0.0))).model_ == expected


@generative
def test_samples(estimator):
    model = fitted(estimator)
    first = model.sample(6)
    assert first.shape == (6, 9)
    assert set(np.unique(first)) <= {0, 1}
    assert_array_equal(first, model.sample(6))
    assert_array_equal(first, model.sample(6, random_state=1))
    assert not np.array_equal(model.sample(40), model.sample(40, random_state=2))
    state = np.random.RandomState(1)
    assert not np.array_equal(model.sample(40, state), model.sample(40, state))
    clamp = np.full((1, 9), np.nan)
    clamp[0, 0] = 1
    assert (model.sample(20, clamp=clamp, steps=5)[:, 0] == 1).all()


@every
def test_partial_fits_go_on(estimator):
    arguments = {"classes": ["even", "odd"]} if is_classifier(estimator) else {}
    model = clone(estimator).partial_fit(X, Y, **arguments)
    first = model.model_
    model.partial_fit(X, Y)
    assert model.model_ != first
    assert model.model_.layers == first.layers
    again = clone(estimator).partial_fit(X, Y, **arguments).partial_fit(X, Y)
    assert again.model_ == model.model_


@pytest.mark.parametrize(
    "estimator",
    [
        RBM(8, batch_size=4, learning_rate=0.3, random_state=1),
        SBN((8,), batch_size=4, learning_rate=0.02, random_state=1, settings={"hidden_bias": 0.0}),
        DBM((8, 4), batch_size=4, learning_rate=0.3, random_state=1, settings={"chains": 20, "steps": 5}),
        DBN((8, 4), batch_size=4, learning_rate=0.3, random_state=1, settings={"backfit_learning_rate": 0.03}),
        DBN((8,), batch_size=4, learning_rate=0.3, random_state=1),
        BernoulliRBM(8, learning_rate=1.0, random_state=1),
    ],
    ids=name_of,
)
def test_partial_fits_learn(estimator):
    estimator = clone(estimator)
    first = estimator.partial_fit(X).score(X)
    for _ in range(150):
        estimator.partial_fit(X)
    assert estimator.score(X) > first + 0.3


def test_weights_are_repetitions():
    weights = np.random.RandomState(1).randint(0, 5, len(X))
    arguments = {"n_iter": 50, "batch_size": 1000, "learning_rate": 1.0, "random_state": 1}
    plain = RBM(4, **arguments).fit(X.repeat(weights, axis=0))
    weighted = RBM(4, **arguments).fit(X, sample_weight=weights)
    assert_allclose(weighted.transform(X), plain.transform(X), atol=1e-4)
    assert abs(weighted.transform(X) - RBM(4, **arguments).fit(X).transform(X)).max() > 0.02


def test_early_stopping_holds_out_rows():
    rows = np.random.RandomState(1).randint(0, 2, (60, 9)).astype(np.uint8)
    arguments = {"n_iter": 300, "batch_size": 4, "learning_rate": 0.3, "random_state": 1}
    stopped = RBM(40, early_stopping=True, validation_fraction=0.25, n_iter_no_change=3, **arguments).fit(rows)
    assert stopped.history_.stopped_early
    assert stopped.n_iter_ < 300
    own = RBM(40, early_stopping="pseudo-likelihood", n_iter_no_change=3, **arguments).fit(rows[:45], X_val=rows[45:])
    assert own.history_.stopped_early
    again = RBM(40, early_stopping=True, validation_fraction=0.25, n_iter_no_change=3, **arguments).fit(rows)
    assert again.model_ == stopped.model_
    net = Classifier((8,), early_stopping=True, n_iter=200, n_iter_no_change=3, random_state=1)
    assert net.fit(rows, rows[:, 0]).history_.stopped_early


def test_validation_rows_are_what_the_figures_are_about():
    figures = []
    RBM(4, n_iter=1, random_state=1, callback=figures.append).fit(X, X_val=np.ones((3, 9)))
    RBM(4, n_iter=1, random_state=1, callback=figures.append).fit(X)
    assert figures[0]["train_log_likelihood"] == figures[1]["train_log_likelihood"]
    assert figures[0]["log_likelihood"] != figures[1]["log_likelihood"]


def test_callbacks_end_training():
    model = RBM(4, n_iter=50, callback=lambda figures: figures["epoch"] == 7).fit(X)
    assert model.n_iter_ == 7
    assert model.history_.interrupted

    def fails(figures):
        raise LookupError("enough")

    model = RBM(4, n_iter=50, callback=fails)
    with pytest.raises(LookupError, match="enough"):
        model.fit(X)
    assert model.transform(X).shape == (14, 4)


@every
def test_lines_of_evaluations(estimator, capsys):
    clone(estimator).set_params(verbose=1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith(f"[{name_of(estimator)}] Iteration ") for line in lines)
    fitted(estimator)
    assert capsys.readouterr().out == ""


def test_a_bar(capsys):
    pytest.importorskip("tqdm")
    clone(SMALL[0]).set_params(verbose=2).fit(X)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "RBM" in captured.err


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_leaves_the_model():
    rows = np.random.RandomState(1).randint(0, 2, (2000, 100)).astype(np.uint8)
    model = RBM(100, n_iter=10**6, random_state=1)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        model.fit(rows)
    timer.join()
    assert model.model_ == caught.value.model
    assert model.history_.interrupted
    assert model.transform(rows[:2]).shape == (2, 100)


@pytest.mark.parametrize("labels", [[3, 7], [True, False], ["a", "b"], [-1.0, 2.0]], ids=str)
def test_classes_of_any_type(labels):
    y = np.array(labels)[X.sum(axis=1) % 2]
    net = Classifier((10,), n_iter=300, batch_size=4, random_state=1).fit(X, y)
    assert_array_equal(net.classes_, np.unique(y))
    assert net.score(X, y) == 1
    assert set(net.predict(X)) == set(y.tolist())
    assert_allclose(net.predict_proba(X).sum(axis=1), 1)
    assert_allclose(np.exp(net.predict_log_proba(X)), net.predict_proba(X))
    order = np.argsort(net.predict_proba(X)[:, 1])
    assert (net.predict(X)[order[-3:]] == net.classes_[1]).all()


@pytest.mark.parametrize("start", [*SMALL[:4]], ids=name_of)
def test_classifiers_start_from_models(start):
    start = fitted(start)
    for given in (start, start.model_):
        net = Classifier(start=given, n_iter=3, random_state=1).fit(X, Y)
        assert net.model_.layers[1:-1] == start.model_.layers[1:]
        assert net.predict(X).shape == (14,)
        assert clone(net).get_params()["start"] is not None


def test_attributes_of_layers():
    for estimator in SMALL[1:4]:
        model = fitted(estimator)
        assert [weights.shape for weights in model.coefs_] == [(4, 9), (3, 4)]
        assert [biases.shape for biases in model.intercepts_] == [(9,), (4,), (3,)]
        assert_array_equal(model.components_, model.coefs_[0])
    model = fitted(SMALL[0])
    assert model.components_.shape == (5, 9)
    assert_array_equal(model.intercept_hidden_, model.model_.bias(1))
    assert_array_equal(model.intercept_visible_, model.model_.bias(0))
    for estimator in ALL:
        assert not hasattr(clone(estimator), "components_")


def test_tags():
    for estimator in ALL:
        tags = get_tags(estimator)
        assert tags.input_tags.sparse
        assert not tags.input_tags.allow_nan
        assert tags.target_tags.required == is_classifier(estimator)
        assert tags.estimator_type == ("classifier" if is_classifier(estimator) else "density_estimator")


def test_real_numbers_for_gaussian_units():
    rows = np.random.RandomState(1).normal(3, 2, (50, 4))
    for estimator in (RBM(3, visible="gaussian", n_iter=5), DBM((3, 2), visible="gaussian", n_iter=5)):
        model = estimator.set_params(random_state=1, settings={"chains": 20}).fit(rows)
        assert np.isfinite(model.score(rows))
        assert model.transform(rows).shape[0] == 50
        assert abs(model.sample(200, random_state=1).mean() - 3) < 1
    scores = RBM(3, visible="gaussian", n_iter=5, random_state=1).fit(rows).score_samples(rows)
    independent = -0.5 * ((rows - rows.mean(axis=0)) ** 2 / rows.var(axis=0) + np.log(2 * np.pi * rows.var(axis=0)))
    assert scores.mean() == pytest.approx(independent.sum(axis=1).mean(), abs=0.5)
