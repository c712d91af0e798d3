"""Everything stays on the device of its inputs.

torch's meta device has shapes and no numbers. Most operations refuse to mix it with the CPU; for
those that do not, such as indexing, a dispatch mode looks at every operand and every result. The
same code on a GPU, where there is one, gives the same numbers.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from helpers import CASES, KERNELS_OF_THE_PACKAGE, Case, difference, feature_matrix, moved
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    ModularTask,
    MultiTask,
    QuadraticNetwork,
    accuracy,
    agop,
    agop_alignment,
    agop_trace,
    circulant_block,
    circulant_deviation,
    discrete_log_order,
    dominant_frequencies,
    fourier_multiplication,
    impose_circulant,
    network_agop,
    neural_feature_matrix,
    nfa_correlation,
    per_output_agop,
    predictor_agop,
    predictor_fact,
    project_circulant,
    project_hankel,
    psd_power,
    random_block_features,
    random_circulant_features,
    spectrum,
    train_network,
    transform_inputs,
)
from rfm_tutorial.circulant import restore_block
from rfm_tutorial.datasets import one_hot
from rfm_tutorial.fourier import dft_matrix
from rfm_tutorial.gradient_sums import kernel_agop
from rfm_tutorial.kernels import Kernel, RadialKernel
from rfm_tutorial.linalg import Workspace, solve_positive_definite
from rfm_tutorial.number_theory import discrete_log_table
from rfm_tutorial.shared_ones import Groups, find_groups
from rfm_tutorial.theorem import class_features, theorem_forms

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_kernel = pytest.mark.parametrize(
    "kernel", KERNELS_OF_THE_PACKAGE, ids=lambda kernel: type(kernel).__name__
)
both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])

SPLIT = ModularTask("add", 7).split(0.6)
FEATURES = feature_matrix("dense", 14)


class MetaOnly(TorchDispatchMode):
    """Raises where an operation takes or gives a tensor that is not on the meta device.

    As on a GPU, a single number may come from the CPU.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for part in tree_leaves((args, kwargs, result)):
            if isinstance(part, Tensor) and part.ndim and not part.is_meta:
                raise RuntimeError(f"{func} met a tensor on {part.device}, not on meta")
        return result


def use_values(kernel: Kernel, X: Tensor, Y: Tensor, M: Tensor, groups: Groups) -> list[Tensor]:
    out = torch.empty(len(X), len(X), dtype=X.dtype, device=X.device)
    return [kernel(X, X[:5]), kernel(X, X[:5], M), kernel.values(X, X, M, out)]


def use_weights(kernel: Kernel, X: Tensor, Y: Tensor, M: Tensor, groups: Groups) -> list[Tensor]:
    return [kernel.derivative_weights(X, X[:5]), kernel.slopes(X, X, M, kernel.values(X, X, M))]


def use_agop(kernel: Kernel, X: Tensor, Y: Tensor, M: Tensor, groups: Groups) -> list[Tensor]:
    results = []
    for method in ("grouped", "direct", "closed"):
        for features, where in ((None, X), (M, X), (M, X[:4].clone())):
            results.append(
                kernel_agop(
                    kernel,
                    X,
                    Y,
                    features,
                    where,
                    center=True,
                    chunk_size=3,
                    groups=groups,
                    workspace=Workspace(),
                    method=method,
                )
            )
    return results


def use_machine(kernel: Kernel, X: Tensor, Y: Tensor, M: Tensor, groups: Groups) -> list[Tensor]:
    model = KernelRidge(kernel, ridge=0.1).fit(X, Y, M)
    return [
        model.dual_coef_,
        model.predict(X[:5]),
        model.leave_one_out(),
        predictor_agop(model),
        predictor_agop(model, X[:4].clone(), chunk_size=2),
        per_output_agop(model),
        predictor_fact(model),
    ]


def use_function(kernel: Kernel, X: Tensor, Y: Tensor, M: Tensor, groups: Groups) -> list[Tensor]:
    return [agop(KernelRidge(kernel, ridge=0.1).fit(X, Y, M).predict, X, center=True)]


def use_loop(kernel: Kernel, X: Tensor, Y: Tensor, M: Tensor, groups: Groups) -> list[Tensor]:
    steps = list(RFM(kernel, 3, ridge=0.1).iterate(X, Y, on_features=lambda M: M * 2))
    return [step.feature_matrix for step in steps] + [step.predict(X) for step in steps]


def use_linalg(kernel: Kernel, X: Tensor, Y: Tensor, M: Tensor, groups: Groups) -> list[Tensor]:
    A = X @ X.T
    return [psd_power(M, 0.5), solve_positive_definite(A, Y, 0.1, Workspace())]


USES = [use_values, use_weights, use_agop, use_machine, use_function, use_loop, use_linalg]
every_use = pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
Use = Callable[[Kernel, Tensor, Tensor, Tensor, Groups], list[Tensor]]


