"""float32 stays float32 inside the package, whatever the program around it has asked of torch."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from helpers import KERNELS_OF_THE_PACKAGE, normal
from torch import Tensor

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    ModularTask,
    QuadraticNetwork,
    agop,
    agop_trace,
    network_agop,
    neural_feature_matrix,
    nfa_correlation,
    per_output_agop,
    predictor_agop,
    predictor_fact,
    psd_power,
    random_circulant_features,
    train_network,
    transform_inputs,
)
from rfm_tutorial.features import block_features
from rfm_tutorial.linalg import solve_positive_definite
from rfm_tutorial.precision import full_precision
from rfm_tutorial.theorem import class_features, fit_quadratic_forms

SPLIT = ModularTask("add", 7).split(0.6, dtype=torch.float32)
X, Y = SPLIT.X_train, SPLIT.Y_train
A = normal(14, 14, dtype=torch.float32)
M = A @ A.T + torch.eye(14)
WEIGHTS = normal(14, 3, seed=1, dtype=torch.float32)


def trained() -> list[Tensor]:
    network = QuadraticNetwork(7, width=16, dtype=torch.float32)
    records = list(train_network(network, SPLIT, n_epochs=2, agop_penalty=0.01))
    measured = torch.tensor([[record.train_loss, record.test_accuracy] for record in records])
    return [*network.parameters(), measured]


def looped(kernel) -> list[Tensor]:
    rfm = RFM(kernel, 2, ridge=0.1).fit(X, Y, (SPLIT.X_test, SPLIT.Y_test))
    history = torch.tensor([record["test_loss"] for record in rfm.history_])
    return [rfm.feature_matrix_, rfm.dual_coef_, rfm.predict(SPLIT.X_test), history]


def network() -> QuadraticNetwork:
    return QuadraticNetwork(7, width=16, dtype=torch.float32)


def machine() -> KernelRidge:
    return KernelRidge(GaussianKernel(), ridge=0.1).fit(X, Y, M)


# Everything that multiplies float32 matrices and is called from outside.
CALLS: dict[str, Callable[[], Tensor | list[Tensor]]] = {
    **{f"values of {k}": (lambda k=k: k(X, X, M)) for k in KERNELS_OF_THE_PACKAGE},
    **{f"weights of {k}": (lambda k=k: k.derivative_weights(X, X)) for k in KERNELS_OF_THE_PACKAGE},
    **{f"the loop of {k}": (lambda k=k: looped(k)) for k in KERNELS_OF_THE_PACKAGE},
    "a machine": lambda: [machine().dual_coef_, machine().predict(X)],
    "predictor_agop": lambda: predictor_agop(machine(), X[:5]),
    "per_output_agop": lambda: per_output_agop(machine()),
    "predictor_fact": lambda: predictor_fact(machine()),
    "agop": lambda: agop(lambda x: (x @ WEIGHTS).square(), X, center=True),
    "psd_power": lambda: psd_power(M, 0.5),
    "solve": lambda: solve_positive_definite(M, A),
    "neural_feature_matrix": lambda: neural_feature_matrix(network()),
    "network_agop": lambda: network_agop(network(), X, center=True),
    "agop_trace": lambda: agop_trace(network(), X).detach(),
    "nfa_correlation": lambda: torch.tensor(nfa_correlation(network(), X)),
    "train_network": trained,
    "transform_inputs": lambda: transform_inputs(SPLIT, M).X_test,
    "block_features": lambda: block_features(A, "add"),
    "random features": lambda: random_circulant_features("add", 7, dtype=torch.float32),
    "quadratic forms": lambda: fit_quadratic_forms(X, Y, class_features(7, torch.float32)).predict(
        X
    ),
}


def results(name: str) -> list[Tensor]:
    result = CALLS[name]()
    return result if isinstance(result, list) else [result]


@pytest.mark.parametrize("name", CALLS)
def test_autocast_around_a_call_changes_nothing(name: str) -> None:
    expected = results(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = results(name)
        # It is still on, for those who want it.
        assert (A @ A).dtype == torch.bfloat16
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype == torch.float32
        assert torch.equal(a, b)


def test_a_loop_that_waits_leaves_autocast_as_it_was() -> None:
    expected = [step.feature_matrix for step in RFM(GaussianKernel(), 2).iterate(X, Y)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for step in RFM(GaussianKernel(), 2).iterate(X, Y):
            assert torch.is_autocast_enabled("cpu")
            assert torch.equal(step.feature_matrix, expected[step.iteration])
        for _ in train_network(network(), SPLIT, n_epochs=1):
            assert torch.is_autocast_enabled("cpu")


def test_autocast_switched_on_between_two_steps_changes_nothing() -> None:
    expected = [step.feature_matrix for step in RFM(GaussianKernel(), 2).iterate(X, Y)]
    steps = RFM(GaussianKernel(), 2).iterate(X, Y)
    next(steps)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(next(steps).feature_matrix, expected[1])
    assert torch.equal(next(steps).feature_matrix, expected[2])


# The setting for rounded products belongs to the whole program. What it does depends on the
# processor, so it is read where products are made.


@dataclass(frozen=True)
class WatchingKernel(GaussianKernel):
    """Notes torch's setting at the time when its values are computed."""

    def values(self, X, Z, M, out=None):
        SEEN.append(torch.get_float32_matmul_precision())
        return super().values(X, Z, M, out)


SEEN: list[str] = []


@pytest.fixture
def restored() -> Iterator[None]:
    SEEN.clear()
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def product_settings() -> list[object]:
    """All that torch says of the precision of products; it refuses to say what is mixed."""
    libraries = [torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None)]
    got: list[object] = [getattr(library, "fp32_precision", None) for library in libraries]
    try:
        return [*got, torch.get_float32_matmul_precision()]
    except RuntimeError:
        return [*got, "mixed"]


def set_library(precision: str) -> None:
    if not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        pytest.skip("this version of torch has one setting for all libraries")
    torch.backends.cuda.matmul.fp32_precision = precision


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    "switch",
    [
        lambda: torch.set_float32_matmul_precision("high"),
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
        lambda: set_library("tf32"),
    ],
    ids=["high", "medium", "tf32", "tf32 of one library"],
)
def test_products_are_exact_while_the_package_computes(switch: Callable[[], None]) -> None:
    switch()
    before = product_settings()
    for step in RFM(WatchingKernel(), 2, ridge=0.1).iterate(X, Y):
        step.predict(X)
        assert product_settings() == before
    WatchingKernel()(X, X)
    WatchingKernel().derivative_weights(X, X)
    assert len(SEEN) >= 8
    assert set(SEEN) == {"highest"}
    assert product_settings() == before


@pytest.mark.usefixtures("restored")
def test_an_error_switches_the_setting_back() -> None:
    torch.set_float32_matmul_precision("high")
    before = product_settings()
    with pytest.raises(RuntimeError, match="singular"):
        KernelRidge(GaussianKernel()).fit(torch.cat([X, X]), torch.cat([Y, Y]))
    assert product_settings() == before


@pytest.mark.usefixtures("restored")
def test_the_last_of_several_threads_switches_the_setting_back() -> None:
    torch.set_float32_matmul_precision("high")
    before = product_settings()
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with full_precision():
            inside.set()
            leave.wait(60)

    other = threading.Thread(target=stay)
    other.start()
    assert inside.wait(60)
    with full_precision():
        pass
    # The other one is still at work.
    assert torch.get_float32_matmul_precision() == "highest"
    leave.set()
    other.join()
    assert product_settings() == before
