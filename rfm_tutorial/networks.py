"""The neural counterpart: networks with one hidden layer, how they train, and their features.

    f(x) = W₂ σ(W₁ x),      J(x) = W₂ diag(σ'(W₁ x)) W₁

With hidden slopes S (n, k), row i holding σ'(W₁ x_i), the AGOP has a closed form, in which no
Jacobian is formed:

    G = (1/n) Σ_i J(x_i)ᵀ J(x_i) = W₁ᵀ [(W₂ᵀW₂) ∘ (SᵀS/n)] W₁

The neural feature matrix (NFM) is W₁ᵀW₁. The neural feature ansatz of arXiv 2212.13881 says that
training makes it proportional to AGOP^½, with the AGOP as it stands above: not centred.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real

import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from rfm_tutorial.checks import (
    check_device,
    check_dtype,
    check_finite,
    check_flag,
    check_integer,
    check_labels,
    check_matrix,
    check_memory,
    check_numbers,
    check_real,
    seeded_generator,
    shown,
)
from rfm_tutorial.datasets import Split
from rfm_tutorial.kernels import check_feature_matrix
from rfm_tutorial.linalg import psd_power
from rfm_tutorial.metrics import accuracy, mean_squared_error
from rfm_tutorial.operations import MODULUS_MAX
from rfm_tutorial.precision import in_full_precision


class TwoLayerNetwork(nn.Module, ABC):
    """f(x) = W₂ σ(W₁ x), no biases. A subclass gives σ as `activation` and σ' as `slope`.

    Parameters
    ----------
    modulus : p, the number of outputs
    width : number of hidden units k
    seed : of the initial weights, uniform in ±1/√(inputs of the layer) as in `torch.nn.Linear`;
        drawn on the CPU from a generator of their own: a seed means the same on every device
    n_inputs : d; None is 2p, two one-hot digits
    dtype, device : of the weights; they must be those of the inputs

    Attributes
    ----------
    input_weight : W₁ (k, d)
    output_weight : W₂ (p, k)

    Examples
    --------
    >>> network = QuadraticNetwork(5, width=16)
    >>> network(torch.eye(10, dtype=torch.float64)).shape
    torch.Size([10, 5])
    """

    def __init__(
        self,
        modulus: int,
        width: int = 256,
        seed: int = 0,
        n_inputs: int | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.modulus = check_integer("modulus", modulus, at_least=2, at_most=MODULUS_MAX)
        self.width = check_integer("width", width, at_least=1, at_most=MODULUS_MAX)
        inputs = 2 * modulus if n_inputs is None else n_inputs
        self.n_inputs = check_integer("n_inputs", inputs, at_least=1, at_most=MODULUS_MAX)
        check_dtype(dtype)
        device = check_device(device)
        generator = seeded_generator(seed)
        # Drawn, scaled, and moved.
        needed = 3 * dtype.itemsize * self.width * (self.n_inputs + self.modulus)
        check_memory(f"a network of width {shown(self.width)}", needed, "take a smaller one")

        def uniform(outputs: int, inputs: int) -> nn.Parameter:
            weight = torch.rand(outputs, inputs, generator=generator, dtype=dtype, device="cpu")
            return nn.Parameter(((2 * weight - 1) / math.sqrt(inputs)).to(device))

        with torch.inference_mode(False):  # else they could never be trained
            self.input_weight = uniform(self.width, self.n_inputs)
            self.output_weight = uniform(self.modulus, self.width)

    def extra_repr(self) -> str:
        """Modulus, width and number of inputs, shown by `print(network)`."""
        return f"modulus={self.modulus}, width={self.width}, n_inputs={self.n_inputs}"

    @staticmethod
    @abstractmethod
    def activation(hidden: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """σ, entry by entry."""

    @staticmethod
    @abstractmethod
    def slope(hidden: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """σ', entry by entry."""

    def forward(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n p"]:
        """Scores of the p classes."""
        return self.activation(X @ self.input_weight.T) @ self.output_weight.T


class QuadraticNetwork(TwoLayerNetwork):
    """f(x) = W₂ (W₁ x)², the square taken entry by entry.

    Parameters and attributes are those of `TwoLayerNetwork`.
    """

    @staticmethod
    def activation(hidden):
        """σ(h) = h²."""
        return hidden.square()

    @staticmethod
    def slope(hidden):
        """σ'(h) = 2h."""
        return 2 * hidden


class ReLUNetwork(TwoLayerNetwork):
    """f(x) = W₂ max(W₁ x, 0).

    Parameters and attributes are those of `TwoLayerNetwork`.
    """

    @staticmethod
    def activation(hidden):
        """σ(h) = max(h, 0)."""
        return hidden.relu()

    @staticmethod
    def slope(hidden):
        """σ'(h) = 1 for h > 0, otherwise 0."""
        return (hidden > 0).to(hidden.dtype)


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
    >>> from rfm_tutorial import ModularTask
    >>> split = ModularTask("add", 5).split()
    >>> records = list(train_network(QuadraticNetwork(5, width=16), split, n_epochs=2))
    >>> [record.epoch for record in records]
    [0, 1, 2]
    """
    _check_network(network)
    if not any(weight.requires_grad for weight in network.parameters()):
        raise ValueError(
            "network must have weights that can be trained, got frozen ones; "
            "network.requires_grad_() lets them"
        )
    _check_split(split)
    for part in ("train", "test"):
        X, Y, y = (getattr(split, f"{name}_{part}") for name in "XYy")
        name = f"split.X_{part}"
        check_numbers(name, _check_inputs(name, network, X))
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


@torch.no_grad()
@in_full_precision
def neural_feature_matrix(network: TwoLayerNetwork) -> Float[Tensor, "d d"]:
    """NFM W₁ᵀW₁ of the first layer, symmetric PSD (d, d); d = 2p for two one-hot digits.

    A unit that has learned a wave of one frequency in each digit adds a circulant and a Hankel
    part to the off-diagonal block. For "add" and quadratic units both are there when a network
    groks; training on, the Hankel part prevails at weight_decay=1 and the circulant one, which is
    what RFM learns, at weight_decay=4 and above.

    Source: arXiv 2212.13881.

    Examples
    --------
    >>> neural_feature_matrix(QuadraticNetwork(5)).shape
    torch.Size([10, 10])
    """
    _check_network(network)
    return network.input_weight.T @ network.input_weight


@torch.no_grad()
@in_full_precision
def network_agop(
    network: TwoLayerNetwork, X: Float[Tensor, "n d"], center: bool = False
) -> Float[Tensor, "d d"]:
    """AGOP of a network over the rows of X, by the closed form of this module's first lines.

    It equals `agop(network, X, center)`, which asks automatic differentiation for each Jacobian.

    Parameters
    ----------
    network : a `QuadraticNetwork` or a `ReLUNetwork`
    X : rows to average over, (n, d)
    center : subtract each output's mean gradient over all n rows first

    Raises
    ------
    ValueError
        If X does not fit the network.

    Examples
    --------
    >>> from rfm_tutorial import agop
    >>> network, X = QuadraticNetwork(5), torch.eye(10, dtype=torch.float64)
    >>> bool(torch.allclose(network_agop(network, X), agop(network, X)))
    True
    """
    _check_inputs("X", network, X)
    check_flag("center", center)
    weight = network.input_weight
    G = weight.T @ _hidden_agop(network, X, center) @ weight
    return (G + G.T) / 2


@in_full_precision
def agop_trace(network: TwoLayerNetwork, X: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """tr(AGOP), the mean of ‖J(x)‖²_F over the rows of X, differentiable in the weights.

    As a penalty it asks for a function that changes little with its inputs. `network_agop` has
    the same trace but no gradient.

    Raises
    ------
    ValueError
        If X does not fit the network.

    Source: the AGOP regularisation of arXiv 2407.20199, in closed form.

    Examples
    --------
    >>> network = QuadraticNetwork(5)
    >>> agop_trace(network, torch.eye(10, dtype=torch.float64)).backward()
    >>> bool(network.input_weight.grad.norm() > 0)
    True
    """
    _check_inputs("X", network, X)
    weight = network.input_weight
    return (_hidden_agop(network, X, center=False) * (weight @ weight.T)).sum()


def _hidden_agop(network: TwoLayerNetwork, X: Tensor, center: bool) -> Float[Tensor, "k k"]:
    """(W₂ᵀW₂) ∘ (SᵀS/n), the AGOP with respect to W₁x."""
    S = network.slope(X @ network.input_weight.T)
    if center:
        S = S - S.mean(0)
    return (network.output_weight.T @ network.output_weight) * (S.T @ S / len(S))


@torch.no_grad()
@in_full_precision
def nfa_correlation(
    network: TwoLayerNetwork, X: Float[Tensor, "n d"], include_diagonal: bool = False
) -> float:
    """Pearson correlation between the entries of the NFM and of AGOP^½, between −1 and 1.

    Both diagonals are large, so that with them a high correlation says little. Nor does a high
    one say that anything was learned: an untrained quadratic network of width 256 has 0.96
    without the diagonal at p = 61. The AGOP is over the rows of X and not centred.

    Parameters
    ----------
    network : a `QuadraticNetwork` or a `ReLUNetwork`
    X : rows to average over, (n, d); the paper takes the training inputs
    include_diagonal : count the diagonal entries as well

    Raises
    ------
    ValueError
        If X does not fit the network, or all entries of a matrix are the same.

    Source: the neural feature ansatz of arXiv 2212.13881, for modular arithmetic in 2407.20199.

    Examples
    --------
    >>> network = QuadraticNetwork(5, width=500)
    >>> X = torch.eye(10, dtype=torch.float64)
    >>> nfa_correlation(network, X, include_diagonal=True) > 0.9
    True
    """
    check_numbers("X", _check_inputs("X", network, X))
    check_flag("include_diagonal", include_diagonal)
    matrices = [neural_feature_matrix(network), psd_power(network_agop(network, X), 0.5)]
    if not include_diagonal:
        off = ~torch.eye(network.n_inputs, dtype=torch.bool, device=X.device)
        matrices = [matrix[off] for matrix in matrices]
    entries = torch.stack([matrix.flatten() for matrix in matrices])
    if bool((entries == entries[:, :1]).all(1).any()):
        raise ValueError(
            "network must have a NFM and an AGOP whose entries differ, got a constant matrix "
            "(all weights zero, or every hidden unit switched off)"
        )
    return float(torch.corrcoef(entries)[0, 1])


def _check_split(split: Split) -> None:
    if not isinstance(split, Split):
        raise TypeError(f"split must be a Split, as task.split() gives it, got {shown(split)}")


def _check_network(network: TwoLayerNetwork) -> None:
    if not isinstance(network, TwoLayerNetwork):
        raise TypeError(
            f"network must be a QuadraticNetwork or a ReLUNetwork, got {type(network).__name__}"
        )


def _check_inputs(name: str, network: TwoLayerNetwork, X: Tensor) -> Tensor:
    """Inputs of the network's width, dtype and device."""
    _check_network(network)
    weight = network.input_weight
    check_finite("network.input_weight", weight)
    check_finite("network.output_weight", network.output_weight)
    columns = weight.shape[1]
    return check_matrix(name, X, columns=columns, like=weight, like_name="network.input_weight")