def arguments(
    device: str, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor, Groups]:
    """Made on the CPU and moved: the meta device has no numbers to find groups in."""
    X, Y, M = (tensor.to(dtype) for tensor in (SPLIT.X_train, SPLIT.Y_train, FEATURES))
    groups = find_groups(X)
    assert groups is not None
    return X.to(device), Y.to(device), M.to(device), moved(groups, device)


@every_use
@every_case
@both_types
def test_nothing_is_made_on_the_cpu_for_inputs_elsewhere(
    use: Use, case: Case, dtype: torch.dtype
) -> None:
    if use is use_function and torch.__version__ < "2.13":
        pytest.skip("before 2.13, torch's own jacrev counts on the CPU")
    on_cpu = use(case.kernel, *arguments("cpu", dtype))
    given = arguments("meta", dtype)
    with MetaOnly():
        on_meta = use(case.kernel, *given)
    assert all(result.is_meta for result in on_meta)
    assert [(r.shape, r.dtype) for r in on_meta] == [(r.shape, r.dtype) for r in on_cpu]


@every_use
@every_case
def test_nothing_is_made_on_the_default_device_for_inputs_on_the_cpu(use: Use, case: Case) -> None:
    expected = use(case.kernel, *arguments("cpu"))
    given = arguments("cpu")
    with torch.device("meta"):
        # What this test itself makes is made with a device.
        got = use(case.kernel, *given)
    assert all(difference(a, b) < 1e-12 for a, b in zip(got, expected, strict=True))


def use_tables() -> list[Tensor]:
    table, both = ModularTask("div", 7), MultiTask(("add", "div"), 5)
    return [
        *ModularTask("mul", 5).split(),
        *both.split(),
        both.tasks,
        table.encode(table.pairs),
        one_hot(table.labels, 7),
        discrete_log_order(7),
        discrete_log_table(7),
    ]


def use_features() -> list[Tensor]:
    operations = ("add", "sub", "mul", "div")
    made = [random_circulant_features(name, 7, seed=1) for name in operations]
    made += [random_block_features(name, 7, seed=1) for name in operations]
    blocks = [circulant_block(M, name) for M, name in zip(made, operations, strict=False)]
    return [
        *made,
        *blocks,
        *(restore_block(block, name) for block, name in zip(blocks, operations, strict=True)),
        *(impose_circulant(M, name) for M, name in zip(made, operations, strict=False)),
        *(project(blocks[0]) for project in (project_circulant, project_hankel)),
        torch.tensor([circulant_deviation(block) for block in blocks], device="cpu"),
        torch.tensor(agop_alignment(made[0], made[1]), device="cpu"),
    ]


def use_networks() -> list[Tensor]:
    split = transform_inputs(SPLIT, random_circulant_features("add", 7))
    network = QuadraticNetwork(7, width=8, seed=2)
    first = [weight.detach().clone() for weight in network.parameters()]
    losses = [record.test_loss for record in train_network(network, split, 2, agop_penalty=0.1)]
    return [
        *first,
        *network.parameters(),
        network(split.X_test),
        neural_feature_matrix(network),
        network_agop(network, split.X_train),
        agop(network, split.X_train),
        agop_trace(network, split.X_train),
        torch.tensor([*losses, nfa_correlation(network, split.X_train)], device="cpu"),
    ]


def use_fourier() -> list[Tensor]:
    pairs = ModularTask("add", 7).pairs
    block = circulant_block(random_circulant_features("add", 7), "add")
    return [
        *(fourier_multiplication(pairs[1:], 7, name, [1]) for name in ("add", "sub", "mul")),
        spectrum(block),
        dominant_frequencies(block),
        dft_matrix(6),
        class_features(5),
        theorem_forms(5),
    ]


def use_saved_model(folder: Path) -> list[Tensor]:
    rfm = RFM(GaussianKernel(), 1).fit(SPLIT.X_train, SPLIT.Y_train)
    rfm.save(folder / "model")
    return [RFM.load(folder / "model").predict(SPLIT.X_test)]


@pytest.mark.parametrize("use", [use_tables, use_features, use_networks, use_fourier])
def test_nothing_is_made_on_the_default_device(use: Callable[[], list[Tensor]]) -> None:
    expected = use()
    torch.set_default_device("meta")
    try:
        got = use()
    finally:
        torch.set_default_device(None)
    for a, b in zip(got, expected, strict=True):
        assert a.device.type == "cpu"
        # The same operations in the same order, so the same bits.
        assert torch.equal(a, b)


