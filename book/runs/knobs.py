"""Which settings of RFM matter? One changed at a time, on the clock and on two tables.

"clock" is + modulo 31 on half of the table. "diabetes" (442 patients, 10 measurements, how far the
disease is a year later) and "cancer" (569 samples of tissue, 30 measurements, benign or not) come
with scikit-learn; their inputs are scaled to mean 0 and standard deviation 1 on the training part,
as is the target of "diabetes", and bandwidths are in parts of the median distance between training
rows. A fifth of the rows is for testing.

A record per step: `score`, the accuracy on the test part, for "diabetes" the share R² of its
variance that is explained; and `trace`, that of the feature matrix. A run whose system is singular
has a single record, without either.
"""

from typing import Any

import torch
from sklearn.datasets import load_breast_cancer, load_diabetes
from torch import Tensor

from rfm_tutorial import RFM, GaussianKernel, LaplaceKernel, ModularTask, QuadraticKernel
from rfm_tutorial.linalg import SingularKernelError

KERNELS = {
    "gaussian": GaussianKernel,
    "laplace": LaplaceKernel,
    "quadratic": lambda bandwidth: QuadraticKernel(),
}
COMMON = {"kernel": "gaussian", "agop_power": 0.5}
BASES: dict[str, dict[str, Any]] = {
    "clock": {
        **COMMON,
        "bandwidth": 2.5,
        "ridge": 0.0,
        "center_gradients": True,
        "normalization": "none",
    },
    "diabetes": {
        **COMMON,
        "bandwidth": 1.0,
        "ridge": 1.0,
        "center_gradients": False,
        "normalization": "max",
    },
    "cancer": {
        **COMMON,
        "bandwidth": 1.0,
        "ridge": 0.1,
        "center_gradients": False,
        "normalization": "max",
    },
}
"""What works: the settings from which one at a time is changed."""
RIDGES = [0.001, 0.01, 0.1, 1.0, 10.0]
VALUES: dict[str, dict[str, list[Any]]] = {
    "clock": {"bandwidth": [0.5, 1.0, 2.5, 5.0, 10.0], "ridge": [0.0, *RIDGES]},
    "diabetes": {"bandwidth": [0.25, 0.5, 1.0, 2.0, 4.0], "ridge": RIDGES},
    "cancer": {"bandwidth": [0.25, 0.5, 1.0, 2.0, 4.0], "ridge": RIDGES},
}
for values in VALUES.values():
    values |= {
        "agop_power": [0.25, 0.5, 1.0],
        "center_gradients": [True, False],
        "normalization": ["none", "trace", "max"],
        "kernel": ["gaussian", "laplace", "quadratic"],
    }


def settings() -> list[dict[str, Any]]:
    """Each base, and each base with one value changed."""
    found = []
    for data, base in BASES.items():
        found.append({"data": data, "changed": "nothing", **base})
        for name, values in VALUES[data].items():
            found += [
                {"data": data, "changed": name, **base, name: value}
                for value in values
                if value != base[name]
            ]
    # Two at a time: does it take a ridge to a fixed scale?
    fixed = {**BASES["clock"], "normalization": "max"}
    found += [
        {"data": "clock", "changed": "ridge, fixed scale", **fixed, "ridge": ridge}
        for ridge in RIDGES
    ]
    return found


CASES = [{**setting, "seed": seed} for setting in settings() for seed in range(5)]
SAMPLE = {**CASES[-1], "n_iterations": 2}


def scaled(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Both parts, so that the training part has mean 0 and standard deviation 1."""
    mean, size = train.mean(0), train.std(0)
    return (train - mean) / size, (test - mean) / size


def parts(data: str, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """X_train, Y_train, X_test, Y_test."""
    if data == "clock":
        split = ModularTask("add", 31).split(0.5, seed)
        return split.X_train, split.Y_train, split.X_test, split.Y_test
    loaded = {"diabetes": load_diabetes, "cancer": load_breast_cancer}[data](return_X_y=True)
    X, y = (torch.tensor(values, dtype=torch.float64) for values in loaded)
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(seed))
    test, train = order[: len(X) // 5], order[len(X) // 5 :]
    X_train, X_test = scaled(X[train], X[test])
    if data == "cancer":
        one_hot = torch.eye(2, dtype=torch.float64)[y.long()]
        return X_train, one_hot[train], X_test, one_hot[test]
    Y_train, Y_test = scaled(y[train, None], y[test, None])
    return X_train, Y_train, X_test, Y_test


def run(
    data: str,
    changed: str,
    kernel: str,
    agop_power: float,
    bandwidth: float,
    ridge: float,
    center_gradients: bool,
    normalization: str,
    seed: int,
    n_iterations: int | None = None,
) -> list[dict[str, Any]]:
    """One split. `changed` is only a label."""
    X_train, Y_train, X_test, Y_test = parts(data, seed)
    if data != "clock":
        bandwidth *= float(torch.pdist(X_train).median())
    steps = n_iterations or (30 if data == "clock" else 10)
    rfm = RFM(KERNELS[kernel](bandwidth), steps, ridge, agop_power, center_gradients, normalization)
    records: list[dict[str, Any]] = []
    try:
        for step in rfm.iterate(X_train, Y_train):
            scores = step.predict(X_test)
            if data == "diabetes":
                rest = (scores - Y_test).square().sum() / (Y_test - Y_test.mean()).square().sum()
                score = 1 - float(rest)
            else:
                score = float((scores.argmax(1) == Y_test.argmax(1)).double().mean())
            trace = float(step.feature_matrix.trace())
            records.append({"iteration": step.iteration, "score": score, "trace": trace})
    except SingularKernelError:
        return records or [{"iteration": 0, "score": None, "trace": None}]
    return records
