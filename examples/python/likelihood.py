"""A likelihood that one can publish: a number, its interval, and what speaks against it.

log p of an RBM needs log Z, a sum over more states than can be enumerated. Three estimates meet here: annealing, which
errs towards too high a log p, and RAISE and reverse annealing, which err towards too low a log p. A small RBM, whose
log Z can be enumerated, shows that the interval holds the truth.

Needs `pip install 'dgm[sklearn]'`, for the digits.
"""

import dgm

X, _ = dgm.load_digits()
train, test = X[:1500], X[1500:]
effort = {"temperatures": 2000, "raise_walks": 20, "reverse_runs": 50, "tempering_sweeps": 300}


def fitted(hidden):
    return dgm.RBM.fit(train, hidden=hidden, epochs=30, batch_size=20, chains=100, seed=1)


def row(name, report):
    """A row of the table: log Z and mean log p, each with its interval."""
    parts = report.log_partition, report.mean_log_prob
    texts = [f"{p.value:.3f}" + ("" if p.side == "exact" else f", {p.low:.3f} to {p.high:.3f}") for p in parts]
    print(f"{name:<28}{texts[0]:<31}{texts[1]}")


print(f"{'model':<28}{'log Z':<31}{'mean log p of a test row, nats'}")
small = fitted(12)
exact = small.evaluate(test)
row("12 hidden, enumerated", exact)
annealed = small.evaluate(test, exact="no", seed=2, **effort)
row("12 hidden, annealed", annealed)
report = fitted(100).evaluate(test, seed=2, **effort)
row("100 hidden, annealed", report)

held = annealed.low <= exact.value <= annealed.high
print(f"\nThe interval of the small RBM {'holds' if held else 'DOES NOT HOLD'} the exact value.")
print(f"\nThe whole report of the large one:\n\n{report}\n")
print(f"{len(report.warnings)} warnings: do not publish this number yet." if report.warnings else "No warnings.")