def test_a_model_is_saved_and_loaded_whatever_the_default_device(tmp_path: Path) -> None:
    expected = use_saved_model(tmp_path)
    with torch.device("meta"):
        got = use_saved_model(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("default", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("use", [use_tables, use_features, use_networks, use_fourier])
def test_the_default_dtype_is_not_used(
    use: Callable[[], list[Tensor]], default: torch.dtype
) -> None:
    expected = use()
    torch.set_default_dtype(default)
    try:
        got = use()
    finally:
        torch.set_default_dtype(torch.float32)
    for a, b in zip(got, expected, strict=True):
        if b.ndim and b.dtype != torch.float32:  # what the test itself made of plain numbers
            assert a.dtype == b.dtype
            assert torch.equal(a, b)
        else:
            torch.testing.assert_close(a.double(), b.double(), rtol=1e-2, atol=0)


@pytest.mark.usefixtures("no_type_checks")
def test_none_is_the_cpu_for_all_that_takes_a_device() -> None:
    with torch.device("meta"):
        assert ModularTask("add", 5).split(device=None).X_train.device.type == "cpu"
        assert QuadraticNetwork(5, 8, device=None).input_weight.device.type == "cpu"
        assert random_circulant_features("add", 5, device=None).device.type == "cpu"
        assert dft_matrix(5).device.type == "cpu"
        assert QuadraticNetwork(5, 8, device="meta").input_weight.is_meta


@dataclasses.dataclass(frozen=True)
class StrayKernel(RadialKernel):
    """Wrong on purpose: a factor for each centre, made without a thought for the device."""

    def profile(self, squared_distance):
        return squared_distance * torch.ones(squared_distance.shape[1], dtype=torch.float64)

    def slope(self, squared_distance):
        return squared_distance * torch.ones(squared_distance.shape[1], dtype=torch.float64)


@pytest.mark.parametrize("use", [use_values, use_weights, use_agop], ids=lambda use: use.__name__)
def test_the_tests_above_do_notice_a_stray_tensor(use: Use) -> None:
    given = arguments("meta")
    with pytest.raises(RuntimeError, match="meta"):
        use(StrayKernel(), *given)
    with MetaOnly(), pytest.raises(RuntimeError, match="not on meta"):
        use(StrayKernel(), *given)
    given = arguments("cpu")
    use(StrayKernel(), *given)
    with torch.device("meta"), pytest.raises(RuntimeError, match="meta"):
        use(StrayKernel(), *given)


@pytest.mark.parametrize("stray", ["members", "present", "columns"])
def test_groups_left_behind_on_the_cpu_are_noticed(stray: str) -> None:
    X, Y, M, groups = arguments("meta")
    groups = dataclasses.replace(groups, **{stray: getattr(arguments("cpu")[3], stray)})
    with MetaOnly(), pytest.raises(RuntimeError):
        kernel_agop(GaussianKernel(), X, Y, M, X, center=True, groups=groups, method="grouped")


def test_splits_are_made_on_the_cpu_and_moved() -> None:
    split = ModularTask("div", 7).split(device=torch.device("meta"))
    assert all(part.is_meta for part in split)


def test_an_encoding_is_where_its_digits_are() -> None:
    pairs = torch.zeros(3, 2, dtype=torch.int64, device="meta")
    assert ModularTask("add", 5).encode(pairs).is_meta


@pytest.fixture
def gpu() -> Iterator[str]:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield "cuda"
    torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.gpu
@every_use
@every_case
@both_types
def test_a_gpu_computes_what_the_cpu_computes(
    use: Use, case: Case, dtype: torch.dtype, gpu: str
) -> None:
    on_cpu, on_gpu = (use(case.kernel, *arguments(device, dtype)) for device in ("cpu", gpu))
    for a, b in zip(on_gpu, on_cpu, strict=True):
        assert a.is_cuda
        assert a.dtype == dtype
        assert difference(a.cpu(), b) < (1e-6 if dtype == torch.float64 else 1e-2)


@pytest.mark.gpu
@every_kernel
@both_types
def test_a_trajectory_on_a_gpu_is_that_on_the_cpu(
    kernel: Kernel, dtype: torch.dtype, gpu: str
) -> None:
    def losses(device: str) -> list[float]:
        split = ModularTask("add", 23).split(0.5, dtype=dtype, device=device)
        rfm = RFM(kernel, 12)
        rfm.fit(split.X_train, split.Y_train, (split.X_test, split.Y_test))
        assert rfm.feature_matrix_.device.type == device
        return [record["test_loss"] for record in rfm.history_]

    allowed = 1e-8 if dtype == torch.float64 else 1e-3
    assert losses(gpu) == pytest.approx(losses("cpu"), abs=allowed)


@pytest.mark.gpu
def test_modular_addition_is_grokked_on_a_gpu(gpu: str) -> None:
    split = ModularTask("add", 61).split(0.5, device=gpu)
    rfm = RFM(GaussianKernel(2.5), n_iterations=25)
    rfm.fit(split.X_train, split.Y_train, (split.X_test, split.Y_test))
    assert rfm.history_[0]["test_accuracy"] <= 0.02
    assert accuracy(rfm.predict(split.X_test), split.y_test) >= 0.99
