"""Bad input raises ValueError, or the exception that is named here, with the argument in the message; never a panic."""

import dgm
import numpy as np
import pytest
from numpy.testing import assert_array_equal

sparse = pytest.importorskip("scipy.sparse")
pytest.importorskip("sklearn", minversion="1.6")
from dgm import sklearn as estimators  # noqa: E402

X = dgm.bars_and_stripes(3)
Y = np.arange(len(X)) % 2
KINDS = [dgm.RBM, dgm.SBN, dgm.DBM, dgm.DBN]


@pytest.fixture(scope="module")
def rbm():
    return dgm.RBM.fit(X, hidden=3, epochs=1, seed=1)


@pytest.fixture(scope="module")
def sbn():
    return dgm.SBN.fit(X, hidden=[3], epochs=1, seed=1)


@pytest.fixture(scope="module")
def classifier():
    return dgm.Classifier.fit(X, Y, hidden=[3], epochs=1, seed=1)


def fit(X=X, y=None, **arguments):
    return dgm.RBM.fit(X, y, **{"hidden": 3, "epochs": 1, **arguments})


def with_value(value, dtype=np.float64):
    rows = X.astype(dtype)
    rows[2, 5] = value
    return rows


ROWS = {
    "one_dimension": (X[0], "X has 1 dimensions"),
    "three_dimensions": (X[None], "X has 3 dimensions"),
    "a_scalar": (3, "X has 0 dimensions"),
    "no_rows": (X[:0], r"X has 0 sample\(s\)"),
    "no_columns": (X[:, :0], r"X has 0 feature\(s\)"),
    "nan": (with_value(np.nan), "X has NaN at row 3, column 6"),
    "infinity": (with_value(np.inf), "X has infinity at row 3, column 6"),
    "minus_infinity": (with_value(-np.inf, np.float32), "X has infinity at row 3, column 6"),
    "above_one": (with_value(2.0), "X: value 2 at row"),
    "below_zero": (with_value(-0.5), "X: value -0.5 at row"),
    "integers_above_one": (with_value(3, np.int64), "X: value 3 at row"),
    "beyond_float32": (with_value(1e300), "X"),
    "complex": (X + 0j, "X has type complex128"),
    "text": (X.astype(str), "X has type <U"),
    "bytes": (X.astype("S1"), r"X has type \|S1"),
    "dates": (X.astype("datetime64[D]"), "X has type datetime64"),
    "objects": (np.array([[object()] * 9] * 4), "X holds objects"),
    "objects_with_text": (np.array([["a"] * 9] * 4, dtype=object), "X holds objects"),
    "ragged": ([[0, 1], [1]], "X"),
    "none": (None, "X"),
    "dictionary": ({"a": 1}, "X"),
    "sparse_nan": (sparse.csr_array(with_value(np.nan)), "X has NaN at row 3, column 6"),
    "sparse_above_one": (sparse.csr_array(with_value(2.0)), "X: value 2 at row"),
    "sparse_complex": (sparse.csr_array(X + 0j), "X has type complex128"),
    "sparse_without_rows": (sparse.csr_array((0, 9)), r"X has shape \(0, 9\)"),
}


@pytest.mark.parametrize("kind", [*KINDS, dgm.Classifier])
@pytest.mark.parametrize("name", ROWS)
def test_rejects_rows(kind, name):
    rows, message = ROWS[name]
    hidden = 3 if kind is dgm.RBM else [3]
    y = None if kind is not dgm.Classifier else np.zeros(np.shape(rows)[0] if getattr(rows, "shape", ()) else 1, int)
    with pytest.raises(ValueError, match=message):
        kind.fit(rows, y, hidden=hidden, epochs=1)


