"""How a network learns: AdamW on the mean squared error, one epoch at a time.

It is the setting of arXiv 2407.20199. `transform_inputs` hands features to a network, so that it
has none to learn.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from rfm_tutorial.checks import (
    check_flag,
    check_integer,
    check_labels,
    check_matrix,
    check_numbers,
    check_real,
    seeded_generator,
    shown,
)
from rfm_tutorial.datasets import Split
from rfm_tutorial.kernels import check_feature_matrix
from rfm_tutorial.linalg import psd_power
from rfm_tutorial.metrics import accuracy, mean_squared_error
from rfm_tutorial.networks import TwoLayerNetwork, check_inputs, check_network
from rfm_tutorial.neural_features import agop_trace
from rfm_tutorial.precision import in_full_precision


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch of `train_network` measured, in plain numbers.

    Losses are means over all rows and outputs, as in `RFM.history_`, without the AGOP penalty.
    """

    epoch: int
    seconds: float
    """Since training began, with the measurements."""
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float


def train_network(
    network: TwoLayerNetwork,
    split: Split,
    n_epochs: int = 60,
    learning_rate: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.98),
    weight_decay: float = 1.0,
    batch_size: int = 32,
    seed: int = 0,
    agop_penalty: float = 0.0,
    progress: bool = True,
) -> Iterator[EpochRecord]:
    """Train in place with AdamW on the mean squared error; yield epoch 0, 1, … n_epochs.

    Epoch 0 is the network as it came. Each later epoch is trained when it is asked for, and the
    network then holds that epoch's weights: leaving a `for` loop over it is early stopping.

    Parameters
    ----------
    network : a `QuadraticNetwork` or a `ReLUNetwork`, of the split's dtype and device
    split : from `ModularTask.split`, or `transform_inputs` of one
    learning_rate, betas, weight_decay : of AdamW
    batch_size : rows per step
    seed : of the batches, which are drawn on the CPU from a generator of their own
    agop_penalty : λ ≥ 0 in loss = mean squared error + λ · tr(AGOP), the AGOP over the batch
    progress : a progress bar after a second, if stderr is a terminal

    Raises
    ------
    ValueError
        At once, before the first epoch, if an argument does not fit.

    Source: arXiv 2407.20199, the section on neural networks.

    Examples
    --------
    >>> from rfm_tutorial import ModularTask, QuadraticNetwork
    >>> split = ModularTask("add", 5).split()
    >>> records = list(train_network(QuadraticNetwork(5, width=16), split, n_epochs=2))
    >>> [record.epoch for record in records]
    [0, 1, 2]
    """
    check_network(network)
    if not any(weight.requires_grad for weight in network.parameters()):
        raise ValueError(
            "network must have weights that can be trained, got frozen ones; "
            "network.requires_grad_() lets them"
        )
    _check_split(split)
    for part in ("train", "test"):
        X, Y, y = (getattr(split, f"{name}_{part}") for name in "XYy")
        name = f"split.X_{part}"
        check_numbers(name, check_inputs(name, network, X))
        check_matrix(
            f"split.Y_{part}", Y, rows=len(X), columns=network.modulus, like=X, like_name=name
        )
        check_labels(f"split.y_{part}", y, len(X), network.modulus, device=X.device)
    pair = isinstance(betas, tuple | list) and len(betas) == 2
    if not pair or not all(isinstance(beta, Real) and 0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas must be two numbers ≥ 0 and < 1, got {shown(betas)}")
    return _epochs(
        network,
        split,
        check_integer("n_epochs", n_epochs, at_least=0),
        torch.optim.AdamW(
            network.parameters(),
            lr=check_real("learning_rate", learning_rate, positive=True),
            betas=(float(betas[0]), float(betas[1])),
            weight_decay=check_real("weight_decay", weight_decay),
            fused=True,
        ),
        check_integer("batch_size", batch_size, at_least=1),
        seeded_generator(seed),
        check_real("agop_penalty", agop_penalty),
        check_flag("progress", progress),
    )


def _epochs(
    network: TwoLayerNetwork,
    split: Split,
    n_epochs: int,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    generator: torch.Generator,
    agop_penalty: float,
    progress: bool,
) -> Iterator[EpochRecord]:
    X, Y = split.X_train, split.Y_train
    # disable=None: silent unless stderr is a terminal. delay: silent for short runs.
    bar = tqdm(total=n_epochs + 1, disable=None if progress else True, delay=1)
    started = time.perf_counter()
    with bar:
        for epoch in range(n_epochs + 1):
            if epoch > 0:
                order = torch.randperm(len(X), generator=generator, device="cpu").to(X.device)
                with _one_thread(if_small=batch_size * network.width):
                    batches = order.split(min(batch_size, len(order)))
                    _train(network, optimizer, X, Y, batches, agop_penalty)
                if not all(bool(torch.isfinite(weight).all()) for weight in network.parameters()):
                    raise ValueError(
                        f"training must end in finite weights, got NaN or infinity at epoch "
                        f"{epoch}: learning_rate, weight_decay or agop_penalty is too large"
                    )
            record = EpochRecord(
                epoch,
                time.perf_counter() - started,
                *_measure(network, X, Y, split.y_train),
                *_measure(network, split.X_test, split.Y_test, split.y_test),
            )
            bar.update()
            bar.set_postfix(test_accuracy=f"{record.test_accuracy:.3g}")
            yield record


# Gradients even for a program that measures its networks without.
@torch.inference_mode(False)
@torch.enable_grad()
@in_full_precision
def _train(
    network: TwoLayerNetwork,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batches: tuple[Tensor, ...],
    agop_penalty: float,
) -> None:
    for rows in batches:
        inputs = X[rows]
        loss = (network(inputs) - Y[rows]).square().mean()
        if agop_penalty:
            loss = loss + agop_penalty * agop_trace(network, inputs)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@contextmanager
def _one_thread(if_small: int) -> Iterator[None]:
    """Use one CPU thread for products with fewer hidden numbers than a thread is worth.

    Two threads gain a third on batches of 32 rows and 256 units, and lose a factor of ten when
    another program keeps a core busy and each product waits for the slower thread.
    """
    threads = torch.get_num_threads()
    if if_small < 2**17:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
@in_full_precision
def _measure(network: TwoLayerNetwork, X: Tensor, Y: Tensor, y: Tensor) -> tuple[float, float]:
    scores = network(X)
    return mean_squared_error(scores, Y), accuracy(scores, y)


@torch.no_grad()
@in_full_precision
def transform_inputs(split: Split, feature_matrix: Float[Tensor, "d d"]) -> Split:
    """The same split with inputs X M^½, so that any model sees the features M.

    A kernel machine with M = I on these inputs is the one with feature matrix M on the old ones.
    With M from `random_circulant_features`, a network needs no features of its own to learn.

    Parameters
    ----------
    split : from `ModularTask.split`
    feature_matrix : M, symmetric PSD (d, d), dtype and device of the inputs

    Raises
    ------
    ValueError
        If the matrix does not fit the inputs or is not symmetric PSD.

    Examples
    --------
    >>> from rfm_tutorial import ModularTask
    >>> split = ModularTask("add", 5).split()
    >>> transformed = transform_inputs(split, 4 * torch.eye(10, dtype=torch.float64))
    >>> bool(torch.allclose(transformed.X_train, 2 * split.X_train))
    True
    """
    _check_split(split)
    root = psd_power(check_feature_matrix(feature_matrix, split.X_train, positive=True), 0.5)
    return split._replace(X_train=split.X_train @ root, X_test=split.X_test @ root)


def _check_split(split: Split) -> None:
    if not isinstance(split, Split):
        raise TypeError(f"split must be a Split, as task.split() gives it, got {shown(split)}")
