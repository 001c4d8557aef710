"""scikit-learn's own tests of its RBM, run against the drop-in without a copied line."""

import inspect
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")
# Their module has marks that only their configuration knows.
with mock.patch.object(pytest, "mark", pytest.MarkGenerator(_ispytest=True)):
    theirs = pytest.importorskip("sklearn.neural_network.tests.test_rbm")

from dgm.sklearn import BernoulliRBM

# Tests that the drop-in does not pass, with the reason.
NOT_OURS = {
    "test_fit_gibbs": "compares weights to 4 digits, and draws, that follow from the random stream of NumPy",
}


def cases():
    """Return the test functions of the module, once for each set of their parameters."""
    for name, function in inspect.getmembers(theirs, inspect.isfunction):
        if not name.startswith("test_"):
            continue
        marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
        assert len(marks) <= 1, f"{name} has several sets of parameters"
        reason = NOT_OURS.get(name)
        strict = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)]
        if not marks:
            yield pytest.param(function, {}, id=name, marks=strict)
            continue
        names = [part.strip() for part in marks[0].args[0].split(",")]
        for i, values in enumerate(marks[0].args[1]):
            values = values if len(names) > 1 else (values,)
            yield pytest.param(function, dict(zip(names, values, strict=True)), id=f"{name}-{i}", marks=strict)


@pytest.mark.parametrize(("function", "arguments"), list(cases()))
def test_of_scikit_learn(function, arguments, monkeypatch, request):
    monkeypatch.setattr(theirs, "BernoulliRBM", BernoulliRBM)
    wanted = [name for name in inspect.signature(function).parameters if name not in arguments]
    function(**arguments, **{name: request.getfixturevalue(name) for name in wanted})


def test_all_of_their_tests_are_run():
    names = {name for name, function in inspect.getmembers(theirs, inspect.isfunction) if name.startswith("test_")}
    assert len(names) >= 13
    assert set(NOT_OURS) <= names
    assert theirs.BernoulliRBM.__module__.startswith("sklearn.")


def test_the_drop_in_fits_digits_no_worse_and_better_from_draws():
    def score(kind, **arguments):
        """Return the mean pseudo-likelihood over fits and over the units that scoring chooses."""
        fits = (kind(n_components=64, n_iter=7, random_state=seed, **arguments) for seed in range(3))
        models = [model.fit(theirs.Xdigits) for model in fits]
        scored = (model.set_params(random_state=seed) for model in models for seed in range(5))
        return np.mean([model.score_samples(theirs.Xdigits) for model in scored])

    expected = score(theirs.BernoulliRBM)
    assert score(BernoulliRBM) > expected - 0.3
    assert score(BernoulliRBM, binarize="dynamic") > expected + 0.5
