"""What the features of a network are: its first layer's, those of its AGOP, those of its loss.

    f(x) = W₂ σ(W₁ x),      J(x) = W₂ diag(σ'(W₁ x)) W₁

With hidden slopes S (n, k), row i holding σ'(W₁ x_i), the AGOP has a closed form, in which no
Jacobian is formed:

    G = (1/n) Σ_i J(x_i)ᵀ J(x_i) = W₁ᵀ [(W₂ᵀW₂) ∘ (SᵀS/n)] W₁

The neural feature matrix (NFM) is W₁ᵀW₁. The neural feature ansatz of arXiv 2212.13881 says that
training makes it proportional to AGOP^½, with the AGOP as it stands above: not centred. Where
training has come to rest, the *features at convergence*, `fact_matrix`, are provably equal to it.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import check_flag, check_matrix, check_numbers, check_real
from rfm_tutorial.linalg import psd_power
from rfm_tutorial.networks import TwoLayerNetwork, check_inputs, check_network
from rfm_tutorial.precision import in_full_precision


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
    >>> from rfm_tutorial import QuadraticNetwork
    >>> neural_feature_matrix(QuadraticNetwork(5)).shape
    torch.Size([10, 10])
    """
    check_network(network)
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
    >>> from rfm_tutorial import QuadraticNetwork, agop
    >>> network, X = QuadraticNetwork(5), torch.eye(10, dtype=torch.float64)
    >>> bool(torch.allclose(network_agop(network, X), agop(network, X)))
    True
    """
    check_inputs("X", network, X)
    check_flag("center", center)
    weight = network.input_weight
    G = weight.T @ _hidden_agop(network, X, center) @ weight
    return (G + G.T) / 2


@torch.no_grad()
@in_full_precision
def fact_matrix(
    network: TwoLayerNetwork,
    X: Float[Tensor, "n d"],
    Y: Float[Tensor, "n p"],
    weight_decay: float = 1.0,
) -> Float[Tensor, "d d"]:
    """The features at convergence: the NFM of a network that rests under weight decay.

    With the loss L = (1/n) Σ_i ℓ_i + (λ/2) ‖W₁‖², of which ℓ_i is the mean squared error of row i,
    a rest in W₁ means λ W₁ = −(1/n) Σ_i (∂ℓ_i/∂h_i) x_iᵀ with h = W₁x. Times W₁ᵀ from the left,

        W₁ᵀW₁ = −(1/nλ) Σ_i (∂ℓ_i/∂x_i) x_iᵀ

    and the right-hand side is this matrix. It is symmetric and PSD only at rest, and 0 wherever the
    training error is 0. The weight decay of AdamW is not that of this loss: what it rests at
    need not obey the equation.

    Parameters
    ----------
    network : a `QuadraticNetwork` or a `ReLUNetwork`
    X, Y : the training data, (n, d) and (n, p)
    weight_decay : λ > 0, which only sets the scale

    Raises
    ------
    ValueError
        If an argument does not fit.

    Source: the Features at Convergence Theorem of arXiv 2507.05644, for a first layer.

    Examples
    --------
    >>> from rfm_tutorial import ModularTask, QuadraticNetwork
    >>> split = ModularTask("add", 5).split()
    >>> fact_matrix(QuadraticNetwork(5), split.X_train, split.Y_train).shape
    torch.Size([10, 10])
    """
    check_inputs("X", network, X)
    check_matrix("Y", Y, rows=len(X), columns=network.modulus, like=X)
    weight_decay = check_real("weight_decay", weight_decay, positive=True)
    weight = network.input_weight
    hidden = X @ weight.T
    errors = 2 * (network(X) - Y) / Y.numel()
    at_hidden = (errors @ network.output_weight) * network.slope(hidden)
    return -(at_hidden @ weight).T @ X / weight_decay


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
    >>> from rfm_tutorial import QuadraticNetwork
    >>> network = QuadraticNetwork(5)
    >>> agop_trace(network, torch.eye(10, dtype=torch.float64)).backward()
    >>> bool(network.input_weight.grad.norm() > 0)
    True
    """
    check_inputs("X", network, X)
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
    >>> from rfm_tutorial import QuadraticNetwork
    >>> network = QuadraticNetwork(5, width=500)
    >>> X = torch.eye(10, dtype=torch.float64)
    >>> nfa_correlation(network, X, include_diagonal=True) > 0.9
    True
    """
    check_numbers("X", check_inputs("X", network, X))
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
