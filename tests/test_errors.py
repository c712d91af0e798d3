"""What a wrong argument is answered: the argument's name, what came, what would be right.

The checks of types and shapes that the other tests switch on are off here, as they are for users.
"""

# One wrong call a line, and each of them of a wrong type.
# ruff: noqa: E501
# pyright: reportArgumentType=false

import math
import re
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import KERNELS_OF_THE_PACKAGE, normal

from rfm_tutorial import (
    RFM,
    Dataset,
    GaussianKernel,
    KernelRidge,
    LaplaceKernel,
    ModularTask,
    NotFittedError,
    QuadraticKernel,
    QuadraticNetwork,
    Task,
    accuracy,
    agop,
    discrete_log_order,
    median_distance,
    network_agop,
    nfa_correlation,
    per_output_agop,
    predictor_agop,
    predictor_fact,
    psd_power,
    random_block_features,
    random_circulant_features,
    train_network,
    transform_inputs,
)
from rfm_tutorial.checks import check_labels, check_matrix
from rfm_tutorial.tasks import MultiTask

pytestmark = pytest.mark.usefixtures("no_type_checks")

X, Y = normal(6, 4), normal(6, 2, seed=1)
Z = normal(3, 4, seed=2)
M = torch.eye(4, dtype=torch.float64)
asymmetric = M + torch.eye(4, dtype=torch.float64).roll(1, 0)
with_nan, with_infinity = X.clone(), X.clone()
with_nan[2, 1] = math.nan
with_infinity[0, 0] = math.inf
TASK = ModularTask("add", 5)
FITTED = KernelRidge(GaussianKernel()).fit(X, Y)
RFM_FITTED = RFM(GaussianKernel(), 1).fit(X, Y)
NAN, INFINITY = math.nan, math.inf


def split_with(seed: object) -> object:
    return TASK.split(seed=seed)


def network_with(seed: object) -> object:
    return QuadraticNetwork(5, 8, seed=seed)


def training_with(seed: object) -> object:
    return train_network(QuadraticNetwork(5, 8), TASK.split(), seed=seed)


def features_with(seed: object) -> object:
    return random_circulant_features("add", 5, seed=seed)


def block_with(seed: object) -> object:
    return random_block_features("add", 5, seed=seed)


def split_on(device: object) -> object:
    return TASK.split(device=device)


def network_on(device: object) -> object:
    return QuadraticNetwork(5, 8, device=device)


def features_on(device: object) -> object:
    return random_circulant_features("add", 5, device=device)


def broken_network() -> QuadraticNetwork:
    network = QuadraticNetwork(5, 8)
    network.input_weight.data.fill_(NAN)
    return network


