"""The scripts of examples/python, each run as a new user would run it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import dgm
import pytest

FOLDER = Path(__file__).parents[3] / "examples" / "python"

pytest.importorskip("sklearn")


def run(name, tmp_path):
    """Run a script in an empty folder, and return what it prints."""
    begun = time.perf_counter()
    found = subprocess.run(
        [sys.executable, "-W", "error", FOLDER / name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(dgm.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert list(tmp_path.iterdir()) == []
    print(f"{name}: {time.perf_counter() - begun:.1f} s\n{found.stdout}")
    return found.stdout


def test_all_scripts_are_here():
    tested = {"digits_features.py", "four_models.py", "likelihood.py", "missing_values.py"}
    assert {path.name for path in FOLDER.glob("*.py")} == tested


def test_digits_features(tmp_path):
    text = run("digits_features.py", tmp_path)
    errors = {name: float(rate) for name, rate in re.findall(r"^(\S.*?)\s+\d+\s+([\d.]+)%", text, re.MULTILINE)}
    assert errors["hidden units of an RBM"] < errors["pixels"] - 5


def test_likelihood(tmp_path):
    text = run("likelihood.py", tmp_path)
    assert "The interval of the small RBM holds the exact value." in text
    assert "mean log p" in text and "effective sample size" in text and "No warnings." in text


def test_four_models(tmp_path):
    text = run("four_models.py", tmp_path)
    rows = re.findall(r"^([RSD]B[NM]) .*? (-[\d.]+)  (-[\d.]+) to (\S+) +(\w+)", text, re.MULTILINE)
    assert [(name, side) for name, *_, side in rows] == [
        ("RBM", "estimate"),
        ("SBN", "lower"),
        ("DBM", "lower"),
        ("DBN", "lower"),
    ]
    assert [high == "open" for *_, high, _ in rows] == [False, True, True, True]
    independent = float(re.search(r"Independent pixels, for comparison: (\S+)", text).group(1))
    assert all(independent + 3 < float(value) < -15 for _, value, *_ in rows)


def test_missing_values(tmp_path):
    text = run("missing_values.py", tmp_path)
    rows = re.findall(r"the (mean|RBM) +([\d.]+)% +([\d.]+)", text)
    assert [name for name, *_ in rows] == ["mean", "RBM"] * 2
    for (_, wrong_mean, nats_mean), (_, wrong, nats) in (rows[:2], rows[2:]):
        assert float(wrong) < 0.8 * float(wrong_mean) and float(nats) < 0.9 * float(nats_mean)
