"""The neural counterpart: networks with one hidden layer, f(x) = W₂ σ(W₁ x).

How they learn is in `rfm_tutorial.training`, what they have learned in
`rfm_tutorial.neural_features`.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rfm_tutorial.checks import (
    check_device,
    check_dtype,
    check_finite,
    check_integer,
    check_matrix,
    check_memory,
    seeded_generator,
    shown,
)
from rfm_tutorial.operations import MODULUS_MAX


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


def check_network(network: TwoLayerNetwork) -> None:
    """A network of this module, or of a class derived from `TwoLayerNetwork`."""
    if not isinstance(network, TwoLayerNetwork):
        raise TypeError(
            f"network must be a QuadraticNetwork or a ReLUNetwork, got {type(network).__name__}"
        )


def check_inputs(name: str, network: TwoLayerNetwork, X: Tensor) -> Tensor:
    """Inputs of the network's width, dtype and device."""
    check_network(network)
    weight = network.input_weight
    check_finite("network.input_weight", weight)
    check_finite("network.output_weight", network.output_weight)
    columns = weight.shape[1]
    return check_matrix(name, X, columns=columns, like=weight, like_name="network.input_weight")
