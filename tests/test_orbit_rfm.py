"""The machine on whole diagonals against the dense one, on the very same split.

Both are compared in two ways. Step by step: a dense kernel machine with the feature matrix of the
orbit machine has to give the same predictions and the same AGOP. And over whole runs, where the
dense matrix has one fault that the other has not: in directions that the gradients never take, its
AGOP is not 0 but rounding, of which the power makes as much as eps^s. There they are not compared.
"""

# One wrong call a line.
# ruff: noqa: E501

import re

import pytest
import torch
from helpers import KERNELS_OF_THE_PACKAGE
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    LaplaceKernel,
    ModularTask,
    NotFittedError,
    OrbitRFM,
    OrbitSplit,
    QuadraticKernel,
    SingularKernelError,
    accuracy,
    predictor_agop,
    psd_power,
)
from rfm_tutorial.operations import OPERATIONS as OPERATION
from rfm_tutorial.orbit_blocks import CACHED

OPERATIONS = ("add", "sub", "mul", "div")


def split_of(operation: str, p: int, differences: list[int], **options) -> OrbitSplit:
    clock = ModularTask(operation, p).split_orbits().clock
    return OrbitSplit(clock, torch.tensor(differences), **options)


def gap(A: Tensor, B: Tensor) -> float:
    return float((A - B).norm() / B.norm().clamp(min=1e-300))


def without_nothing(A: Tensor, M: Tensor) -> Tensor:
    """A in the directions that M keeps."""
    values, vectors = torch.linalg.eigh(M)
    kept = vectors[:, values > 1e-6 * values[-1]]
    return kept.T @ A @ kept


def one_is_ahead(scores: Tensor) -> bool:
    """Whether no two scores of a row are so close at the top that rounding decides."""
    top = scores.topk(2, dim=1).values
    return bool((top[:, 0] - top[:, 1] > 1e-7 * scores.abs().max()).all())


def check_step(step, following, machine: OrbitRFM, split: OrbitSplit) -> None:
    """One step and the feature matrix after it, from the dense formulas."""
    M = step.feature_matrix
    dense = KernelRidge(machine.kernel, machine.ridge).fit(split.X_train, split.Y_train, M)
    K = machine.kernel(split.X_train, split.X_train, M)
    cond = float(torch.linalg.cond(K + machine.ridge * torch.eye(len(K), dtype=K.dtype)))
    exact = 1e3 * torch.finfo(K.dtype).eps * cond
    for name in ("train", "test"):
        X, Y, y = (getattr(split, f"{part}_{name}") for part in "XYy")
        scores, pairs = dense.predict(X), getattr(split, f"pairs_{name}")
        size = float(scores.abs().max().clamp(min=1))
        assert float((step.predict(pairs) - scores).abs().max()) <= exact * size
        float((scores - Y).square().mean())
        error = (scores - Y).square().mean()
        assert abs(getattr(step, f"{name}_loss") - float(error)) <= exact * size * (
            2 * float(error.sqrt()) + exact * size
        )
        if one_is_ahead(scores):
            assert getattr(step, f"{name}_accuracy") == pytest.approx(accuracy(scores, y))
    if following is not None:
        G = predictor_agop(dense, center=machine.center_gradients)
        # M is a power of the AGOP; compared is the AGOP, in which 0 has a rounding of its own.
        learned = psd_power(following.feature_matrix, 1 / machine.agop_power, 1e-6)
        assert gap(learned, G) <= max(1e-9, exact)


def check_run(machine: OrbitRFM, split: OrbitSplit) -> None:
    try:
        steps = [*machine.iterate(split)]
    except SingularKernelError:
        return  # of which the tests of errors know
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        check_step(step, following, machine, split)


@st.composite
def diagonals(draw) -> tuple[str, int, list[int]]:
    """An operation, a modulus and a set of differences."""
    operation, p = draw(st.sampled_from(OPERATIONS)), draw(st.sampled_from((5, 7, 11, 13)))
    N = p - OPERATION[operation].needs_prime
    drawn = st.lists(st.integers(0, N - 1), unique=True, min_size=2, max_size=N - 1)
    return operation, p, draw(drawn)


