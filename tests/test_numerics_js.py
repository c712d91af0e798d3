"""The arithmetic of the explorables that compute in the page: its numbers are the package's.

The scripts run in Node, function by function, against the package or scipy. What readers see of
them is tested in a browser, in test_explorables_in_page.py.
"""

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from helpers import difference
from npm_packages import NODE

from rfm_tutorial import RFM, GaussianKernel, KernelRidge, ModularTask, accuracy, predictor_agop
from rfm_tutorial.circulant import (
    circulant_block,
    circulant_deviation,
    circulant_matrix,
)
from rfm_tutorial.explorables.base import HERE
from rfm_tutorial.explorables.wording import listing, rounded
from rfm_tutorial.features import (
    block_features,
    random_block_features,
    random_circulant_features,
)
from rfm_tutorial.fourier import fourier_multiplication
from rfm_tutorial.linalg import SingularKernelError, psd_power, solve_positive_definite
from rfm_tutorial.number_theory import discrete_log_order
from rfm_tutorial.operations import GROUP_OPERATIONS

MODULES = ("blocks", "fourier", "numerics", "random", "wording")
"""The modules that need no page."""

# Answers each line, a script, with a line: the script's value or what it threw. The script sees all
# that the modules export. JSON.stringify would make null of NaN and 0 of -0; Python reads both.
PROGRAM = r"""
const { createInterface } = require("node:readline");
const { pathToFileURL } = require("node:url");
const vm = require("node:vm");

const json = value => typeof value === "number" ? (Object.is(value, -0) ? "-0" : String(value))
  : ArrayBuffer.isView(value) || Array.isArray(value) ? `[${Array.from(value, part => json(part))}]`
  : value && typeof value === "object"
    ? `{${Object.entries(value).map(([name, part]) => `${JSON.stringify(name)}: ${json(part)}`)}}`
  : JSON.stringify(value) ?? "null";
const answer = script => {
  try { return json({ value: vm.runInThisContext(script, "test") }); }
  catch (error) { return json({ error: error.stack }); }
};
Promise.all(process.argv.slice(1).map(path => import(pathToFileURL(path)))).then(modules => {
  Object.assign(globalThis, ...modules);
  createInterface({ input: process.stdin }).on("line", line => {
    process.stdout.write(`${answer(JSON.parse(line))}\n`);
  });
});
"""

Compute = Callable[..., Any]


class JavaScriptError(Exception):
    """What a script threw: the line, the message, the way there."""