# For each wrong call: the error must say each of these.
WRONG: dict[str, tuple[Callable[[], object], list[str]]] = {
    # Tables
    "composite modulus": (lambda: ModularTask("div", 60), ["modulus must be prime for 'div'", "60", "59 and 61"]),
    "modulus 1": (lambda: ModularTask("add", 1), ["modulus", "≥ 2", "got 1"]),
    "modulus 0": (lambda: ModularTask("add", 0), ["modulus", "≥ 2", "got 0"]),
    "negative modulus": (lambda: ModularTask("div", -7), ["modulus", "≥ 2", "got -7"]),
    "float modulus": (lambda: ModularTask("add", 7.0), ["modulus", "integer", "got 7.0"]),
    "text modulus": (lambda: ModularTask("add", "7"), ["modulus", "integer", "got '7'"]),
    "true modulus": (lambda: ModularTask("add", True), ["modulus", "integer", "got True"]),
    "modulus NaN": (lambda: ModularTask("add", NAN), ["modulus", "integer", "got nan"]),
    "no modulus": (lambda: ModularTask("add", None), ["modulus", "integer", "got None"]),
    "unknown operation": (lambda: ModularTask("plus", 7), ["operation", "'add', 'sub', 'mul', 'div'", "got 'plus'"]),
    "operation of another type": (lambda: ModularTask(["add"], 7), ["operation", "'add'", "got ['add']"]),
    "operations as a list": (lambda: MultiTask(["add"], 7), ["operations", "tuple", "got ['add']"]),
    "no operations": (lambda: MultiTask((), 7), ["operations", "tuple", "got ()"]),
    "an operation twice": (lambda: MultiTask(("add", "add"), 7), ["operations", "different", "got ('add', 'add')"]),
    "one of the operations unknown": (lambda: MultiTask(("add", "plus"), 7), ["operation", "'add'", "got 'plus'"]),
    "composite modulus of several": (lambda: MultiTask(("add", "div"), 4), ["modulus", "4", "3 and 5"]),
    # Splits
    **{
        f"fraction {fraction}": (
            lambda fraction=fraction: TASK.split(fraction),
            ["train_fraction", "strictly between 0 and 1", f"got {fraction!r}"],
        )
        for fraction in (0, 0.0, 1, 1.0, -0.5, 1.5, NAN, INFINITY, "half", None, True)
    },
    "fraction too small": (lambda: TASK.split(0.001), ["train_fraction", "at least one training row", "0.001", "25 rows"]),
    "negative seed": (lambda: TASK.split(seed=-1), ["seed", "≥ 0", "got -1"]),
    "float seed": (lambda: TASK.split(seed=1.0), ["seed", "integer", "got 1.0"]),
    **{
        f"seed {seed} of {what.__name__}": (
            lambda what=what, seed=seed: what(seed),
            ["seed must be an integer", f"got {seed!r}"],
        )
        for what in (split_with, network_with, training_with, features_with, block_with)
        for seed in (2**64, -1, 1.5, True, None, "0", np.float64(2), torch.tensor(3))
    },
    "no seed": (lambda: TASK.split(seed=None), ["seed", "integer", "got None"]),
    "seed of 65 bits": (lambda: TASK.split(seed=2**64), ["seed", "≤", "got 18446744073709551616"]),
    "half precision": (lambda: TASK.split(dtype=torch.float16), ["dtype", "float32 or torch.float64", "got torch.float16"]),
    "integer dtype": (lambda: TASK.split(dtype=torch.int64), ["dtype", "float32", "got torch.int64"]),
    "dtype as text": (lambda: TASK.split(dtype="float32"), ["dtype", "torch.float32", "got 'float32'"]),
    # Encoding
    "digit too large": (lambda: TASK.encode(torch.tensor([[1, 5]])), ["pairs", "0 … 4", "from 1 to 5"]),
    "negative digit": (lambda: TASK.encode(torch.tensor([[-1, 0]])), ["pairs", "0 … 4", "from -1 to 0"]),
    "float digits": (lambda: TASK.encode(torch.tensor([[1.0, 2.0]])), ["pairs", "int64", "float32"]),
    "one digit pair without rows": (lambda: TASK.encode(torch.tensor([1, 2])), ["pairs", "(n, 2)", "(2,)"]),
    "three digits": (lambda: TASK.encode(torch.tensor([[1, 2, 3]])), ["pairs", "(n, 2)", "(1, 3)"]),
    "digits as a list": (lambda: TASK.encode([[1, 2]]), ["pairs", "torch.Tensor", "list"]),
    "task number too large": (
        lambda: MultiTask(("add", "sub"), 5).encode(torch.tensor([[1, 2]]), torch.tensor([2])),
        ["tasks", "0 … 1", "from 2 to 2"],
    ),
    "one task number too few": (
        lambda: MultiTask(("add",), 5).encode(torch.tensor([[1, 2]]), torch.tensor([]).long()),
        ["tasks", "(1,)", "(0,)"],
    ),
    # Tables and data of one's own
    "table that is not square": (lambda: Task.from_table(torch.zeros(2, 3).long()), ["table must have shape (m, m)", "(2, 3)"]),
    "table of floats": (lambda: Task.from_table(torch.zeros(2, 2)), ["table must be int64 labels", "float32", "table.long()"]),
    "table without a label": (lambda: Task.from_table(torch.full((2, 2), -1)), ["table must have labels from 0 on", "from -1 to -1"]),
    "dataset with a class too many": (lambda: Dataset(X, torch.full((6,), 3), 3), ["y must lie in 0 … 2", "from 3 to 3"]),
    # Kernel parameters
    **{
        f"{name} {value}": (
            lambda kernel=kernel, value=value: kernel(value),
            [name, "positive", f"got {value!r}"],
        )
        for kernel, name in ((GaussianKernel, "bandwidth"), (LaplaceKernel, "bandwidth"), (QuadraticKernel, "scale"))
        for value in (0, 0.0, -1.0, NAN, INFINITY, "2.5", None, True, 1j, torch.tensor(2.5))
    },
    # Inputs of a kernel
    "kernel of a 1-d input": (lambda: GaussianKernel()(X[0], X), ["X must have 2 dimensions", "(4,)", "X[:, None]"]),
    "kernel of a 3-d input": (lambda: GaussianKernel()(X[None], X), ["X must have 2 dimensions", "(1, 6, 4)"]),
    "kernel of a scalar": (lambda: GaussianKernel()(X[0, 0], X), ["X must have 2 dimensions", "()"]),
    "kernel of integers": (lambda: GaussianKernel()(X.long(), X), ["X must be float32 or float64", "torch.int64", "X.double()"]),
    "kernel of booleans": (lambda: GaussianKernel()(X > 0, X), ["X must be float32 or float64", "torch.bool"]),
    "kernel of half precision": (lambda: GaussianKernel()(X.half(), X), ["X must be float32 or float64", "float16"]),
    "kernel of complex numbers": (lambda: GaussianKernel()(X + 0j, X), ["X must be float32 or float64", "complex128"]),
    "kernel of an array": (lambda: GaussianKernel()(X.numpy(), X), ["X must be a torch.Tensor", "ndarray", "torch.as_tensor"]),
    "kernel of a list": (lambda: GaussianKernel()([[1.0]], X), ["X must be a torch.Tensor", "list"]),
    "kernel of nothing": (lambda: GaussianKernel()(None, X), ["X must be a torch.Tensor", "NoneType"]),
    "kernel of the class of tensors": (lambda: GaussianKernel()(torch.Tensor, X), ["X must be a torch.Tensor", "got _TensorMeta"]),
    "kernel of a sparse tensor": (lambda: GaussianKernel()(X.to_sparse(), X), ["X must be a dense tensor", "sparse_coo", "X.to_dense()"]),
    "kernel of no rows": (lambda: GaussianKernel()(X[:0], X), ["X must not be empty", "(0, 4)"]),
    "kernel of no columns": (lambda: GaussianKernel()(X[:, :0], X[:, :0]), ["X must not be empty", "(6, 0)"]),
    "kernel of NaN": (lambda: GaussianKernel()(with_nan, X), ["X must be finite", "NaN", "1 entries"]),
    "kernel of infinity": (lambda: GaussianKernel()(X, with_infinity), ["Z must be finite", "infinity", "1 entries"]),
    "kernel of two widths": (lambda: GaussianKernel()(X, Z[:, :3]), ["Z must have 4 columns", "(3, 3)"]),
    "kernel of two types": (lambda: GaussianKernel()(X, Z.float()), ["Z is torch.float32 but X is torch.float64", "Z.to(X.dtype)"]),
    "kernel of two devices": (lambda: GaussianKernel()(X, Z.to("meta")), ["Z is on meta but X is on cpu", "Z.to(X.device)"]),
    "weights of two widths": (lambda: LaplaceKernel().derivative_weights(X, Z[:, :3]), ["Z must have 4 columns", "(3, 3)"]),
    # Feature matrices
    "feature matrix of another width": (lambda: GaussianKernel()(X, Z, M[:3, :3]), ["feature_matrix must be (4, 4)", "(3, 3)"]),
    "feature matrix that is not square": (lambda: GaussianKernel()(X, Z, M[:, :3]), ["feature_matrix must be (4, 4)", "(4, 3)"]),
    "feature matrix that is a vector": (lambda: GaussianKernel()(X, Z, M[0]), ["feature_matrix must have 2 dimensions", "(4,)"]),
    "feature matrix of another type": (lambda: GaussianKernel()(X, Z, M.float()), ["feature_matrix is torch.float32", "float64"]),
    "feature matrix on another device": (lambda: GaussianKernel()(X, Z, M.to("meta")), ["feature_matrix is on meta", "cpu"]),
    "feature matrix that is not symmetric": (lambda: QuadraticKernel()(X, Z, asymmetric), ["feature_matrix must be symmetric", "by up to 1"]),
    "feature matrix with NaN": (lambda: QuadraticKernel()(X, Z, M * NAN), ["feature_matrix must be finite", "16 entries"]),
    "indefinite feature matrix": (lambda: LaplaceKernel()(X, Z, -M), ["feature_matrix must be positive semidefinite", "from -1 to -1"]),
    "feature matrix as an array": (lambda: LaplaceKernel()(X, Z, M.numpy()), ["feature_matrix must be a torch.Tensor", "ndarray"]),
    # Kernel machines
    "kernel by its class": (lambda: KernelRidge(GaussianKernel), ["kernel must be a kernel object", "GaussianKernel(2.5)", "class"]),
    "kernel by its name": (lambda: KernelRidge("gaussian"), ["kernel must be a kernel object", "got 'gaussian'"]),
    **{
        f"ridge {ridge}": (
            lambda ridge=ridge: KernelRidge(GaussianKernel(), ridge),
            ["ridge", "≥ 0", f"got {ridge!r}"],
        )
        for ridge in (-1e-9, NAN, INFINITY, "0", None, True)
    },
    "one target row too few": (lambda: KernelRidge(GaussianKernel()).fit(X, Y[:5]), ["Y must have 6 rows", "each row of X", "(5, 2)"]),
    "class numbers as targets": (lambda: KernelRidge(GaussianKernel()).fit(X, Y[:, 0]), ["Y must have 2 dimensions", "(6,)", "Y[:, None]"]),
    "integer targets": (lambda: KernelRidge(GaussianKernel()).fit(X, Y.long()), ["Y must be float32 or float64", "int64"]),
    "targets of another type": (lambda: KernelRidge(GaussianKernel()).fit(X, Y.float()), ["Y is torch.float32 but X is torch.float64"]),
    "targets on another device": (lambda: KernelRidge(GaussianKernel()).fit(X, Y.to("meta")), ["Y is on meta but X is on cpu"]),
    "targets with NaN": (lambda: KernelRidge(GaussianKernel()).fit(X, Y * NAN), ["Y must be finite", "12 entries"]),
    "no targets": (lambda: KernelRidge(GaussianKernel()).fit(X, Y[:, :0]), ["Y must not be empty", "(6, 0)"]),
    "no training rows": (lambda: KernelRidge(GaussianKernel()).fit(X[:0], Y[:0]), ["X must not be empty", "(0, 4)"]),
    "training rows with NaN": (lambda: KernelRidge(GaussianKernel()).fit(with_nan, Y), ["X must be finite", "1 entries"]),
    "fit with a wrong feature matrix": (lambda: KernelRidge(GaussianKernel()).fit(X, Y, M[:2, :2]), ["feature_matrix must be (4, 4)", "(2, 2)"]),
    "prediction of a wrong width": (lambda: FITTED.predict(X[:, :3]), ["X must have 4 columns", "(6, 3)"]),
    "prediction of one row without its dimension": (lambda: FITTED.predict(X[0]), ["X must have 2 dimensions", "(4,)"]),
    "prediction of another type": (lambda: FITTED.predict(X.float()), ["X is torch.float32", "training data", "float64"]),
    "prediction on another device": (lambda: FITTED.predict(X.to("meta")), ["X is on meta", "training data", "cpu"]),
    "prediction of NaN": (lambda: FITTED.predict(with_nan), ["X must be finite", "1 entries"]),
    "prediction of nothing": (lambda: FITTED.predict(X[:0]), ["X must not be empty", "(0, 4)"]),
    "leave-one-out before fit": (lambda: KernelRidge(GaussianKernel()).leave_one_out(), ["KernelRidge is not fitted", "fit(X, Y)"]),
    "median of nothing": (lambda: median_distance(X[:0]), ["X must not be empty", "(0, 4)"]),
    "median of a vector": (lambda: median_distance(X[0]), ["X must have 2 dimensions", "(4,)"]),
    "median without numbers": (lambda: median_distance(X.to("meta")), ["X must hold numbers", "meta"]),
    "median of one row": (lambda: median_distance(X, n_rows=1), ["n_rows must be an integer ≥ 2", "got 1"]),
    "median with a seed that is none": (lambda: median_distance(X, seed=-1), ["seed must be an integer ≥ 0", "got -1"]),
    "prediction before fit": (lambda: KernelRidge(GaussianKernel()).predict(X), ["KernelRidge is not fitted", "fit(X, Y)"]),
    # The loop
    "negative number of iterations": (lambda: RFM(GaussianKernel(), -1), ["n_iterations", "≥ 0", "got -1"]),
    "float number of iterations": (lambda: RFM(GaussianKernel(), 3.0), ["n_iterations", "integer", "got 3.0"]),
    "power 0": (lambda: RFM(GaussianKernel(), agop_power=0), ["agop_power", "positive", "got 0"]),
    "power NaN": (lambda: RFM(GaussianKernel(), agop_power=NAN), ["agop_power", "positive", "got nan"]),
    "ridge of the loop": (lambda: RFM(GaussianKernel(), ridge=-1), ["ridge", "≥ 0", "got -1"]),
    "kernel of the loop": (lambda: RFM(None), ["kernel must be a kernel object", "got None"]),
    "centering by a number": (lambda: RFM(GaussianKernel(), center_gradients=1), ["center_gradients", "True or False", "got 1"]),
    "rows of the loop": (lambda: RFM(GaussianKernel()).fit(X, Y[:2]), ["Y must have 6 rows", "(2, 2)"]),
    "types of the loop": (lambda: RFM(GaussianKernel()).fit(X.float(), Y), ["Y is torch.float64 but X is torch.float32"]),
    "integers in the loop": (lambda: RFM(GaussianKernel()).fit(X.long(), Y), ["X must be float32 or float64", "int64"]),
    "validation of one tensor": (lambda: RFM(GaussianKernel()).fit(X, Y, X), ["validation must be a pair (X_test, Y_test)", "one tensor", "(6, 4)"]),
    "validation of three": (lambda: RFM(GaussianKernel()).fit(X, Y, (X, Y, Y)), ["validation must be a pair", "tuple of length 3"]),
    "validation of another width": (lambda: RFM(GaussianKernel()).fit(X, Y, (X[:, :3], Y)), ["validation[0] must have 4 columns", "(6, 3)"]),
    "validation with other rows": (lambda: RFM(GaussianKernel()).fit(X, Y, (X, Y[:2])), ["validation[1] must have 6 rows", "validation[0]", "(2, 2)"]),
    "validation with other outputs": (lambda: RFM(GaussianKernel()).fit(X, Y, (X, Y[:, :1])), ["validation[1] must have 2 columns", "(6, 1)"]),
    "validation of another type": (lambda: RFM(GaussianKernel()).fit(X, Y, (X.float(), Y.float())), ["validation[0] is torch.float32", "float64"]),
    "features of a wrong shape": (
        lambda: RFM(GaussianKernel(), 1).fit(X, Y, on_features=lambda M: M[:2, :2]),
        ["feature_matrix must be (4, 4)", "(2, 2)"],
    ),
    "features that are not PSD": (
        lambda: RFM(GaussianKernel(), 1).fit(X, Y, on_features=lambda M: -M),
        ["feature_matrix must be positive semidefinite"],
    ),
    "features forgotten": (
        lambda: RFM(GaussianKernel(), 1).fit(X, Y, on_features=lambda M: None),
        ["feature_matrix must be a torch.Tensor", "NoneType"],
    ),
    "loop not fitted": (lambda: RFM(GaussianKernel()).predict(X), ["RFM is not fitted", "fit(X, Y)"]),
    "loop saved before fit": (lambda: RFM(GaussianKernel()).save("model"), ["RFM is not fitted", "fit(X, Y)"]),
    "prediction of the loop": (lambda: RFM_FITTED.predict(X[:, :2]), ["X must have 4 columns", "(6, 2)"]),
    # AGOPs
    "AGOP before fit": (lambda: predictor_agop(KernelRidge(GaussianKernel())), ["not fitted", "fit(X, Y)"]),
    "AGOPs before fit": (lambda: per_output_agop(KernelRidge(GaussianKernel())), ["not fitted", "fit(X, Y)"]),
    "FACT before fit": (lambda: predictor_fact(KernelRidge(GaussianKernel())), ["not fitted", "fit(X, Y)"]),
    "AGOP of another width": (lambda: predictor_agop(FITTED, X[:, :3]), ["X must have 4 columns", "(6, 3)"]),
    "AGOP of another type": (lambda: predictor_agop(FITTED, X.float()), ["X is torch.float32", "centres", "float64"]),
    "AGOP over NaN": (lambda: predictor_agop(FITTED, with_nan), ["X must be finite"]),
    "AGOPs of another width": (lambda: per_output_agop(FITTED, X[:, :3]), ["X must have 4 columns", "(6, 3)"]),
    **{
        f"{function.__name__} in chunks of {size}": (
            lambda function=function, size=size: function(FITTED, X, chunk_size=size),
            ["chunk_size", "integer ≥ 1", f"got {size!r}"],
        )
        for function in (predictor_agop, per_output_agop)
        for size in (0, -1, 2.0, True, "4")
    },
    **{
        f"agop in chunks of {size}": (
            lambda size=size: agop(lambda x: x, X, chunk_size=size),
            ["chunk_size", "integer ≥ 1", f"got {size!r}"],
        )
        for size in (0, -1, 2.0, True, "4")
    },
    "agop of one row": (lambda: agop(lambda x: x, X[0]), ["X must have 2 dimensions", "(4,)"]),
    "agop of integers": (lambda: agop(lambda x: x, X.long()), ["X must be float32 or float64", "int64"]),
    "agop over NaN": (lambda: agop(lambda x: x, with_nan), ["X must be finite"]),
    "agop of scores without a column": (lambda: agop(lambda x: x.sum(1), X), ["function must map (n, d) to (n, c)", "(1,)", "(1, 4)", "column"]),
    "agop of one number for all rows": (lambda: agop(lambda x: x.sum(), X), ["function must map (n, d) to (n, c)", "()"]),
    "agop of one row for all": (lambda: agop(lambda x: torch.ones(2, 3).double(), X), ["function must map (n, d) to (n, c)", "(2, 3)"]),
    "agop of a function that gives a tuple": (lambda: agop(lambda x: (x, x), X), ["function must", "tuple"]),
    "agop of a function that gives integers": (lambda: agop(lambda x: x.long(), X), ["function must", "torch.int64"]),
    "agop of a function without outputs": (lambda: agop(lambda x: x[:, :0], X), ["function must", "(1, 0)"]),
    "agop of a number": (lambda: agop(3.0, X), ["function must be a function or a module", "got 3.0"]),
    "agop of a loop": (lambda: agop(RFM_FITTED, X), ["function must be a function", "got RFM(", "its .predict is one"]),
    "agop of a function on another device": (lambda: agop(lambda x: x.to("meta"), X), ["function must stay on cpu like X", "meta"]),
    "agop of a function that gives one row for many": (lambda: agop(lambda x: x[:1], X), ["function must map (n, d) to (n, c)", "(1, 4)", "(6, 4)"]),
    "agop of a function without a slope": (lambda: agop(lambda x: (0 * x).sqrt(), X), ["function must have finite gradients at X", "NaN or infinity"]),
    **{
        f"{what} by {flag!r}": (
            lambda call=call, flag=flag: call(flag),
            [f"{what} must be True or False", f"got {flag!r}"],
        )
        for what, call in {
            "center": lambda flag: predictor_agop(FITTED, center=flag),
            "include_diagonal": lambda flag: nfa_correlation(QuadraticNetwork(5, 8), torch.eye(10).double(), flag),
            "progress": lambda flag: RFM(GaussianKernel()).fit(X, Y, progress=flag),
            "center_gradients": lambda flag: RFM(GaussianKernel(), center_gradients=flag),
        }.items()
        for flag in (None, 0, 1, "yes", NAN)
    },
    **{
        f"{name} as {value!r}": (
            lambda name=name, value=value: RFM(GaussianKernel(), 1).fit(X, Y, **{name: value}),
            [f"{name} must be a function or None", f"got {value!r}"],
        )
        for name in ("on_features", "on_step")
        for value in (3, "M", True, [1])
    },
    # Powers
    "power of a rectangle": (lambda: psd_power(X, 0.5), ["matrix must be square", "(6, 4)"]),
    "power of a vector": (lambda: psd_power(X[0], 0.5), ["matrix must have 2 dimensions", "(4,)", "torch.diag(matrix)"]),
    "power of integers": (lambda: psd_power(M.long(), 0.5), ["matrix must be float32 or float64", "int64"]),
    "power of NaN": (lambda: psd_power(M * NAN, 0.5), ["matrix must be finite", "16 entries"]),
    "power of an asymmetric matrix": (lambda: psd_power(asymmetric, 0.5), ["matrix must be symmetric", "by up to 1", "/ 2"]),
    "power of an indefinite matrix": (lambda: psd_power(-M, 0.5), ["matrix must be positive semidefinite", "from -1 to -1"]),
    "exponent 0": (lambda: psd_power(M, 0), ["power", "positive", "got 0"]),
    "negative exponent": (lambda: psd_power(M, -0.5), ["power", "positive", "got -0.5"]),
    "exponent NaN": (lambda: psd_power(M, NAN), ["power", "positive", "got nan"]),
    # Accuracy
    "one-hot labels": (lambda: accuracy(Y, Y), ["labels must have shape (6,)", "(6, 2)", ".argmax(1)"]),
    "one label too few": (lambda: accuracy(Y, torch.zeros(5).long()), ["labels must have shape (6,)", "(5,)"]),
    "float labels": (lambda: accuracy(Y, torch.zeros(6)), ["labels must be int64", "float32"]),
    "labels of 32 bits": (lambda: accuracy(Y, torch.zeros(6).int()), ["labels must be int64", "int32"]),
    "label too large": (lambda: accuracy(Y, torch.full((6,), 2)), ["labels must lie in 0 … 1", "from 2 to 2"]),
    "negative label": (lambda: accuracy(Y, torch.full((6,), -1)), ["labels must lie in 0 … 1", "from -1 to -1"]),
    "labels on another device": (lambda: accuracy(Y, torch.zeros(6, device="meta").long()), ["labels must be on cpu", "meta"]),
    "labels as a list": (lambda: accuracy(Y, [0] * 6), ["labels must be a torch.Tensor", "list"]),
    "scores with NaN": (lambda: accuracy(Y * NAN, torch.zeros(6).long()), ["scores must be finite", "12 entries"]),
    "scores of one row": (lambda: accuracy(Y[0], torch.zeros(6).long()), ["scores must have 2 dimensions", "(2,)"]),
    "scores without numbers": (lambda: accuracy(Y.to("meta"), torch.zeros(6).long().to("meta")), ["scores must hold numbers", "meta"]),
    # What no memory holds
    "split of a huge table": (lambda: ModularTask("add", 10**6).split(), ["a split of 1000000000000 rows with modulus 1000000 in torch.float64", "would take about", "free", "smaller modulus"]),
    "pairs of a huge table": (lambda: ModularTask("div", 1000003).pairs, ["ModularTask(operation='div', modulus=1000003)", "would take about 40 TB", "smaller modulus"]),
    "labels of huge tables": (lambda: MultiTask(("add", "sub"), 10**6).labels, ["MultiTask", "would take about 80 TB"]),
    "modulus without a table": (lambda: ModularTask("add", 10**400), ["modulus must be an integer ≤ 1073741824", "1329 bits"]),
    "features of a huge table": (lambda: random_circulant_features("add", 10**6), ["features of modulus 1000000 would take about 200 TB"]),
    "network of huge width": (lambda: QuadraticNetwork(5, 2**30, n_inputs=2**20), ["a network of width 1073741824 would take about"]),
    "network of endless width": (lambda: QuadraticNetwork(5, 10**400), ["width must be an integer ≤ 1073741824", "1329 bits"]),
    "order of a huge prime": (lambda: discrete_log_order(2**61 - 1), ["an order of 2305843009213693950 digits would take about", "smaller prime"]),
    "fit of many rows": (lambda: KernelRidge(GaussianKernel()).fit(torch.zeros(1, 1).expand(10**7, 1), torch.zeros(1, 1).expand(10**7, 1)), ["fitting 10000000 rows of 1 inputs would take about 800 TB"]),
    "loop of many inputs": (lambda: RFM(GaussianKernel()).fit(torch.zeros(1, 1).expand(2, 10**7), torch.zeros(2, 1)), ["fitting 2 rows of 10000000 inputs would take about"]),
    # Devices
    **{
        f"{what.__name__} on {device!r}": (
            lambda what=what, device=device: what(device),
            ["device must be one that torch can use here", f"got {device!r}"],
        )
        for what in (split_on, network_on, features_on)
        for device in ("gpu", "cuda:99", 1.5, True, torch.float64)
    },
    # Networks
    "network of another kind": (lambda: network_agop(torch.nn.Linear(4, 2), X), ["network must be a QuadraticNetwork or a ReLUNetwork", "Linear"]),
    "network that is frozen": (lambda: train_network(QuadraticNetwork(5, 8).requires_grad_(False), TASK.split()), ["network must have weights that can be trained", "requires_grad_()"]),
    "network with NaN": (lambda: nfa_correlation(broken_network(), torch.eye(10).double()), ["network.input_weight must be finite", "80 entries"]),
    "training of two types": (lambda: train_network(QuadraticNetwork(5, 8), TASK.split(dtype=torch.float32)), ["split.X_train is torch.float32", "float64"]),
    "training on a tuple": (lambda: train_network(QuadraticNetwork(5, 8), (X, Y)), ["split must be a Split", "task.split()"]),
    "transformed tuple": (lambda: transform_inputs((X, Y), M), ["split must be a Split", "task.split()"]),
    "training with labels of others": (
        lambda: train_network(QuadraticNetwork(5, 8), TASK.split()._replace(y_train=TASK.split().y_test)),
        ["split.y_train must have shape (12,)", "(13,)"],
    ),
    "training with one target row too few": (
        lambda: train_network(QuadraticNetwork(5, 8), TASK.split()._replace(Y_train=TASK.split().Y_train[1:])),
        ["split.Y_train must have 12 rows", "split.X_train", "(11, 5)"],
    ),
    "training that explodes": (
        lambda: list(train_network(QuadraticNetwork(5, 8), TASK.split(), 1, learning_rate=1e308)),
        ["training must end in finite weights", "epoch 1", "learning_rate"],
    ),
    **{
        f"betas {betas}": (
            lambda betas=betas: train_network(QuadraticNetwork(5, 8), TASK.split(), betas=betas),
            ["betas must be two numbers ≥ 0 and < 1"],
        )
        for betas in (None, 0.9, (0.9,), (0.9, 1.0), (0.9, "1"), (NAN, 0.9), (0.1, 0.2, 0.3))
    },
    # Files
    "path of a number": (lambda: RFM.load(3), ["path must be text or a pathlib.Path, got 3"]),
    "path of bytes": (lambda: RFM_FITTED.save(b"model"), ["path must be text or a pathlib.Path, got b'model'"]),
    "no scores": (lambda: accuracy(Y[:0], torch.zeros(0).long()), ["scores must not be empty", "(0, 2)"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_an_error_names_the_argument_what_came_and_what_would_be_right(name: str) -> None:
    call, said = WRONG[name]
    # TypeError is what Python itself answers where something of another kind came.
    kinds = ("torch.Tensor", "network must be", "split must be", "path must be")
    allowed = (ValueError, TypeError) if any(k in " ".join(said) for k in kinds) else ValueError
    with pytest.raises(allowed) as caught:
        call()
    message = str(caught.value)
    for part in said:
        assert part in message
    assert "\n" not in message
    assert len(message) < 400


def test_a_wrong_argument_is_refused_before_the_first_step_is_asked_for() -> None:
    with pytest.raises(ValueError, match="Y must have 6 rows"):
        RFM(GaussianKernel()).iterate(X, Y[:2])


def test_a_wrong_validation_is_refused_before_any_work_is_done() -> None:
    steps: list[object] = []
    with pytest.raises(ValueError, match=re.escape("validation[1] must have 6 rows")):
        RFM(GaussianKernel()).fit(X, Y, (X, Y[:2]), on_step=steps.append)
    assert not steps


@pytest.mark.parametrize("kernel", KERNELS_OF_THE_PACKAGE, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])
def test_duplicated_rows_are_refused_with_the_row_and_the_remedy(
    kernel: object, dtype: torch.dtype
) -> None:
    doubled = torch.cat([X, X[2:3]]).to(dtype)
    for fit in (KernelRidge(kernel).fit, RFM(kernel).fit):
        with pytest.raises(RuntimeError) as caught:
            fit(doubled, normal(7, 2, dtype=dtype))
        message = str(caught.value)
        for part in ("7 rows", str(dtype), "singular", "row 6", "duplicates", "ridge="):
            assert part in message


def test_an_error_of_a_missing_fit_is_both_a_value_error_and_an_attribute_error() -> None:
    assert issubclass(NotFittedError, ValueError)
    assert issubclass(NotFittedError, AttributeError)


def test_a_failed_fit_leaves_the_earlier_one_in_place() -> None:
    rfm = RFM(GaussianKernel(), 1).fit(X, Y)
    before = rfm.predict(Z)
    with pytest.raises(ValueError, match="Y must have 6 rows"):
        rfm.fit(X, Y[:2])
    with pytest.raises(RuntimeError):
        rfm.fit(torch.cat([X, X]), torch.cat([Y, Y]))
    assert torch.equal(rfm.predict(Z), before)
    model = KernelRidge(GaussianKernel()).fit(X, Y)
    with pytest.raises(RuntimeError):
        model.fit(torch.cat([X, X]), torch.cat([Y, Y]))
    assert torch.equal(model.predict(X), FITTED.predict(X))


@pytest.mark.parametrize("kernel", [GaussianKernel, LaplaceKernel])
@pytest.mark.parametrize("bandwidth", [5e-324, 1e-200, 1e200, 1.7e308])
def test_a_bandwidth_beyond_all_numbers_is_refused_by_name_or_works(
    kernel: type, bandwidth: float
) -> None:
    try:
        made = kernel(bandwidth)
    except ValueError as error:
        assert "bandwidth" in str(error)  # noqa: PT017
        assert repr(bandwidth) in str(error)  # noqa: PT017
    else:
        K = made(X, X)
        assert bool(torch.isfinite(K).all())
        assert bool((K.diagonal() == 1).all())


# Advice is followed to the end: what comes of it must be taken.

TABLE = X.numpy()
ADVISED: dict[str, object] = {
    "array": TABLE,
    "array of float32": TABLE.astype("f4"),
    "array of integers": (10 * TABLE).astype(int),
    "array of half precision": TABLE.astype("f2"),
    "array backwards": TABLE[::-1],
    "array of objects": TABLE.astype(object),
    "array of texts": TABLE.astype(str),
    "array of another machine": TABLE.astype(">f8"),
    "array of long doubles": TABLE.astype(np.longdouble),
    "array that is not to be written": np.broadcast_to(TABLE[:1], (6, 4)),
    "array of complex numbers": TABLE + 1j,
    "data frame": pd.DataFrame(TABLE),
    "data frame of integers": pd.DataFrame((10 * TABLE).astype(int)),
    "series": pd.Series(TABLE[:, 0]),
    "list of lists": TABLE.tolist(),
    "list of numbers": TABLE[0].tolist(),
    "tuple of tensors": tuple(X),
    "list of rows": list(TABLE),
    "number of numpy": np.float64(2.5),
    "vector": X[0],
    "vector of integers": torch.arange(6),
    "scalar": X[0, 0],
    "block": X.reshape(3, 2, 4),
    "integers": torch.arange(24).reshape(6, 4),
    "booleans": X > 0,
    "half precision": X.half(),
    "complex numbers": X + 1j,
    "sparse tensor": X.to_sparse(),
    "quantised tensor": torch.fake_quantize_per_tensor_affine(X.float(), 0.1, 0, 0, 255).byte(),
    "another type": X.float(),
}


def followed(message: str, name: str, value: object) -> object:
    """What the first piece of code in a message makes of the value."""
    code = re.findall(rf"(?:; |\(|by )((?:{name}|torch)\S*.*?) (?:converts|makes|is its)", message)[
        0
    ]
    return eval(code, {"torch": torch, "numpy": np, name: value, "the": X})


@pytest.mark.parametrize("kind", ADVISED)
def test_advice_that_is_followed_leads_to_a_matrix(kind: str) -> None:
    value = ADVISED[kind]
    said = []
    for _ in range(4):
        try:
            check_matrix("X_new", value, like=X, like_name="the training data")  # pyright: ignore[reportArgumentType]
        except (TypeError, ValueError) as error:
            said.append(str(error))
            value = followed(str(error), "X_new", value)
        else:
            break
    else:
        pytest.fail(f"no end of advice: {said}")
    assert said
    assert isinstance(value, torch.Tensor)
    if kind == "vector":
        assert value.shape == (1, 4)


def test_advice_knows_rows_from_columns() -> None:
    for call, code in (
        (lambda: FITTED.predict(X[0]), "X[None] makes one row of it"),
        (
            lambda: KernelRidge(GaussianKernel()).fit(X, Y[:, 0]),
            "Y[:, None] makes one column of it",
        ),
    ):
        with pytest.raises(ValueError, match=re.escape(code)) as caught:
            call()
        assert str(caught.value).endswith(code)
    assert FITTED.predict(X[0][None]).shape == (1, 2)
    with pytest.raises(ValueError, match="class numbers") as caught:
        KernelRidge(GaussianKernel()).fit(X, torch.arange(6))
    Y_new = torch.arange(6)
    code = str(caught.value).rpartition("rows by ")[2].replace("Y", "Y_new")
    assert eval(code, {"torch": torch, "Y_new": Y_new}).tolist() == torch.eye(6).tolist()


@pytest.mark.parametrize(
    "labels", [[0, 1, 1], np.array([0, 1, 1]), pd.Series([0, 1, 1]), torch.tensor([0, 1, 1]).int()]
)
def test_advice_for_labels_leads_to_labels(labels: object) -> None:
    with pytest.raises((TypeError, ValueError), match="labels must be") as caught:
        check_labels("labels", labels, 3, 2)  # pyright: ignore[reportArgumentType]
    made = followed(str(caught.value), "labels", labels)
    assert check_labels("labels", made, 3, 2).tolist() == [0, 1, 1]  # pyright: ignore[reportArgumentType]


def test_the_seeds_at_the_ends_are_taken() -> None:
    for seed in (0, 2**64 - 1, np.int64(3), np.uint64(2**63)):
        assert split_with(seed)
        assert network_with(seed)
        assert next(training_with(seed)).epoch == 0  # pyright: ignore[reportArgumentType,reportCallIssue]
        assert features_with(seed) is not None


@pytest.mark.parametrize(
    "value", [np.float32(2.5), np.float16(2.5), np.int64(2), Fraction(5, 2), 2]
)
def test_real_numbers_of_any_kind_are_taken(value: float) -> None:
    for made in (
        GaussianKernel(value).bandwidth,
        QuadraticKernel(value).scale,
        KernelRidge(GaussianKernel(), value).ridge,
    ):
        assert type(made) is float
        assert made == value
    assert RFM(GaussianKernel(), agop_power=value).agop_power == value
    assert RFM(GaussianKernel(), center_gradients=np.False_).center_gradients is False


@pytest.mark.parametrize(
    "value",
    [10**400, Fraction(1, 10**400), Decimal("2.5"), np.longdouble("1e400"), normal(300, 3), [2.5]],
)
def test_what_is_no_such_number_is_refused_in_one_short_line(value: object) -> None:
    for make in (GaussianKernel, QuadraticKernel, lambda power: psd_power(M, power)):
        with pytest.raises(ValueError, match="must be a positive number, got") as caught:
            make(value)
        assert len(str(caught.value)) < 200
        assert "\n" not in str(caught.value)


def test_a_prediction_that_overflows_is_refused() -> None:
    model = KernelRidge(QuadraticKernel(), ridge=0.1).fit(X.float(), Y.float())
    with pytest.raises(
        ValueError, match=r"predictions must be finite.*too large for torch.float32"
    ):
        model.predict(X.float() * 1e30)


def test_numbers_of_numpy_are_refused_like_others() -> None:
    for wrong in (np.float64("nan"), np.float32(0), np.bool_(True), np.array(2.5)):
        with pytest.raises(ValueError, match="bandwidth must be a positive number, got"):
            GaussianKernel(wrong)
    with pytest.raises(ValueError, match="modulus must be an integer ≥ 2, got"):
        ModularTask("add", np.float64(7))


def test_nothing_is_said_in_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="finite"):
            GaussianKernel()(with_nan, X)
        RFM(GaussianKernel(), 1).fit(X, Y, (X, Y))


def test_a_predictor_of_any_kind_serves_if_it_has_the_four_attributes() -> None:
    predictor = SimpleNamespace(
        kernel=FITTED.kernel,
        centers_=FITTED.centers_,
        dual_coef_=FITTED.dual_coef_,
        feature_matrix_=None,
    )
    assert torch.equal(predictor_agop(predictor), predictor_agop(FITTED))