MACHINES = st.fixed_dictionaries(
    {
        "kernel": st.sampled_from([*KERNELS_OF_THE_PACKAGE, GaussianKernel(2.5)]),
        "ridge": st.sampled_from((0.0, 1e-3, 0.1)),
        "agop_power": st.sampled_from((0.5, 1.0, 0.25)),
        "center_gradients": st.booleans(),
        "chunk_numbers": st.sampled_from((1, 1000, 2**22)),
    }
)


@pytest.mark.filterwarnings("ignore:the features have vanished")
@settings(max_examples=40)
@given(machine=MACHINES, drawn=diagonals())
def test_every_step_is_that_of_the_dense_formulas(machine, drawn):
    check_run(OrbitRFM(n_iterations=3, **machine), split_of(*drawn))


@pytest.mark.filterwarnings("ignore:the features have vanished")
@pytest.mark.parametrize("kernel", KERNELS_OF_THE_PACKAGE, ids=str)
@pytest.mark.parametrize(("operation", "p"), [("add", 10), ("sub", 12), ("add", 31), ("mul", 31)])
def test_composite_and_larger_moduli(kernel, operation, p):
    check_run(OrbitRFM(kernel, n_iterations=2), ModularTask(operation, p).split_orbits(0.4, seed=3))


@pytest.mark.parametrize(
    ("operation", "p", "kernel"),
    [
        ("add", 23, GaussianKernel(2.5)),
        ("sub", 13, LaplaceKernel(2.5)),
        ("mul", 23, GaussianKernel(2.5)),
        ("div", 13, QuadraticKernel(3.0)),
        pytest.param("add", 43, GaussianKernel(2.5), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_whole_run_is_that_of_the_dense_machine(operation, p, kernel):
    split = ModularTask(operation, p).split_orbits(0.6, seed=1)
    dense = RFM(kernel, n_iterations=15).iterate(split.X_train, split.Y_train)
    orbit = OrbitRFM(kernel, n_iterations=15).iterate(split)
    for step, other in zip(orbit, dense, strict=True):
        M, scores = step.feature_matrix, other.predict(split.X_test)
        assert gap(without_nothing(other.feature_matrix, M), without_nothing(M, M)) <= 1e-9
        assert gap(other.feature_matrix, M) <= 1e-7
        assert float((step.predict(split.pairs_test) - scores).abs().max()) <= 1e-8
        assert step.test_loss == pytest.approx(float((scores - split.Y_test).square().mean()))
        if one_is_ahead(scores):
            assert step.test_accuracy == accuracy(scores, split.y_test)
    assert step.iteration == 15


@settings(max_examples=25)
@given(drawn=diagonals(), turn=st.integers(0, 12), swapped=st.booleans())
def test_the_order_of_differences_and_their_shift_change_nothing_but_names(drawn, turn, swapped):
    operation, p, differences = drawn
    machine = OrbitRFM(GaussianKernel(2.5), n_iterations=2)
    split = split_of(operation, p, differences)
    N = split.clock.n_hours
    others = [(s + turn) % N for s in differences]
    other = split_of(operation, p, others[::-1] if swapped else others)
    for step, moved in zip(machine.iterate(split), machine.iterate(other), strict=True):
        # i by `turn` hours: within a digit nothing changes, between them the hours ahead do.
        a, _, c = step.rows
        assert gap(moved.rows[0], a) <= 1e-9
        assert gap(moved.rows[2], c.roll(-turn)) <= 1e-9
        assert moved.test_accuracy == pytest.approx(step.test_accuracy)
        assert moved.test_loss == pytest.approx(step.test_loss)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_rows_make_the_feature_matrix(operation):
    split = ModularTask(operation, 11).split_orbits(0.5, seed=2)
    *_, step = OrbitRFM(LaplaceKernel(2.5), n_iterations=2).iterate(split)
    i, j = split.clock.hours(split.pairs_train).T
    N, M = split.clock.n_hours, step.feature_matrix
    first, second = split.pairs_train[:, 0], 11 + split.pairs_train[:, 1]
    for row, (here, hour), (there, other) in (
        (0, (first, i), (first, i)),
        (1, (second, j), (second, j)),
        (2, (first, i), (second, j)),
    ):
        assert torch.equal(M[here[:, None], there], step.rows[row][(other - hour[:, None]) % N])
    assert torch.equal(M, M.T)


@pytest.mark.parametrize("kernel", KERNELS_OF_THE_PACKAGE, ids=str)
def test_single_precision(kernel):
    task = ModularTask("add", 13)
    fine, coarse = (
        [*OrbitRFM(kernel, n_iterations=3).iterate(task.split_orbits(0.5, 0, dtype))]
        for dtype in (torch.float64, torch.float32)
    )
    for step, other in zip(fine, coarse, strict=True):
        assert other.feature_matrix.dtype == torch.float32
        kept = without_nothing(other.feature_matrix.double(), step.feature_matrix)
        assert gap(kept, without_nothing(step.feature_matrix, step.feature_matrix)) <= 1e-3
        assert other.test_loss == pytest.approx(step.test_loss, rel=1e-2)


def test_tests_are_made_when_asked_for_and_never_learned_from():
    split = ModularTask("add", 13).split_orbits(0.5)
    steps = [*OrbitRFM(GaussianKernel(2.5), n_iterations=2).iterate(split)]
    assert not {"feature_matrix", "_test_scores"} & {*vars(steps[-1])}
    looked_at = []
    for step in OrbitRFM(GaussianKernel(2.5), n_iterations=2).iterate(split):
        looked_at.append(step.test_loss)
        assert torch.equal(step.rows, steps[step.iteration].rows)
    assert looked_at == [step.test_loss for step in steps]


def test_fit_keeps_the_last_step_and_a_history():
    split = ModularTask("mul", 13).split_orbits(0.5)
    machine = OrbitRFM(GaussianKernel(2.5), n_iterations=4)
    with pytest.raises(
        NotFittedError, match=r"OrbitRFM is not fitted yet; call fit\(split\) first"
    ):
        machine.predict(split.pairs_test)
    assert machine.fit(split, progress=False, on_step=lambda step: step.iteration == 2) is machine
    dense = RFM(GaussianKernel(2.5), n_iterations=2).fit(
        split.X_train, split.Y_train, validation=(split.X_test, split.Y_test), progress=False
    )
    for record, other in zip(machine.history_, dense.history_, strict=True):
        assert record.keys() == other.keys()
        assert {**record, "seconds": 0} == pytest.approx({**other, "seconds": 0}, abs=1e-12)
    assert torch.allclose(machine.predict(split.pairs_test), dense.predict(split.X_test))
    assert machine.feature_matrix_ is machine.step_.feature_matrix
    assert "test_loss" not in machine.fit(split, validate=False).history_[0]


def test_a_singular_system_says_why():
    split = ModularTask("add", 13).split_orbits(0.5)
    message = (
        r"the kernel matrix of step 0 \(78 rows, torch.float64\) is singular: the Cholesky pivot"
    )
    with pytest.raises(SingularKernelError, match=message + r".* ask for a ridge"):
        next(OrbitRFM(GaussianKernel(1e4)).iterate(split))
    assert next(OrbitRFM(GaussianKernel(1e4), ridge=0.1).iterate(split)).train_loss > 0


def test_a_kernel_that_leaves_every_cell_alone_has_no_features():
    split = ModularTask("add", 7).split_orbits(0.5)
    with pytest.raises(SingularKernelError, match="the predictor of step 0 has no features"):
        [*OrbitRFM(GaussianKernel(0.01)).iterate(split)]


@pytest.mark.parametrize(
    ("kernel", "options", "said"),
    [
        (GaussianKernel(2.5), {"agop_power": 3.0}, "The feature matrix leaves"),
        (QuadraticKernel(3.0), {"agop_power": 3.0}, "A quadratic kernel has"),
        (GaussianKernel(1e5), {}, "The bandwidth is too large for 30 cells"),
        (GaussianKernel(1e5), {"ridge": 1e-17}, "ask for a ridge larger than 1e-17"),
    ],
)
def test_reasons_for_singular_systems(kernel, options, said):
    few = isinstance(kernel, GaussianKernel) and "agop_power" in options
    split = ModularTask("mul", 13 if few else 7).split_orbits(n_orbits=3 if few else 5)
    with pytest.raises(SingularKernelError) as error:
        [*OrbitRFM(kernel, n_iterations=9, **options).iterate(split)]
    assert said in str(error.value)


@settings(max_examples=40)
@given(drawn=diagonals(), bandwidth=st.sampled_from((100.0, 1e3, 3e3, 1e4, 1e5)))
def test_what_is_singular_is_so_for_both_machines(drawn, bandwidth):
    split = split_of(*drawn)
    refused = []
    for machine, data in (
        (OrbitRFM(GaussianKernel(bandwidth)), (split,)),
        (RFM(GaussianKernel(bandwidth)), (split.X_train, split.Y_train)),
    ):
        try:
            next(machine.iterate(*data))
            refused.append(False)
        except SingularKernelError:
            refused.append(True)
    assert refused[0] == refused[1]


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: OrbitRFM("gaussian"), "kernel must be a kernel object"),
        (lambda s: OrbitRFM(GaussianKernel(), chunk_numbers=0), "chunk_numbers must be an integer ≥ 1, got 0"),
        (lambda s: OrbitRFM(GaussianKernel()).iterate(s.X_train), "split must be an OrbitSplit, as task.split_orbits makes it, got a Tensor of shape (21, 14)"),
        (lambda s: OrbitRFM(GaussianKernel(1e-25)).iterate(split_of("add", 7, [1], dtype=torch.float32)), "does not fit torch.float32"),
        (lambda s: OrbitRFM(GaussianKernel()).iterate(split_of("add", 7, [1], device="meta")), "split must hold numbers, got a tensor on the meta device"),
        (lambda s: OrbitRFM(GaussianKernel()).fit(s, on_step=3), "on_step must be a function or None, got 3"),
        (lambda s: next(OrbitRFM(GaussianKernel()).iterate(s)).predict(torch.tensor([[7, 0]])), "pairs must lie in 0 … 6"),
    ],
)  # fmt: skip
def test_errors_say_what_would_be_right(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(ModularTask("add", 7).split_orbits(0.5))


def test_memory_is_asked_for_before_it_is_taken():
    with pytest.raises(ValueError, match="15000 diagonals of 29989 cells would take about"):
        OrbitRFM(GaussianKernel()).iterate(ModularTask("add", 29989).split_orbits(n_orbits=15000))


class LargestTensor(TorchDispatchMode):
    """How many numbers the largest tensor has that is made meanwhile."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        parts = made if isinstance(made, tuple | list) else (made,)
        sizes = [part.untyped_storage().nbytes() // 8 for part in parts if isinstance(part, Tensor)]
        self.numbers = max(self.numbers, *sizes, 0)
        return made


def test_no_tensor_is_as_large_as_a_part_of_the_kernel_matrix():
    split = ModularTask("add", 61).split_orbits(0.5, seed=1)
    m, N = len(split.differences), 61
    with LargestTensor() as largest:
        for step in OrbitRFM(GaussianKernel(2.5), n_iterations=1, chunk_numbers=1000).iterate(
            split
        ):
            assert step.test_loss > 0
    # The blocks, one of each pair, or what the processor's cache is to hold; not (m N)².
    assert largest.numbers <= max(m * (m + 1) // 2 * (N // 2 + 1), CACHED) < (m * N) ** 2 / 20
