"""Feature matrices that nobody has learned: with a random circulant block, or a random one.

They tell what structure alone is worth. A kernel machine with a random circulant block generalises
at once; the control, a random block without structure, stays at chance.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import (
    check_choice,
    check_device,
    check_dtype,
    check_integer,
    check_memory,
    check_numbers,
    check_square,
    seeded_generator,
)
from rfm_tutorial.circulant import circulant_matrix
from rfm_tutorial.operations import GROUP_OPERATIONS, MODULUS_MAX, OPERATIONS
from rfm_tutorial.precision import in_full_precision

EIGENVALUE_SHIFT = 0.5
"""What `block_features` adds to every eigenvalue, as a share of the mean singular value."""

EIGENVALUE_FLOOR = 0.01
"""The smallest eigenvalue that `block_features` leaves, as a share of the mean singular value."""


@in_full_precision
def block_features(block: Float[Tensor, "n n"], operation: str) -> Float[Tensor, "d d"]:
    """A PSD feature matrix whose off-diagonal block, arranged, is as near to C = `block` as can be.

    The plain construction [[0, C], [Cᵀ, 0]] is never PSD: its eigenvalues are ±σ for the singular
    values σ of C. Three steps make it so.

    1. Add half of the mean σ to every eigenvalue, that is to the diagonal. Singular values below
       0.49 of the mean will then come out as they went in.
    2. Raise the eigenvalues that are still below 0.01 of the mean σ to that value: the nearest
       matrix, in Frobenius norm, that is so far from singular. A floor of zero would leave the
       quadratic kernel with a singular system on large training sets.
    3. Divide by the largest eigenvalue, so that no direction counts for more than with M = I.

    Every step keeps the singular vectors of C: a circulant C gives four circulant blocks, and
    the off-diagonal one has the frequencies of C with the strongest of them damped, by just under
    half at most (its cosine with a random circulant C at p = 61 is about 0.99). The plainer ways
    are worse. Shifting by the largest σ drowns C in the identity; clipping without any shift
    leaves the spread of the σ as it is and the quadratic kernel's system often singular.

    "mul" and "div" say nothing about zero. Its two rows get the mean diagonal entry of the others
    and couple with nothing, so that a kernel machine can tell that a zero is there. That is
    enough for it: all pairs with a zero have the same label.

    Parameters
    ----------
    block : the wanted block in the arrangement of `circulant_block`: (p, p), or (p − 1, p − 1)
        for "mul" and "div"
    operation : "add", "sub", "mul" or "div"

    Returns
    -------
    (2p, 2p), symmetric PSD, largest eigenvalue 1.

    Raises
    ------
    ValueError
        If block is not a finite square float matrix, is zero, or does not belong to a prime for
        "mul" or "div".

    Examples
    --------
    >>> M = block_features(torch.eye(4), "mul")
    >>> M.shape, round(float(torch.linalg.eigvalsh(M).max()), 4)
    (torch.Size([10, 10]), 1.0)
    """
    check_numbers("block", check_square("block", block))
    check_choice("operation", operation, GROUP_OPERATIONS)
    n, p = len(block), OPERATIONS[operation].modulus_of(len(block))
    rows, columns = (digits.to(block.device) for digits in OPERATIONS[operation].order(p))
    left, sigma, right = torch.linalg.svd(block)
    if not bool(sigma[0] > 0):
        raise ValueError("block must not be zero: there is nothing that it could couple")
    shift, floor = EIGENVALUE_SHIFT * sigma.mean(), EIGENVALUE_FLOOR * sigma.mean()
    # The eigenvalues come in pairs ±σ, with eigenvectors (u, ±v) / √2.
    plus, minus = sigma + shift, (shift - sigma).clamp(min=float(floor))
    basis = torch.cat([left, right.T]) / 2**0.5
    mirror = torch.cat([left, -right.T]) / 2**0.5
    arranged = ((basis * plus) @ basis.T + (mirror * minus) @ mirror.T) / plus[0]
    M = block.new_zeros(2 * p, 2 * p)
    digits = torch.cat([rows, columns + p])
    M[digits[:, None], digits] = arranged
    if n < p:
        M[0, 0] = M[p, p] = arranged.diagonal().mean()
    return (M + M.T) / 2


def random_circulant_features(
    operation: str,
    modulus: int,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> Float[Tensor, "d d"]:
    """Feature matrix with a random circulant block: with it, a plain kernel machine generalises.

    The first row of the block is standard normal noise; `block_features` makes a PSD matrix of
    it and says how. Nothing here has seen a label. The noise is drawn on the CPU in float64, so
    that a seed means the same features everywhere.

    Measured at p = 61 over the four operations and seeds 0 to 4, ridge 0, test accuracy:

        train fraction    Gaussian, L = 2.5    quadratic         either, M = I
        0.5               0.997 … 1.000        0.997 … 1.000     0.000 … 0.033
        0.3               0.637 … 0.887        0.704 … 0.914     0.000 … 0.033

    The randomness is needed. The cyclic shift is circulant too but reaches 0.49 at one half, and
    a block of one frequency stays at chance; so do the features of another operation.

    Parameters
    ----------
    operation : "add", "sub", "mul" or "div"
    modulus : p ≥ 2; prime for "mul" and "div"
    seed : of the random row

    Returns
    -------
    (2p, 2p), symmetric PSD, largest eigenvalue 1.

    Raises
    ------
    ValueError
        If the operation is not one of the four, or modulus, seed or dtype do not fit.

    Source: the random-circulant experiment of arXiv 2407.20199.

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel, KernelRidge, ModularTask, accuracy
    >>> split = ModularTask("add", 23).split(0.7)
    >>> for M in (torch.eye(46).double(), random_circulant_features("add", 23)):
    ...     model = KernelRidge(GaussianKernel(2.5)).fit(split.X_train, split.Y_train, M)
    ...     round(accuracy(model.predict(split.X_test), split.y_test), 2)
    0.0
    1.0
    """
    return _features_of_noise(operation, modulus, seed, dtype, device, circulant=True)


def random_block_features(
    operation: str,
    modulus: int,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> Float[Tensor, "d d"]:
    """The negative control of `random_circulant_features`: a random block without any structure.

    Every entry of the block is standard normal noise; all else is the same, arguments and errors
    included. A kernel machine with these features stays at chance on new pairs.

    Examples
    --------
    >>> from rfm_tutorial import circulant_block, circulant_deviation
    >>> M = random_block_features("add", 23)
    >>> circulant_deviation(circulant_block(M, "add")) > 0.9
    True
    """
    return _features_of_noise(operation, modulus, seed, dtype, device, circulant=False)


def _features_of_noise(
    operation: str,
    modulus: int,
    seed: int,
    dtype: torch.dtype,
    device: torch.device | str | None,
    circulant: bool,
) -> Float[Tensor, "d d"]:
    check_choice("operation", operation, GROUP_OPERATIONS)
    check_integer("modulus", modulus, at_least=2, at_most=MODULUS_MAX)
    check_dtype(dtype)
    # The arranged block, its singular vectors, and four times the feature matrix.
    check_memory(f"features of modulus {modulus}", 200.0 * modulus**2, "take a smaller modulus")
    n = len(OPERATIONS[operation].order(modulus)[0])
    device = check_device(device)
    size = (n,) if circulant else (n, n)
    noise = torch.randn(size, dtype=torch.float64, generator=seeded_generator(seed), device="cpu")
    block = circulant_matrix(noise) if circulant else noise
    return block_features(block, operation).to(device, dtype)