ARGUMENTS = {
    "negative_seed": ({"seed": -1}, "seed is -1"),
    "large_seed": ({"seed": 2**63}, "seed is 9223372036854775808"),
    "fractional_seed": ({"seed": 1.5}, "seed is 1.5"),
    "seed_of_truth": ({"seed": True}, "seed is True"),
    "no_threads": ({"n_threads": 0}, "n_threads is 0, allowed"),
    "negative_threads": ({"n_threads": -1}, "n_threads is -1"),
    "many_threads": ({"n_threads": 10**6}, "n_threads is 1000000"),
    "fractional_threads": ({"n_threads": 1.5}, "n_threads is 1.5"),
    "unknown_setting": ({"hiden": 3}, "unknown field `hiden`, expected one of `hidden`, `visible`"),
    "no_hidden_units": ({"hidden": 0}, "`hidden` is 0, allowed: 1 or more"),
    "negative_hidden_units": ({"hidden": -1}, "hidden is -1"),
    "hidden_units_as_list": ({"hidden": [3]}, r"hidden is \[3\]"),
    "hidden_units_as_text": ({"hidden": "many"}, "hidden is 'many'"),
    "hidden_units_of_truth": ({"hidden": True}, "hidden is True"),
    "more_hidden_units_than_memory": ({"hidden": 10**12}, "training 10000000000009 parameters takes about .* MiB"),
    "more_chains_than_memory": ({"chains": 10**12}, "`chains` 1000000000000"),
    "no_epochs": ({"epochs": 0}, "`epochs` is 0"),
    "no_batch": ({"batch_size": 0}, "`batch_size` is 0"),
    "fractional_batch": ({"batch_size": 2.5}, "batch_size is 2.5"),
    "rate_as_text": ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
    "visible_as_number": ({"visible": 3}, "visible is 3"),
    "truth_as_number": ({"centred": 2}, "centred is 2"),
    "rate_of_zero": ({"learning_rate": 0}, "`learning_rate` is 0"),
    "rate_of_nan": ({"learning_rate": np.nan}, "`learning_rate` is NaN"),
    "unknown_algorithm": ({"algorithm": "backpropagation"}, "unknown algorithm `backpropagation`; known: cd, pcd"),
    "unknown_visible": ({"visible": "poisson"}, "poisson"),
    "unknown_rule": ({"stop_on": "boredom"}, "unknown rule of early stopping `boredom`; known: never"),
    "no_patience": ({"patience": 0}, "patience is 0"),
    "no_evaluations": ({"evaluate_every": 0}, "evaluate_every is 0"),
    "rows_of_evaluations": ({"evaluate_rows": -1}, "evaluate_rows is -1"),
    "unknown_binarisation": ({"binarize": "often"}, "unknown binarisation `often`"),
    "binarisation_by_list": ({"binarize": [1]}, r"binarize is \[1\]"),
    "threshold_of_nan": ({"binarize": np.nan}, "binarize is nan"),
    "threshold_of_numbers": ({"binarize": 0.5, "visible": "gaussian"}, "binarize is given"),
    "weights_of_wrong_length": ({"sample_weight": np.ones(3)}, "sample_weight.* has length 3, expected 14"),
    "weights_of_two_dimensions": ({"sample_weight": np.ones((14, 1))}, "sample_weight has shape"),
    "negative_weights": ({"sample_weight": -np.ones(14)}, "sample_weight.* is -1 in row 1"),
    "weights_of_zero": ({"sample_weight": np.zeros(14)}, "sample_weight.* is 0 in every row"),
    "weights_as_text": ({"sample_weight": ["a"] * 14}, "sample_weight"),
    "validation_of_other_width": ({"X_val": X[:, :4]}, "X_val has 4 features, but X has 9"),
    "validation_with_nan": ({"X_val": with_value(np.nan)}, "X_val has NaN at row 3, column 6"),
    "image_of_other_size": ({"image": (2, 2)}, "`image` has pixels 4, expected 9"),
    "no_model_to_start_from": ({"start": 3}, "start is 3"),
    "no_function_to_call": ({"callback": 3}, "callback is 3"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_rejects_arguments(name):
    arguments, message = ARGUMENTS[name]
    with pytest.raises((ValueError, TypeError), match=message):
        fit(**arguments)


LABELS = {
    "wrong_length": (Y[:3], r"y has shape \(3,\), expected \(14,\)"),
    "two_dimensions": (Y[:, None], r"y has shape \(14, 1\)"),
    "negative": (Y - 1, "y has values of -1 to 0, allowed: 0 to 65535"),
    "large": (Y * 70_000, "y has values of 0 to 70000"),
    "fractions": (Y + 0.5, "y has type float64, allowed: classes as integers"),
    "nan": (np.where(Y == 0, np.nan, 1.0), "y has type float64"),
    "text": (np.array(["a", "b"])[Y], "y has type <U1"),
    "objects": (Y.astype(object), "y has type object"),
    "none": (None, "no labels|labels"),
}


@pytest.mark.parametrize("name", LABELS)
def test_rejects_labels(name):
    labels, message = LABELS[name]
    with pytest.raises(ValueError, match=message):
        dgm.Classifier.fit(X, labels, hidden=[3], epochs=1)


def test_rejects_labels_beyond_the_classes():
    with pytest.raises(ValueError, match="label 5, allowed: below 2"):
        dgm.Classifier.fit(X, Y + 5, hidden=[3], classes=2, epochs=1)
    with pytest.raises(ValueError, match="label 5, allowed: below 2"):
        fit(y=Y + 5, classes=2)


METHODS = {
    "sample_none": (lambda m: m.sample(0), "n is 0"),
    "sample_fraction": (lambda m: m.sample(2.5), "n is 2.5"),
    "sample_negative_seed": (lambda m: m.sample(2, seed=-1), "seed is -1"),
    "sample_negative_steps": (lambda m: m.sample(2, steps=-1), "steps is -1"),
    "sample_more_than_memory": (lambda m: m.sample(10**12), "MiB"),
    "sample_no_threads": (lambda m: m.sample(2, n_threads=0), "n_threads is 0"),
    "sample_method": (lambda m: m.sample(2, method="guess"), "guess"),
    "sample_beta": (lambda m: m.sample(2, beta=2.0), "beta"),
    "sample_classes": (lambda m: m.sample(2, classes=[0]), "class"),
    "clamp_width": (lambda m: m.sample(2, clamp=np.zeros((1, 4))), "clamp has 4 features"),
    "clamp_text": (lambda m: m.sample(2, clamp=[["a"] * 9]), "clamp|X has type"),
    "chains_none": (lambda m: m.chains(0), "n is 0"),
    "width": (lambda m: m.log_prob(X[:, :4]), "X has 4 features, but the model has 9"),
    "free_energy_width": (lambda m: m.free_energy(np.zeros((2, 10))), "X has 10 features"),
    "nan": (lambda m: m.free_energy(with_value(np.nan)), "X has NaN"),
    "range": (lambda m: m.log_prob(with_value(7.0)), "X: value 7"),
    "gibbs_name": (lambda m: m.gibbs(X[0]), "v has 1 dimensions"),
    "gibbs_steps": (lambda m: m.gibbs(X, -1), "steps is -1"),
    "posterior_method": (lambda m: m.posterior_mean(X, method="gibbs"), "gibbs|exact"),
    "posterior_samples": (lambda m: m.posterior_mean(X, samples=0), "samples is 0"),
    "missing_shape": (lambda m: m.complete(X, missing=np.zeros(4, bool)), r"missing has shape \(4,\)"),
    "missing_values": (lambda m: m.complete(X, missing=np.full(9, 0.5)), "missing has other values"),
    "complete_chains": (lambda m: m.complete(X, missing=[1] + [0] * 8, chains=0), "chains is 0"),
    "complete_method": (lambda m: m.complete(X, missing=[1] + [0] * 8, method="guess"), "method is guess"),
    "evaluation_setting": (lambda m: m.evaluate(X, ais_run=3), "unknown setting `ais_run` of an evaluation; known"),
    "evaluation_text": (lambda m: m.evaluate(X, exact=3), "exact is 3"),
    "evaluation_exact": (lambda m: m.evaluate(X, exact="maybe"), "maybe"),
    "evaluation_schedule": (lambda m: m.evaluate(X, exact="no", schedule="steep"), "schedule is steep"),
    "evaluation_count": (lambda m: m.evaluate(X, ais_runs="many"), "ais_runs is 'many'"),
    "evaluation_memory": (lambda m: m.evaluate(X, exact="no", ais_runs=10**12), "MiB"),
    "weights_layer": (lambda m: m.weights(1), "l is 1|layer is 1"),
    "bias_layer": (lambda m: m.bias(-1), "layer is -1"),
    "convert": (lambda m: m.convert("transformer"), "transformer"),
    "classes": (lambda m: m.log_class_probs(X), "label units"),
    "save_form": (lambda m: m.save("model.txt"), "model.txt|txt"),
}


@pytest.mark.parametrize("name", METHODS)
def test_rejects_calls(name, rbm):
    call, message = METHODS[name]
    with pytest.raises(ValueError, match=message):
        call(rbm)


def test_rejects_calls_of_other_models(sbn, classifier):
    with pytest.raises(AttributeError, match="gibbs"):
        sbn.gibbs(X)
    with pytest.raises(ValueError, match="X has 4 features"):
        sbn.log_prob(X[:, :4])
    with pytest.raises(ValueError, match="X has 4 features"):
        classifier.predict(X[:, :4])
    with pytest.raises(TypeError, match="made by `fit`"):
        dgm.RBM()


def test_rejects_files(tmp_path, rbm):
    good = tmp_path / "good.gm"
    rbm.save(good)
    content = good.read_bytes()
    bad = {
        "empty.gm": b"",
        "text.gm": b"this is no model",
        "text.npz": b"this is no model",
        "text.safetensors": b"this is no model",
        "text.json": b"[1, 2, 3]",
        "truncated.gm": content[: len(content) // 2],
        "headless.gm": content[10:],
        "longer.gm": content + b"more",
        "flipped.gm": content[:40] + bytes([content[40] ^ 255]) + content[41:],
    }
    for name, damaged in bad.items():
        path = tmp_path / name
        path.write_bytes(damaged)
        with pytest.raises(dgm.ModelFileError, match=r"\w+"):
            dgm.load(path)
        with pytest.raises(dgm.ModelFileError):
            dgm.RBM.load(str(path))
    with pytest.raises(FileNotFoundError, match="absent"):
        dgm.load(tmp_path / "absent.gm")
    with pytest.raises(OSError):
        dgm.load(tmp_path)
    with pytest.raises(dgm.ModelFileError, match="holds a model of kind rbm, expected sbn"):
        dgm.SBN.load(good)
    with pytest.raises(TypeError):
        dgm.load(3)


def test_rejects_parameters():
    zeros = {"weights.0": np.zeros((4, 3)), "bias.0": np.zeros(4), "bias.1": np.zeros(3)}
    bad = {
        "absent": {"weights.0": np.zeros((4, 3)), "bias.0": np.zeros(4)},
        "shape": {**zeros, "bias.1": np.zeros(5)},
        "nan": {**zeros, "bias.0": np.full(4, np.nan)},
        "dimensions": {**zeros, "weights.0": np.zeros(12)},
        "empty": {},
    }
    for arrays in bad.values():
        with pytest.raises(ValueError):
            dgm.RBM.from_arrays(arrays)
    with pytest.raises(ValueError, match="poisson"):
        dgm.RBM.from_arrays(zeros, visible="poisson")


ESTIMATORS = {
    "rows": (lambda: estimators.RBM(3).fit(with_value(2.0)), "X has a value of 2.0, allowed: 0 to 1.*`binarize`"),
    "validation_rows": (lambda: estimators.RBM(3).fit(X, X_val=with_value(2.0)), "X_val has a value of 2.0"),
    "binarize": (lambda: estimators.RBM(3, binarize="often").fit(X), "unknown binarisation `often`"),
    "binarize_type": (lambda: estimators.RBM(3, binarize=[1]).fit(X), r"binarize is \[1\]"),
    "binarize_gaussian": (lambda: estimators.RBM(3, visible="gaussian", binarize=0.5).fit(X), "binarize is given"),
    "n_components": (lambda: estimators.RBM(0).fit(X), "n_components is 0"),
    "n_components_type": (lambda: estimators.BernoulliRBM(2.5).fit(X), "n_components is 2.5"),
    "n_components_memory": (lambda: estimators.RBM(10**12).fit(X), "MiB"),
    "n_iter": (lambda: estimators.SBN((3,), n_iter=0).fit(X), "n_iter is 0"),
    "hidden_layer_sizes": (lambda: estimators.DBM((3, 0)).fit(X), "hidden_layer_sizes is 0"),
    "hidden_layer_sizes_type": (lambda: estimators.DBN("many").fit(X), "hidden_layer_sizes is 'many'"),
    "no_layers": (lambda: estimators.DBN(()).fit(X), "`hidden`"),
    "batch_size": (lambda: estimators.RBM(3, batch_size=0).fit(X), "`batch_size` is 0"),
    "learning_rate": (lambda: estimators.RBM(3, learning_rate=-1.0).fit(X), "`learning_rate` is -1"),
    "algorithm": (lambda: estimators.SBN((3,), algorithm="pcd").fit(X), "pcd"),
    "settings": (lambda: estimators.RBM(3, settings=3).fit(X), "settings is 3"),
    "unknown_setting": (lambda: estimators.RBM(3, settings={"hiden": 3}).fit(X), "unknown field `hiden`, expected"),
    "setting_twice": (lambda: estimators.RBM(3, settings={"hidden": 3}).fit(X), "settings has 'hidden'.*n_components"),
    "labels": (lambda: estimators.RBM(3, settings={"labels": True}).fit(X, Y), "settings has 'labels'"),
    "random_state": (lambda: estimators.RBM(3, random_state=-1).fit(X), "random_state is -1"),
    "random_state_type": (lambda: estimators.RBM(3, random_state="a").fit(X), "seed"),
    "n_threads": (lambda: estimators.RBM(3, n_threads=0).fit(X), "n_threads is 0"),
    "verbose": (lambda: estimators.RBM(3, verbose="loud").fit(X), "verbose is 'loud'"),
    "callback": (lambda: estimators.RBM(3, callback=3).fit(X), "callback is 3"),
    "early_stopping": (lambda: estimators.RBM(3, early_stopping=3).fit(X), "early_stopping is 3"),
    "rule": (lambda: estimators.RBM(3, early_stopping="boredom").fit(X), "unknown rule of early stopping `boredom`"),
    "fraction": (lambda: estimators.RBM(3, early_stopping=True, validation_fraction=1.0).fit(X), "validation_fraction"),
    "no_change": (lambda: estimators.RBM(3, n_iter_no_change=0).fit(X), "n_iter_no_change is 0"),
    "layer": (lambda: estimators.SBN((3,), n_iter=1, layer=1).fit_transform(X), "layer is 1, allowed: -1 to 0"),
    "evaluation": (lambda: estimators.RBM(3, n_iter=1, evaluation={"a": 1}).fit(X).score(X), "unknown setting `a`"),
    "evaluation_type": (lambda: estimators.RBM(3, n_iter=1, evaluation=3).fit(X).score(X), "evaluation is 3"),
    "posterior": (lambda: estimators.DBM((3,), n_iter=1, posterior="guess").fit_transform(X), "guess"),
    "width": (lambda: estimators.RBM(3, n_iter=1).fit(X).transform(X[:, :4]), "X has 4 features, but RBM is expecting"),
    "partial_width": (lambda: estimators.RBM(3).partial_fit(X).partial_fit(X[:, :4]), "X has 4 features"),
    "sample_weight": (lambda: estimators.RBM(3).fit(X, sample_weight=[1, 2]), "sample_weight"),
    "samples": (lambda: estimators.RBM(3, n_iter=1).fit(X).sample(0), "n_samples is 0"),
    "one_class": (lambda: estimators.Classifier().fit(X, np.zeros(14)), "1 class"),
    "class_count": (lambda: estimators.Classifier().fit(X, Y[:3]), "y has 3 labels"),
    "no_labels": (lambda: estimators.Classifier().fit(X, None), "requires y"),
    "real_labels": (lambda: estimators.Classifier().fit(X, Y + 0.5), "Unknown label type"),
    "new_label": (lambda: estimators.Classifier().partial_fit(X, Y).partial_fit(X, Y + 1), "y has the label 2"),
    "validation_labels": (lambda: estimators.Classifier().fit(X, Y, X, Y[:3]), "y_val has 3 labels"),
    "no_validation_labels": (lambda: estimators.Classifier().fit(X, Y, X), "y_val is None"),
    "start": (lambda: estimators.Classifier(start=3).fit(X, Y), "start is 3"),
    "start_of_other_width": (lambda: estimators.Classifier(start=fit(X[:, :4])).fit(X, Y), "4|start"),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_rejects_estimators(name):
    call, message = ESTIMATORS[name]
    with pytest.raises(ValueError, match=message):
        call()


def read_only(rows):
    rows = rows.copy()
    rows.flags.writeable = False
    return rows


class Wrapped:
    """Rows that only say how to become an array."""

    def __init__(self, rows):
        self.rows = rows

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype=dtype)


ONES = sparse.csr_array(X)
WIDE = np.zeros((2 * len(X), 18), np.uint8)
WIDE[::2, ::2] = X
GOOD = {
    "read_only": read_only(X),
    "read_only_float": read_only(X.astype(np.float64)),
    "fortran_order": np.asfortranarray(X),
    "fortran_order_float": np.asfortranarray(X.astype(np.float32)),
    "every_second": WIDE[::2, ::2],
    "reversed": X[::-1][::-1],
    "bool": X.astype(bool),
    "int8": X.astype(np.int8),
    "int64": X.astype(np.int64),
    "uint16": X.astype(np.uint16),
    "float16": X.astype(np.float16),
    "float32": X.astype(np.float32),
    "float64": X.astype(np.float64),
    "longdouble": X.astype(np.longdouble),
    "big_endian": X.astype(">f8"),
    "objects_that_are_numbers": X.astype(object),
    "list": X.tolist(),
    "array_like": Wrapped(X),
    "memory_view": memoryview(np.ascontiguousarray(X)),
    "csr": sparse.csr_array(X),
    "csc": sparse.csc_array(X),
    "coo": sparse.coo_array(X),
    "csr_matrix_of_float": sparse.csr_matrix(X.astype(np.float64)),
    "csr_of_bool": sparse.csr_array(X.astype(bool)),
    "csr_of_long_indices": sparse.csr_array(
        (ONES.data, ONES.indices.astype(np.int64), ONES.indptr.astype(np.int64)), shape=X.shape
    ),
}


def explicit_zeros():
    rows = sparse.csr_array(np.ones_like(X))
    rows.data = X.ravel().copy()
    return rows


@pytest.mark.parametrize("name", [*GOOD, "explicit_zeros"])
def test_takes_rows_in_any_form(name):
    rows = explicit_zeros() if name == "explicit_zeros" else GOOD[name]
    expected = fit(seed=3)
    assert fit(rows, seed=3) == expected
    assert_array_equal(expected.free_energy(rows), expected.free_energy(X))


def test_leaves_the_rows_as_they_are():
    for dtype in (np.uint8, np.float32, np.float64):
        rows = X.astype(dtype)
        fit(rows, binarize=0.5)
        estimators.BernoulliRBM(3, n_iter=1).fit(rows).score_samples(rows)
        assert_array_equal(rows, X)


def test_one_row_and_one_unit():
    assert fit(X[:1]).layers == [9, 3]
    assert fit(X[:, :1]).layers == [1, 3]
    assert fit(X[:1, :1], hidden=1).sample(1).shape == (1, 1)


def test_grey_levels_mean_the_same_in_bytes_and_in_numbers():
    levels = np.random.RandomState(1).randint(0, 256, (20, 9)).astype(np.uint8)
    assert fit(levels, seed=1, epochs=1) == fit(levels, seed=1, epochs=1)
    weights = fit(levels, seed=1).weights() - fit((levels / 255).astype(np.float32), seed=1).weights()
    assert abs(weights).max() < 1e-3
