"""Networks: their formulas against autograd and finite differences, and that they grok."""

import json
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
import torch

from rfm_tutorial.circulant import (
    circulant_block,
    circulant_deviation,
    project_circulant,
    project_hankel,
)
from rfm_tutorial.features import random_circulant_features
from rfm_tutorial.gradients import agop
from rfm_tutorial.kernel_ridge import KernelRidge
from rfm_tutorial.kernels import GaussianKernel
from rfm_tutorial.linalg import psd_power
from rfm_tutorial.metrics import accuracy
from rfm_tutorial.networks import QuadraticNetwork, ReLUNetwork, TwoLayerNetwork
from rfm_tutorial.neural_features import (
    agop_trace,
    fact_matrix,
    network_agop,
    neural_feature_matrix,
    nfa_correlation,
)
from rfm_tutorial.tasks import ModularTask
from rfm_tutorial.training import train_network, transform_inputs


class CubicNetwork(TwoLayerNetwork):
    """A network of the reader's own: an activation and its derivative are all it takes."""

    @staticmethod
    def activation(hidden):
        return hidden**3

    @staticmethod
    def slope(hidden):
        return 3 * hidden**2


NETWORKS = (QuadraticNetwork, ReLUNetwork, CubicNetwork)


def random_inputs(rows=20, columns=14, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def last(records):
    """The last record of a run."""
    *_, record = records
    return record


def shares(block):
    """What is circulant, what is Hankel and what is neither, of the block minus its mean."""
    block = block - block.mean()
    total = block.square().sum()
    circulant, hankel = project_circulant(block), project_hankel(block)
    rest = block - circulant - hankel
    return [float(part.square().sum() / total) for part in (circulant, hankel, rest)]


# The network ----------------------------------------------------------------------------------


def test_forward_is_the_formula():
    X = random_inputs()
    for cls, sigma in ((QuadraticNetwork, np.square), (ReLUNetwork, lambda h: np.maximum(h, 0))):
        network = cls(7, width=9, seed=3)
        W1 = network.input_weight.detach().numpy()
        W2 = network.output_weight.detach().numpy()
        assert W1.shape == (9, 14)
        assert W2.shape == (7, 9)
        expected = sigma(X.numpy() @ W1.T) @ W2.T
        np.testing.assert_allclose(network(X).detach().numpy(), expected, rtol=1e-12)


def test_initial_weights_are_those_of_the_seed_and_as_large_as_in_torch():
    first, again, other = (QuadraticNetwork(61, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.input_weight, again.input_weight)
    assert torch.equal(first.output_weight, again.output_weight)
    assert not torch.equal(first.input_weight, other.input_weight)
    for weight in (first.input_weight, first.output_weight):
        bound = weight.shape[1] ** -0.5
        assert 0.99 * bound < float(weight.detach().abs().max()) <= bound
        assert abs(float(weight.detach().mean())) < 0.02 * bound


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_of_the_weights(dtype):
    network = QuadraticNetwork(5, width=4, dtype=dtype)
    X = torch.eye(10, dtype=dtype)
    for tensor in (network(X), network_agop(network, X), neural_feature_matrix(network)):
        assert tensor.dtype == dtype


def test_on_the_meta_device():
    network = ReLUNetwork(7, width=5, device="meta")
    X = torch.empty(3, 14, dtype=torch.float64, device="meta")
    assert network(X).shape == (3, 7)
    assert network(X).is_meta
    assert neural_feature_matrix(network).shape == (14, 14)
    assert network_agop(network, X).shape == (14, 14)
    assert agop_trace(network, X).is_meta


def test_repr_says_the_sizes():
    assert repr(QuadraticNetwork(5, width=4)) == "QuadraticNetwork(modulus=5, width=4, n_inputs=10)"


# Its AGOP ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", NETWORKS)
@pytest.mark.parametrize("center", [False, True])
def test_closed_form_agop_is_that_of_autograd(cls, center):
    network, X = cls(7, width=12, seed=1), random_inputs()
    G = network_agop(network, X, center=center)
    assert not G.requires_grad
    assert torch.equal(G, G.T)
    torch.testing.assert_close(G, agop(network, X, center=center), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("cls", NETWORKS)
def test_agop_trace_is_the_trace_and_the_mean_squared_jacobian(cls):
    network, X = cls(7, width=12, seed=1), random_inputs()
    trace = float(agop_trace(network, X).detach())
    assert trace == pytest.approx(float(agop(network, X).trace()), rel=1e-12)
    jacobians = torch.stack([torch.func.jacrev(network)(x[None])[0, :, 0] for x in X])
    squared = jacobians.detach().square().sum((1, 2))
    assert trace == pytest.approx(float(squared.mean()), rel=1e-12)


@pytest.mark.parametrize("cls", NETWORKS)
def test_gradient_of_the_agop_trace_is_right_and_not_zero(cls):
    network, X = cls(5, width=6, seed=2), random_inputs(columns=10)
    agop_trace(network, X).backward()
    step = 1e-6
    for weight in network.parameters():
        assert float(weight.grad.norm()) > 1e-3
        numeric = torch.zeros_like(weight)
        with torch.no_grad():
            for index in np.ndindex(*weight.shape):
                middle = float(weight[index])
                values = []
                for moved in (middle + step, middle - step):
                    weight[index] = moved
                    values.append(float(agop_trace(network, X)))
                weight[index] = middle
                numeric[index] = (values[0] - values[1]) / (2 * step)
        torch.testing.assert_close(weight.grad, numeric, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", [QuadraticNetwork, ReLUNetwork, CubicNetwork])
def test_the_features_at_convergence_are_gradients_of_the_loss(kind):
    split = ModularTask("add", 5).split()
    network = kind(5, width=8)
    X = split.X_train.clone().requires_grad_()
    loss = (network(X) - split.Y_train).square().mean()
    (gradients,) = torch.autograd.grad(loss, X)  # row i: that of row i's part of the mean
    expected = -gradients.T @ split.X_train / 0.3
    torch.testing.assert_close(fact_matrix(network, split.X_train, split.Y_train, 0.3), expected)


def test_at_rest_the_features_at_convergence_are_the_first_layers():
    split = ModularTask("add", 5).split(0.8)
    network, decay = QuadraticNetwork(5, width=12, seed=1), 2e-3
    before = neural_feature_matrix(network)
    parameters = [*network.parameters()]
    optimiser = torch.optim.LBFGS(
        parameters, max_iter=5000, tolerance_grad=1e-12, tolerance_change=0, history_size=50,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss(X=split.X_train, Y=split.Y_train):
        squares = sum(weight.square().sum() for weight in parameters)
        return (network(X) - Y).square().mean() + decay / 2 * squares

    def closure():
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)
    assert max(float(weight.grad.abs().max()) for weight in parameters) < 1e-8
    nfm = neural_feature_matrix(network)
    fact = fact_matrix(network, split.X_train, split.Y_train, decay)
    assert float(nfm.norm()) > 0.1
    torch.testing.assert_close(fact, nfm, rtol=0, atol=1e-5 * float(nfm.norm()))
    # Before training, and with the AGOP in its place, it is another matrix.
    fresh = QuadraticNetwork(5, width=12, seed=1)
    other = fact_matrix(fresh, split.X_train, split.Y_train, decay)
    assert float((other - before).norm()) > 0.5 * float(before.norm())
    root = psd_power(network_agop(network, split.X_train), 0.5)
    scale = float((root * nfm).sum() / root.square().sum())
    assert float((scale * root - nfm).norm()) > 1e-3 * float(nfm.norm())


def test_without_errors_there_is_nothing_left_at_convergence():
    network, X = QuadraticNetwork(5, width=8), torch.eye(10, dtype=torch.float64)
    assert not fact_matrix(network, X, network(X).detach()).any()


def test_nfa_correlation_is_pearson():
    network, X = QuadraticNetwork(5, width=8), random_inputs(columns=10)
    weight = network.input_weight.detach()
    matrices = [(weight.T @ weight).numpy(), psd_power(agop(network, X), 0.5).numpy()]
    everything = np.corrcoef([matrix.ravel() for matrix in matrices])[0, 1]
    off = ~np.eye(10, dtype=bool)
    without = np.corrcoef([matrix[off] for matrix in matrices])[0, 1]
    assert nfa_correlation(network, X, include_diagonal=True) == pytest.approx(everything, abs=1e-9)
    assert nfa_correlation(network, X) == pytest.approx(without, abs=1e-9)


# Training ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def split():
    return ModularTask("add", 61).split()


@pytest.fixture(scope="module")
def run(split):
    """Networks and records from before training to 35 epochs, p = 61."""
    network = QuadraticNetwork(61)
    return network, list(train_network(network, split, n_epochs=35))


@pytest.mark.slow
def test_network_groks(run):
    records = run[1]
    interpolates = next(record for record in records if record.train_accuracy > 0.99)
    groks = next(record for record in records if record.test_accuracy > 0.99)
    assert interpolates.test_accuracy < 0.05
    assert interpolates.epoch + 5 < groks.epoch <= 35
    assert groks.seconds < 90
    assert records[-1].test_accuracy > 0.999
    assert all(earlier.seconds < later.seconds for earlier, later in pairwise(records))


@pytest.mark.slow
def test_learned_features_are_circulant_and_hankel(run):
    """Each unit learns one frequency, and so adds a circulant and a Hankel part to the block."""
    untrained = circulant_block(neural_feature_matrix(QuadraticNetwork(61)), "add")
    trained = circulant_block(neural_feature_matrix(run[0]), "add")
    assert circulant_deviation(untrained) > 0.95
    assert circulant_deviation(trained) < 0.75
    assert shares(untrained)[2] > 0.93
    assert shares(trained)[2] < 0.4


@pytest.mark.slow
def test_strong_weight_decay_leaves_the_circulant_part(split):
    network = QuadraticNetwork(61)
    epochs = train_network(network, split, n_epochs=50, learning_rate=3e-3, weight_decay=4.0)
    record = last(epochs)
    assert record.test_accuracy > 0.99
    block = circulant_block(neural_feature_matrix(network), "add")
    circulant, hankel, rest = shares(block)
    assert circulant_deviation(block) < 0.55
    assert circulant > 1.5 * hankel
    assert rest < 0.25
    assert nfa_correlation(network, split.X_train) > 0.9


def test_neural_feature_ansatz(run, split):
    assert nfa_correlation(run[0], split.X_train) > 0.8
    assert nfa_correlation(run[0], split.X_train, include_diagonal=True) > 0.95


def test_relu_network_groks():
    network = ReLUNetwork(31, seed=1)
    data = ModularTask("add", 31).split(train_fraction=0.75)
    epochs = train_network(network, data, n_epochs=150, weight_decay=3.0)
    assert any(record.test_accuracy > 0.95 for record in epochs)


@pytest.mark.slow
@pytest.mark.parametrize("cls", [QuadraticNetwork, ReLUNetwork])
def test_shuffled_labels_never_generalise(cls):
    data = ModularTask("add", 31).split(train_fraction=0.75)
    order = torch.randperm(len(data.y_train), generator=torch.Generator().manual_seed(0))
    shuffled = data._replace(Y_train=data.Y_train[order], y_train=data.y_train[order])
    records = list(train_network(cls(31, width=512), shuffled, n_epochs=60, weight_decay=0.1))
    assert records[-1].train_accuracy > 0.9
    assert max(record.test_accuracy for record in records) < 0.12


def test_training_is_the_same_bit_for_bit_and_leaves_global_state_alone():
    data = ModularTask("add", 13).split()
    torch.manual_seed(123)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    networks = [QuadraticNetwork(13, width=32, seed=4) for _ in range(3)]
    runs = []
    for network, seed in zip(networks, (6, 6, 7), strict=True):
        records = []
        for record in train_network(network, data, n_epochs=5, seed=seed, agop_penalty=1e-4):
            assert torch.get_num_threads() == threads
            records.append({**asdict(record), "seconds": None})
        runs.append(records)
    assert torch.equal(torch.get_rng_state(), state)
    first, again, other = networks
    assert runs[0] == runs[1]
    assert torch.equal(first.input_weight, again.input_weight)
    assert torch.equal(first.output_weight, again.output_weight)
    assert not torch.equal(first.input_weight, other.input_weight)


def test_records_are_plain_and_epoch_0_is_the_network_as_it_came(capsys):
    data = ModularTask("mul", 13).split(dtype=torch.float32)
    network = ReLUNetwork(13, width=16, dtype=torch.float32)
    with torch.no_grad():
        scores = network(data.X_test)
    records = list(train_network(network, data, n_epochs=2))
    assert [record.epoch for record in records] == [0, 1, 2]
    assert records[0].test_accuracy == accuracy(scores, data.y_test)
    assert records[0].test_loss == pytest.approx(float((scores - data.Y_test).square().mean()))
    assert json.loads(json.dumps([asdict(record) for record in records])) == [
        asdict(record) for record in records
    ]
    assert {type(value) for record in records for value in asdict(record).values()} == {int, float}
    with pytest.raises(AttributeError, match="cannot assign"):
        records[0].epoch = 5  # pyright: ignore[reportAttributeAccessIssue]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_training_needs_no_leave_to_track_gradients(mode):
    data = ModularTask("add", 7).split()
    plain = QuadraticNetwork(7, width=16)
    expected = last(train_network(plain, data, n_epochs=2))
    with mode():
        network = QuadraticNetwork(7, width=16)
        got = last(train_network(network, data, n_epochs=2))
    assert got.train_loss == expected.train_loss
    assert torch.equal(network.input_weight, plain.input_weight)


def test_a_batch_of_all_rows_may_be_asked_for_by_any_larger_number():
    data = ModularTask("add", 7).split()
    losses = [
        last(train_network(QuadraticNetwork(7, width=16), data, 2, batch_size=size)).train_loss
        for size in (len(data.X_train), 10**30)
    ]
    assert losses[0] == losses[1]


def test_stopping_keeps_the_weights_of_that_epoch():
    data = ModularTask("add", 13).split()
    stopped, finished = (QuadraticNetwork(13, width=16) for _ in range(2))
    for record in train_network(stopped, data, n_epochs=50):
        if record.epoch == 3:
            break
    list(train_network(finished, data, n_epochs=3))
    assert torch.equal(stopped.input_weight, finished.input_weight)


def test_penalty_lowers_the_agop_trace():
    data = ModularTask("add", 17).split()
    traces = []
    for penalty in (0.0, 1e-2):
        network = QuadraticNetwork(17, width=64)
        list(train_network(network, data, n_epochs=60, weight_decay=0.0, agop_penalty=penalty))
        traces.append(float(network_agop(network, data.X_train).trace()))
    assert traces[1] < 0.3 * traces[0]


# Transformed inputs -----------------------------------------------------------------------------


def test_transformed_inputs_are_the_feature_matrix():
    data = ModularTask("add", 7).split()
    root = random_inputs(14, 14)
    M = root @ root.T / 14
    transformed = transform_inputs(data, M)
    there = KernelRidge(GaussianKernel(1.0)).fit(data.X_train, data.Y_train, M)
    here = KernelRidge(GaussianKernel(1.0)).fit(transformed.X_train, transformed.Y_train)
    torch.testing.assert_close(
        here.predict(transformed.X_test), there.predict(data.X_test), rtol=1e-8, atol=1e-10
    )
    assert transformed.Y_test is data.Y_test


@pytest.mark.slow
def test_network_on_random_circulant_features_generalises_sooner(split):
    transformed = transform_inputs(split, random_circulant_features("add", 61))
    plain, circulant = (
        last(train_network(QuadraticNetwork(61), data, n_epochs=10))
        for data in (split, transformed)
    )
    assert plain.test_accuracy < 0.1
    assert circulant.test_accuracy > 0.9


# Errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"modulus": 1}, "modulus must be an integer ≥ 2, got 1"),
        ({"modulus": 5, "width": 0}, "width must be an integer ≥ 1, got 0"),
        ({"modulus": 5, "seed": -1}, "seed must be an integer ≥ 0, got -1"),
        ({"modulus": 5, "n_inputs": 0}, "n_inputs must be an integer ≥ 1, got 0"),
        (
            {"modulus": 5, "dtype": torch.float16},
            r"dtype must be torch.float32 or torch.float64, got torch.float16",
        ),
    ],
)
def test_network_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        QuadraticNetwork(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_epochs": -1}, "n_epochs must be an integer ≥ 0, got -1"),
        ({"learning_rate": 0.0}, "learning_rate must be a positive number, got 0.0"),
        ({"betas": (0.9, 1.0)}, r"betas must be two numbers ≥ 0 and < 1, got \(0.9, 1.0\)"),
        ({"weight_decay": -1.0}, "weight_decay must be a number ≥ 0, got -1.0"),
        ({"batch_size": 0}, "batch_size must be an integer ≥ 1, got 0"),
        ({"seed": -2}, "seed must be an integer ≥ 0, got -2"),
        ({"agop_penalty": float("nan")}, "agop_penalty must be a number ≥ 0, got nan"),
    ],
)
def test_training_errors_come_before_the_first_epoch(arguments, message):
    with pytest.raises(ValueError, match=message):
        train_network(QuadraticNetwork(7, width=4), ModularTask("add", 7).split(), **arguments)


def test_errors_name_what_does_not_fit():
    network = QuadraticNetwork(7, width=4)
    other_modulus = ModularTask("add", 5).split()
    other_dtype = ModularTask("add", 7).split(dtype=torch.float32)
    with pytest.raises(ValueError, match=r"split.X_train must have 14 columns, got shape \(12, 10"):
        train_network(network, other_modulus)
    with pytest.raises(ValueError, match=r"split.X_train is torch.float32 but network.input_weig"):
        train_network(network, other_dtype)
    for measure in (network_agop, agop_trace, nfa_correlation):
        with pytest.raises(ValueError, match=r"X must have 14 columns, got shape \(12, 10\)"):
            measure(network, other_modulus.X_train)
    with pytest.raises(TypeError, match="network"):
        neural_feature_matrix(torch.nn.Linear(3, 3))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"feature_matrix must be \(10, 10\), got shape \(3, 3\)"):
        transform_inputs(other_modulus, torch.eye(3, dtype=torch.float64))
    with torch.no_grad():
        network.output_weight.zero_()
    with pytest.raises(ValueError, match="got a constant matrix"):
        nfa_correlation(network, torch.eye(14, dtype=torch.float64))
