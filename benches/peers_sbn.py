"""Times an update of a sigmoid belief net by reweighted wake-sleep, written with PyTorch, beside ours.

Usage: python peers_sbn.py OURS [THREADS], where OURS is the program that benches/src/bin/ours.rs builds.
Needs torch and numpy. `cargo xtask bench --peers PYTHON` calls it.

The settings are ours: a net 784-200-200-200, batches of 100 rows with 13 % ones, 5 hidden states per row, wake and
sleep updates of the recognition net in equal parts, Adam. "autograd" lets PyTorch differentiate two weighted sums of
log-probabilities; "by hand" computes the gradients as dense products, without autograd, which is the least work with
dense products. Every round times both once, so that a slow moment of the computer affects both. The table has medians
over the rounds.
"""

import os
import subprocess
import sys
import time

THREADS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(THREADS)

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

LAYERS, BATCH, SAMPLES = [784, 200, 200, 200], 100, 5
ROUNDS, CALLS = 5, 31
RATE = 1e-6


def milliseconds(call):
    """Median time of a call after three calls to warm up."""
    for _ in range(3):
        call()
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def parameters():
    """Generative weights [below, above] and biases, then those of the recognition net."""
    pairs = list(zip(LAYERS, LAYERS[1:]))
    weights = [torch.randn(n, m) / m**0.5 for n, m in pairs]
    biases = [torch.full((LAYERS[0],), -1.9)] + [torch.zeros(m) for m in LAYERS[1:]]
    recognition = [torch.randn(n, m) / n**0.5 for n, m in pairs]
    recognition_biases = [torch.zeros(m) for m in LAYERS[1:]]
    return weights, biases, recognition, recognition_biases


def draw(logits):
    return (torch.rand_like(logits) < torch.sigmoid(logits)).float()


def log_bernoulli(logits, x):
    return -binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


def autograd(data):
    """An update whose gradients PyTorch derives."""
    w, b, r, c = parameters()
    everything = [p.requires_grad_() for p in w + b + r + c]
    optimiser = torch.optim.Adam(everything, lr=RATE)
    depth = len(w)

    def generative(layers):
        total = log_bernoulli(b[-1].expand_as(layers[-1]), layers[-1])
        for l in range(depth):
            total = total + log_bernoulli(torch.addmm(b[l], layers[l + 1], w[l].t()), layers[l])
        return total

    def recognised(layers):
        return sum(log_bernoulli(torch.addmm(c[l], layers[l], r[l]), layers[l + 1]) for l in range(depth))

    def step():
        with torch.no_grad():
            layers = [data.repeat_interleave(SAMPLES, 0)]
            for l in range(depth):
                layers.append(draw(torch.addmm(c[l], layers[l], r[l])))
            dreams = [draw(b[-1].expand(BATCH, -1))]
            for l in reversed(range(depth)):
                dreams.insert(0, draw(torch.addmm(b[l], dreams[0], w[l].t())))
        log_p, log_q = generative(layers), recognised(layers)
        weights = torch.softmax((log_p - log_q).detach().view(BATCH, SAMPLES), 1).view(-1)
        loss = -(weights * log_p).sum() / BATCH
        loss = loss - 0.5 * (weights * log_q).sum() / BATCH - 0.5 * recognised(dreams).sum() / BATCH
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def by_hand(data):
    """An update with gradients written by hand."""
    w, b, r, c = parameters()
    everything = w + b + r + c
    for p in everything:
        p.grad = torch.zeros_like(p)
    optimiser = torch.optim.Adam(everything, lr=RATE)
    depth = len(w)

    def score(logits, x):
        """log Ber(x; sigmoid(logits)) of each row, and its derivative by the logits."""
        return logsigmoid((2 * x - 1) * logits).sum(1), x - torch.sigmoid(logits)

    @torch.no_grad()
    def step():
        first = torch.addmm(c[0], data, r[0]).repeat_interleave(SAMPLES, 0)
        layers, log_q, q_scores = [data.repeat_interleave(SAMPLES, 0)], 0, []
        for l in range(depth):
            logits = first if l == 0 else torch.addmm(c[l], layers[l], r[l])
            layers.append(draw(logits))
            total, residual = score(logits, layers[l + 1])
            log_q, q_scores = log_q + total, q_scores + [residual]
        log_p, residual = score(b[-1].expand_as(layers[-1]), layers[-1])
        p_scores = [residual]
        for l in reversed(range(depth)):
            total, residual = score(torch.addmm(b[l], layers[l + 1], w[l].t()), layers[l])
            log_p, p_scores = log_p + total, [residual] + p_scores
        weights = torch.softmax((log_p - log_q).view(BATCH, SAMPLES), 1).view(-1, 1) / BATCH
        dreams = [draw(b[-1].expand(BATCH, -1))]
        for l in reversed(range(depth)):
            dreams.insert(0, draw(torch.addmm(b[l], dreams[0], w[l].t())))
        for l in range(depth + 1):
            weighted = weights * p_scores[l]
            torch.sum(weighted, 0, out=b[l].grad).neg_()
            if l < depth:
                torch.mm(weighted.t(), layers[l + 1], out=w[l].grad).neg_()
        for l in range(depth):
            wake = 0.5 * weights * q_scores[l]
            below = layers[l]
            if l == 0:
                wake, below = wake.view(BATCH, SAMPLES, -1).sum(1), data
            dream = dreams[l + 1] - torch.sigmoid(torch.addmm(c[l], dreams[l], r[l]))
            dream *= 0.5 / BATCH
            torch.mm(below.t(), wake, out=r[l].grad).addmm_(dreams[l].t(), dream).neg_()
            c[l].grad.copy_(wake.sum(0).add_(dream.sum(0)).neg_())
        optimiser.step()

    return step


def ours(program):
    """Milliseconds of our own update."""
    out = subprocess.run([program, str(THREADS), "sbn"], check=True, capture_output=True, text=True).stdout
    return float(out.rsplit(" ", 1)[1])


def main():
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    data = (torch.rand(BATCH, LAYERS[0]) < 0.13).float()
    calls = {"PyTorch, autograd": autograd(data), "PyTorch, by hand": by_hand(data)}
    times, own = {name: [] for name in calls}, []
    for _ in range(ROUNDS):
        own.append(ours(sys.argv[1]))
        for name, call in calls.items():
            times[name].append(milliseconds(call))
    mine = float(np.median(own))
    print(f"{THREADS} threads, {LAYERS}, batches of {BATCH}, {SAMPLES} states per row, medians of {ROUNDS} rounds\n")
    print("| update by reweighted wake-sleep | milliseconds | ours is faster by |\n|---|---|---|")
    print(f"| this project | {mine:.2f} | |")
    for name, measured in times.items():
        value = float(np.median(measured))
        print(f"| {name} | {value:.2f} | {value / mine:.1f} |")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