@pytest.fixture(scope="module")
def js() -> Iterator[Compute]:
    """Call a function of the scripts: js("(n, seed) => randomPermutation(n, seed)", 5, 0)."""
    command = [NODE, "-e", PROGRAM, *(HERE / f"{name}.js" for name in MODULES)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as node:

        def call(function: str, *arguments: object) -> Any:
            # What json writes is JavaScript, NaN and Infinity included.
            script = f"({function})(...{json.dumps(arguments)})"
            print(json.dumps(script), file=node.stdin, flush=True)
            # Every number is a double, as in JavaScript: an int has no -0.
            answer = json.loads(node.stdout.readline(), parse_int=float)
            if "error" in answer:
                raise JavaScriptError(answer["error"])
            return answer["value"]

        yield call


def test_numbers_travel_to_node_and_back_bit_for_bit(js: Compute) -> None:
    rng = np.random.default_rng(0)
    special = [
        np.nan,
        np.inf,
        -np.inf,
        -0.0,
        0.0,
        5e-324,
        2.0**60 + 2**8,
        1e21,
        np.finfo(float).max,
    ]
    numbers = [*special, *rng.normal(size=100), *10 ** rng.uniform(-300, 300, size=100)]
    for function in ("numbers => numbers", "numbers => Float64Array.from(numbers)"):
        assert np.array(js(function, numbers)).tobytes() == np.array(numbers).tobytes()


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def matrix(numbers: list[float], rows: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64).view(rows, -1)


def test_permutations_are_those_of_torch(js: Compute) -> None:
    cases = [(n, seed) for n in (1, 2, 6, 9, 42, 506, 529) for seed in (0, 1, 50, 2**32 - 1)]
    got = js("cases => cases.map(([n, seed]) => randomPermutation(n, seed))", cases)
    for (n, seed), order in zip(cases, got, strict=True):
        assert order == torch.randperm(n, generator=generator(seed)).tolist()


def test_normal_numbers_are_those_of_torch(js: Compute) -> None:
    # Below 16 torch draws in one way, from 16 on in another, and at no multiple of 16 in a third.
    cases = [(n, seed) for n in (*range(1, 34), 484, 529) for seed in (0, 7)]
    got = js("cases => cases.map(([n, seed]) => randomNormals(n, seed))", cases)
    for (n, seed), numbers in zip(cases, got, strict=True):
        expected = torch.randn(n, dtype=torch.float64, generator=generator(seed))
        assert numbers == pytest.approx(expected.tolist(), abs=1e-12)


@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_splits_are_those_of_the_package(js: Compute, operation: str) -> None:
    cases = [(p, f, seed) for p in (3, 7, 23) for f in (0.2, 0.35, 0.7, 0.99) for seed in (0, 11)]
    source = "(operation, cases) => cases.map(([p, f, seed]) => splitTable(operation, p, f, seed))"
    for (p, fraction, seed), got in zip(cases, js(source, operation, cases), strict=True):
        split = ModularTask(operation, p).split(fraction, seed)
        for part, pairs, labels in (
            (got["train"], split.pairs_train, split.y_train),
            (got["test"], split.pairs_test, split.y_test),
        ):
            assert part["n"] == len(labels)
            assert [part["a"], part["b"]] == pairs.T.tolist()
            assert part["labels"] == labels.tolist()


@pytest.mark.parametrize("fraction", [0.1, 1.0])
def test_a_split_with_an_empty_part_is_refused(js: Compute, fraction: float) -> None:
    with pytest.raises(ValueError, match="train_fraction"):
        ModularTask("add", 3).split(fraction)
    with pytest.raises(JavaScriptError, match=f"leaves a part empty, got {fraction:g} of 9 pairs"):
        js("fraction => splitTable('add', 3, fraction, 0)", fraction)


def test_discrete_logarithms(js: Compute) -> None:
    for p in (2, 3, 5, 7, 23, 61):
        assert js("p => discreteLogOrder(p)", p) == discrete_log_order(p).tolist()


SOLVE = """(A, n, B, c, ridge) => {
  try { return choleskySolve(cholesky(A, n, ridge), B, n, c); }
  catch (error) { return [error instanceof SingularKernelError, error.message]; }
}"""


@pytest.mark.parametrize(("n", "c", "ridge"), [(1, 1, 0.0), (4, 3, 0.5), (46, 23, 0.0)])
def test_solve(js: Compute, n: int, c: int, ridge: float) -> None:
    rng = np.random.default_rng(n)
    A, B = rng.normal(size=(n, n + 5)), rng.normal(size=(n, c))
    A = A @ A.T
    got = js(SOLVE, A.ravel().tolist(), n, B.ravel().tolist(), c, ridge)
    expected = scipy.linalg.solve(A + ridge * np.eye(n), B)
    assert np.reshape(got, (n, c)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("factor", "row"), [([[1.0], [1.0]], 1), ([[0.0], [1.0]], 0)])
def test_a_singular_system_is_an_error_and_a_ridge_cures_it(
    js: Compute, factor: list[list[float]], row: int
) -> None:
    A = (np.array(factor) @ np.array(factor).T).ravel().tolist()
    is_singular, message = js(SOLVE, A, 2, [1.0, 1.0], 1, 0)
    assert is_singular is True
    assert f"pivot of row {row}" in message
    expected = np.linalg.solve(np.reshape(A, (2, 2)) + np.eye(2), np.ones(2))
    assert js(SOLVE, A, 2, [1.0, 1.0], 1, 1) == pytest.approx(expected.tolist())


@pytest.mark.parametrize(("pivot", "is_singular"), [(20, True), (100, False)])
def test_a_pivot_of_rounding_size_is_singular_as_in_the_package(
    js: Compute, pivot: int, is_singular: bool
) -> None:
    A = torch.ones(2, 2, dtype=torch.float64)
    A[1, 1] += pivot * torch.finfo(A.dtype).eps
    got = js(SOLVE, A.reshape(-1).tolist(), 2, [1.0, 1.0], 1, 0)
    if is_singular:
        with pytest.raises(SingularKernelError):
            solve_positive_definite(A, torch.ones(2, 1).double())
        assert got[0] is True
    else:
        expected = solve_positive_definite(A, torch.ones(2, 1).double())
        assert got == pytest.approx(expected[:, 0].tolist())


def symmetric_matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    A = rng.normal(size=(46, 46))
    circulant = scipy.linalg.circulant(rng.normal(size=11))
    return {
        "one number": np.array([[-2.0]]),
        "zero": np.zeros((4, 4)),
        "diagonal": np.diag([3.0, 1.0, 1.0, -2.0]),
        "two equal": np.array([[1.0, 1.0], [1.0, 1.0]]),
        "random": A + A.T,
        "low rank": A[:, :3] @ A[:, :3].T,
        "every eigenvalue twice": circulant + circulant.T,
        "tiny": 1e-12 * (A + A.T),
    }


@pytest.mark.parametrize("kind", symmetric_matrices())
def test_eigenvalues_and_eigenvectors(js: Compute, kind: str) -> None:
    A = symmetric_matrices()[kind]
    n, size = len(A), max(1e-300, np.abs(A).max())
    got = js("(A, n) => symmetricEigen(A, n)", A.ravel().tolist(), n)
    values, vectors = np.array(got["values"]), np.reshape(got["vectors"], (n, n))
    assert np.sort(values) / size == pytest.approx(scipy.linalg.eigvalsh(A) / size, abs=1e-12)
    assert vectors @ vectors.T == pytest.approx(np.eye(n), abs=1e-12)
    assert (vectors.T * values) @ vectors / size == pytest.approx(A / size, abs=1e-12)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_powers_of_psd_matrices(js: Compute, power: float) -> None:
    A = torch.randn(9, 9, dtype=torch.float64, generator=generator(3))
    for G in (A @ A.T, A[:, :2] @ A[:, :2].T, torch.zeros(9, 9, dtype=torch.float64)):
        got = js("(G, n, power) => psdPower(G, n, power)", G.reshape(-1).tolist(), 9, power)
        # The root of a rounding error of 1e-16 in an eigenvalue that is 0 is 1e-8.
        assert float((matrix(got, 9) - psd_power(G, power)).abs().max()) < 1e-6


def test_a_matrix_with_a_negative_eigenvalue_has_no_root(js: Compute) -> None:
    source = "G => psdPower(G, 2, 0.5)"
    with pytest.raises(JavaScriptError, match="positive semidefinite"):
        js(source, [1.0, 0.0, 0.0, -1.0])
    assert js(source, [1.0, 0.0, 0.0, -1e-18]) == pytest.approx([1.0, 0.0, 0.0, 0.0])


MACHINE = """(operation, p, fraction, seed, M, bandwidth) => {
  const { train, test } = splitTable(operation, p, fraction, seed);
  const model = fitKernelRidge(train, Float64Array.from(M), p, bandwidth);
  const scores = predict(model, test);
  return {
    K: model.K, alpha: model.alpha, scores, agop: predictorAgop(model),
    accuracy: accuracy(scores, test.labels, p), loss: meanSquaredError(scores, test.labels, p),
  };
}"""


@pytest.mark.parametrize(
    ("operation", "p", "fraction", "bandwidth", "features"),
    [
        ("add", 3, 0.2, 2.5, "identity"),  # one training pair
        ("div", 3, 0.9, 2.5, "identity"),  # one test pair
        ("sub", 7, 0.6, 0.5, "identity"),
        ("add", 11, 0.3, 10.0, "circulant"),
        ("mul", 13, 0.7, 2.5, "circulant"),
        ("div", 17, 0.5, 2.5, "noise"),
        ("add", 23, 0.5, 2.5, "circulant"),
    ],
)
def test_kernel_machine_and_agop(
    js: Compute, operation: str, p: int, fraction: float, bandwidth: float, features: str
) -> None:
    M = {
        "identity": lambda *_: torch.eye(2 * p, dtype=torch.float64),
        "circulant": random_circulant_features,
        "noise": random_block_features,
    }[features](operation, p)
    got = js(MACHINE, operation, p, fraction, 2, M.reshape(-1).tolist(), bandwidth)
    split = ModularTask(operation, p).split(fraction, 2)
    kernel = GaussianKernel(bandwidth)
    model = KernelRidge(kernel).fit(split.X_train, split.Y_train, M)
    scores = model.predict(split.X_test)
    n = len(split.y_train)
    assert difference(matrix(got["K"], n), kernel(split.X_train, split.X_train, M)) < 1e-12
    assert difference(matrix(got["alpha"], n), model.dual_coef_) < 1e-8
    assert difference(matrix(got["scores"], len(scores)), scores) < 1e-9
    expected = predictor_agop(model)
    if n > 1:  # the gradients of one row are their own mean: the AGOP is 0
        assert difference(matrix(got["agop"], 2 * p), expected) < 1e-8
    assert max(map(abs, got["agop"])) < 1e-12 if n == 1 else True
    assert got["accuracy"] == accuracy(scores, split.y_test)
    assert got["loss"] == pytest.approx(float((scores - split.Y_test).square().mean()), abs=1e-9)


@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_blocks_and_what_is_made_of_them(js: Compute, operation: str) -> None:
    source = """(operation, p, block) => {
      const M = blockFeatures(Float64Array.from(block), p, operation);
      const arranged = circulantBlock(M, p, operation);
      return { M, arranged, deviation: circulantDeviation(arranged) };
    }"""
    for p in (3, 7, 23):
        n = p - (operation in ("mul", "div"))
        row = torch.randn(n, dtype=torch.float64, generator=generator(p))
        noise = torch.randn(n, n, dtype=torch.float64, generator=generator(0))
        blocks = [circulant_matrix(row), circulant_matrix(torch.ones_like(row)), noise]
        for block in [*blocks, circulant_matrix(row) + 0.3 * noise]:
            got = js(source, operation, p, block.reshape(-1).tolist())
            M = block_features(block, operation)
            arranged = circulant_block(M, operation)
            assert difference(matrix(got["M"], 2 * p), M) < 1e-10
            assert difference(matrix(got["arranged"], n), arranged) < 1e-10
            assert got["deviation"] == pytest.approx(circulant_deviation(arranged), abs=1e-12)
    with pytest.raises(JavaScriptError, match="must not be zero"):
        js("() => blockFeatures(new Float64Array(9), 3, 'add')")


def test_circulant_matrix_and_deviation_of_an_empty_block(js: Compute) -> None:
    row = [1.0, 2.0, 3.0, 5.0]
    assert matrix(js("row => circulantMatrix(row)", row), 4).equal(
        circulant_matrix(torch.tensor(row, dtype=torch.float64))
    )
    assert np.isnan(js("() => circulantDeviation(new Float64Array(9))"))


STEPS = """(operation, p, fraction, seed, bandwidth, last) => {
  const records = [];
  for (const record of rfmSteps(splitTable(operation, p, fraction, seed), operation, bandwidth)) {
    if (!record) continue;
    records.push(record);
    if (record.iteration === last) return records;
  }
}"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operation", "p", "fraction", "seed", "bandwidth", "last"),
    [
        ("add", 3, 0.5, 0, 2.5, 5),
        ("div", 3, 0.9, 1, 2.5, 5),
        ("mul", 7, 0.3, 4, 1.0, 10),
        ("sub", 11, 0.9, 2, 10.0, 20),
        ("add", 13, 0.7, 0, 2.5, 30),
        ("mul", 13, 0.7, 3, 2.5, 30),
        ("div", 17, 0.5, 1, 5.0, 15),
        ("add", 23, 0.7, 0, 2.5, 12),
    ],
)
def test_rfm_steps_agree_with_the_package(
    js: Compute, operation: str, p: int, fraction: float, seed: int, bandwidth: float, last: int
) -> None:
    records = js(STEPS, operation, p, fraction, seed, bandwidth, last)
    split = ModularTask(operation, p).split(fraction, seed)
    steps = RFM(GaussianKernel(bandwidth), last).iterate(split.X_train, split.Y_train)
    for record, step in zip(records, steps, strict=True):
        M = step.feature_matrix
        scores = step.predict(split.X_test)
        assert difference(matrix(record["featureMatrix"], 2 * p), M) < 1e-6
        assert record["trainAccuracy"] == accuracy(step.predict(split.X_train), split.y_train)
        assert record["testAccuracy"] == accuracy(scores, split.y_test)
        assert record["right"] == (scores.argmax(1) == split.y_test).tolist()
        loss = float((scores - split.Y_test).square().mean())
        assert record["testLoss"] == pytest.approx(loss, abs=1e-6)
        deviation = circulant_deviation(circulant_block(M, operation))
        assert record["deviation"] == pytest.approx(deviation, abs=1e-6, nan_ok=True)


def test_fourier_scores_agree_with_the_package(js: Compute) -> None:
    rng = random.Random(0)
    cases = []
    for p in [3, 4, 12, 13, 31, 60, 61] * 3:
        a, b = rng.randrange(p), rng.randrange(p)
        every = list(range(p // 2 + 1))
        cases.append((p, a, b, sorted(rng.sample(every, rng.randint(1, len(every))))))
    cases += [(p, 1, p - 1, list(range(p // 2 + 1))) for p in (3, 4, 61)]
    source = "cases => cases.map(([p, a, b, ks]) => fourierScores(p, (a + b) % p, ks))"
    for (p, a, b, frequencies), scores in zip(cases, js(source, cases), strict=True):
        expected = fourier_multiplication(torch.tensor([[a, b]]), p, frequencies=frequencies)
        assert scores == pytest.approx(expected[0].tolist(), abs=1e-12)


def test_numbers_in_words(js: Compute) -> None:
    numbers = (0.0625, 0.5, 12.5, 2 / 3, -1e-17, 0.0)
    cases = [(value, digits) for value in numbers for digits in (0, 1, 3)]
    got = js("cases => cases.map(([value, digits]) => rounded(value, digits))", cases)
    assert got == [rounded(value, digits) for value, digits in cases]
    for items in ([2], [2, 8], [2, 5, 8]):
        assert js("items => listing(items)", items) == listing(items)
