"""Kernels k(x, z; M) with a feature matrix M, and the derivative weights behind their gradients.

Every kernel here has a gradient of one of two shapes,

    radial (k depends on ‖x − z‖²_M)      ∇ₓ k(x, z; M) = w(x, z) · M (z − x)
    inner product (k depends on xᵀMz)     ∇ₓ k(x, z; M) = w(x, z) · M z

so that a kernel is told by its values and its scalar weights w; `rfm_tutorial.gradient_sums` needs
no more. To add one, subclass `RadialKernel` or `InnerProductKernel`, say both as functions of
‖x − z‖²_M or xᵀMz, and give it its short name in `KERNELS`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import check_matrix, check_real, check_same_kind, check_symmetric
from rfm_tutorial.distances import product, seen_from_the_middle, squared_distances
from rfm_tutorial.precision import in_full_precision

Matrix = Float[Tensor, "n m"]


@dataclass(frozen=True)
class Kernel(ABC):
    """The contract of all kernels. Instances are small frozen objects: parameters, no state."""

    radial: ClassVar[bool]
    """Whether the gradient points along z − x (True) or along z (False)."""
    slopes_are_values: ClassVar[bool] = False
    """Whether `slopes` gives the same numbers as `values`: who has one needs not make the other."""
    n_matrices: ClassVar[int] = 4
    """How many n × n matrices are in memory at the peak of a fit with predictions: kernel, Cholesky
    factor, predictions, and what leads from products to values. Measured, and rounded up."""
    nanoseconds: ClassVar[float] = 15.0
    """Of one core for one value; measured on the machine of `rfm_tutorial.costs`."""

    @in_full_precision
    def __call__(
        self,
        X: Float[Tensor, "n d"],
        Z: Float[Tensor, "m d"],
        M: Float[Tensor, "d d"] | None = None,
    ) -> Float[Tensor, "n m"]:
        """Kernel values k(x_i, z_j; M).

        Parameters
        ----------
        X, Z : inputs, (n, d) and (m, d), float32 or float64
        M : symmetric feature matrix, (d, d); None is the identity. PSD for a radial kernel

        Raises
        ------
        ValueError
            If shapes, dtypes or devices disagree, a value is not finite, M does not fit, or the
            result would not be finite.
        """
        self._check(X, Z, M)
        return self._within_range("values", self.values(X, Z, M))

    @in_full_precision
    def derivative_weights(
        self,
        X: Float[Tensor, "n d"],
        Z: Float[Tensor, "m d"],
        M: Float[Tensor, "d d"] | None = None,
    ) -> Float[Tensor, "n m"]:
        """The weights w(x_i, z_j) of ∇ₓ k, in the sense of this module's first lines.

        Parameters and errors are those of `__call__`.
        """
        self._check(X, Z, M)
        return self._within_range("derivative weights", self.slopes(X, Z, M) * self.slope_scale)

    @property
    def slope_scale(self) -> float:
        """The constant factor c of the weights w = c · slopes."""
        return 1.0

    @abstractmethod
    def values(self, X: Tensor, Z: Tensor, M: Tensor | None, out: Tensor | None = None) -> Tensor:
        """`__call__` without checks, into `out` if given."""

    @abstractmethod
    def slopes(
        self, X: Tensor, Z: Tensor, M: Tensor | None, values: Tensor | None = None
    ) -> Tensor:
        """`derivative_weights` without checks and without the factor `slope_scale`.

        `values`, if the caller has them, are k(X, Z; M): a kernel may use them to save work.
        """

    def check_fits(self, dtype: torch.dtype) -> None:
        """Refuse a dtype that cannot hold this kernel's scale."""
        largest = torch.finfo(dtype).max
        if self.slope_scale > largest:
            raise ValueError(
                f"{self} does not fit {dtype}: its gradients are multiplied by "
                f"{self.slope_scale:.1e}, and the largest number is {largest:.1e}. "
                f"Take float64, or a parameter nearer to 1"
            )

    def _within_range(self, what: str, numbers: Tensor) -> Tensor:
        if not numbers.is_meta and not bool(torch.isfinite(numbers).all()):
            raise ValueError(
                f"{what} of {self} must be finite, got NaN or infinity: X, Z or the feature matrix "
                f"is too large for {numbers.dtype}; divide it by a constant"
            )
        return numbers

    def _check(self, X: Tensor, Z: Tensor, M: Tensor | None) -> None:
        check_matrix("X", X)
        self.check_fits(X.dtype)
        check_matrix("Z", Z, columns=X.shape[1], like=X)
        if M is not None:
            check_feature_matrix(M, X, positive=self.radial)


def check_feature_matrix(M: Tensor, X: Tensor, *, positive: bool) -> Tensor:
    """A symmetric (d, d) matrix for inputs X (n, d), with no negative eigenvalue if `positive`."""
    check_symmetric("feature_matrix", M, X.shape[1])
    check_same_kind("feature_matrix", M, X, "X")
    if positive and not M.is_meta:
        eigenvalues = torch.linalg.eigvalsh(M.detach())
        lowest, highest = float(eigenvalues[0]), float(eigenvalues[-1])
        if lowest < -100 * len(M) * torch.finfo(M.dtype).eps * abs(highest):
            raise ValueError(
                f"feature_matrix must be positive semidefinite for a radial kernel, got "
                f"eigenvalues from {lowest:.3g} to {highest:.3g}"
            )
    return M


def _bilinear(X: Tensor, Z: Tensor, M: Tensor | None, out: Tensor | None) -> Tensor:
    """XMZᵀ, with M applied to the shorter of the two."""
    if M is None:
        return torch.mm(X, Z.T, out=out)
    if len(X) <= len(Z):
        return torch.mm(X @ M, Z.T, out=out)
    return torch.mm(X, (Z @ M).T, out=out)


@dataclass(frozen=True)
class RadialKernel(Kernel):
    """A kernel of ‖x − z‖²_M. A subclass gives `profile` and `slope`; both may work in place.

    profile(r²) -> k            slope(r²) -> −2 dk/d(r²), up to the constant `slope_scale`

    Both must answer r² = ∞, the distance to a row whose numbers are too large for the dtype.

    Parameters
    ----------
    bandwidth : the length scale L > 0, in the units of ‖x − z‖_M
    """

    radial: ClassVar[bool] = True

    bandwidth: float = 2.5

    def __post_init__(self) -> None:
        bandwidth = check_real("bandwidth", self.bandwidth, positive=True)
        # Its square and inverse square are numbers.
        if not 1e-150 <= bandwidth <= 1e150:
            raise ValueError(f"bandwidth must lie between 1e-150 and 1e150, got {self.bandwidth!r}")
        object.__setattr__(self, "bandwidth", bandwidth)

    def check_fits(self, dtype: torch.dtype) -> None:
        super().check_fits(dtype)
        # Distances are compared with the bandwidth by their squares.
        number = torch.finfo(dtype)
        if not number.tiny <= self.bandwidth**2 <= number.max:
            raise ValueError(
                f"{self} does not fit {dtype}: the square of its bandwidth, "
                f"{self.bandwidth**2:.1e}, is not between {number.tiny:.1e} and {number.max:.1e}. "
                f"Take float64, or other units"
            )

    @abstractmethod
    def profile(self, squared_distance: Matrix) -> Matrix:
        """Values from squared distances, which are exactly 0 where x = z."""

    @abstractmethod
    def slope(self, squared_distance: Matrix) -> Matrix:
        """Weights from squared distances. Where x = z the weight has no effect; 0 is right."""

    def values(self, X, Z, M, out=None):
        return self.profile(squared_distances(X, Z, M, out))

    def slopes(self, X, Z, M, values=None):
        return self.slope(squared_distances(X, Z, M))


@dataclass(frozen=True)
class InnerProductKernel(Kernel):
    """A kernel of xᵀMz. A subclass gives `profile` and `slope`; both may work in place.

    profile(t) -> k             slope(t) -> dk/dt, up to the constant `slope_scale`
    """

    radial: ClassVar[bool] = False

    @abstractmethod
    def profile(self, product: Matrix) -> Matrix:
        """Values from the products xᵀMz."""

    @abstractmethod
    def slope(self, product: Matrix) -> Matrix:
        """Weights from the products xᵀMz."""

    def values(self, X, Z, M, out=None):
        return self.profile(_bilinear(X, Z, M, out))

    def slopes(self, X, Z, M, values=None):
        return self.slope(_bilinear(X, Z, M, None))


@dataclass(frozen=True)
class GaussianKernel(RadialKernel):
    """k(x, z; M) = exp(−‖x − z‖²_M / 2L²), with weights w = k / L².

    Parameters
    ----------
    bandwidth : the length scale L > 0, in the units of ‖x − z‖_M

    Examples
    --------
    >>> x, z = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> GaussianKernel(bandwidth=1.0)(x, z)
    tensor([[0.3679]])
    """

    slopes_are_values: ClassVar[bool] = True

    @property
    def slope_scale(self) -> float:
        return 1 / self.bandwidth**2

    def profile(self, squared_distance):
        return squared_distance.mul_(-0.5 / self.bandwidth**2).exp_()

    def slope(self, squared_distance):
        return self.profile(squared_distance)

    # One product and one pass over the matrix, where the general way takes five: exp has no
    # trouble with a distance of −1e-16. Data much larger than the bandwidth take the general way.
    def values(self, X, Z, M, out=None):
        scale = -0.5 / self.bandwidth**2
        seen = _, q_X, _, q_Z = seen_from_the_middle(X, Z, M)
        eps = torch.finfo(X.dtype).eps
        rounding = eps * -scale * torch.maximum(q_X.detach().max(), q_Z.detach().max())
        # "not <=" also sends NaN, from an overflow, the general way.
        if not X.is_meta and not bool(rounding <= eps**0.75):
            return super().values(X, Z, M, out)
        return product(seen, scale, out).exp_()

    def slopes(self, X, Z, M, values=None):
        return self.values(X, Z, M) if values is None else values


@dataclass(frozen=True)
class LaplaceKernel(RadialKernel):
    """k(x, z; M) = exp(−‖x − z‖_M / L), with weights w = k / (L ‖x − z‖_M), and 0 where x = z.

    The kernel has a cusp at x = z. Its one-sided gradients cancel there, so a point's own centre
    adds nothing to the gradient: the weight is exactly 0.

    Parameters
    ----------
    bandwidth : the length scale L > 0, in the units of ‖x − z‖_M

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> LaplaceKernel(bandwidth=2.5)(x, x)
    tensor([[1.0000, 0.5680],
            [0.5680, 1.0000]])
    >>> LaplaceKernel(bandwidth=2.5).derivative_weights(x, x).diagonal()
    tensor([0., 0.])
    """

    n_matrices: ClassVar[int] = 8
    nanoseconds: ClassVar[float] = 31.0

    @property
    def slope_scale(self) -> float:
        return 1 / self.bandwidth

    def profile(self, squared_distance):
        # The root has no derivative at 0. Filled before and after it, a zero distance is a constant
        # to automatic differentiation, which then finds the gradient 0 that `slope` states.
        zero = squared_distance == 0
        distance = squared_distance.masked_fill_(zero, 1.0).sqrt_().masked_fill(zero, 0.0)
        return distance.mul_(-1 / self.bandwidth).exp_()

    def slope(self, squared_distance):
        zero = squared_distance == 0
        distance = squared_distance.masked_fill_(zero, 1.0).sqrt_()
        weights = torch.exp(distance * (-1 / self.bandwidth)).div_(distance)
        return weights.masked_fill_(zero, 0.0)


@dataclass(frozen=True)
class QuadraticKernel(InnerProductKernel):
    """k(x, z; M) = s · (xᵀMz)², with weights w = 2s · xᵀMz.

    The scale s changes predictions only where a ridge does: with ridge = 0 it cancels.

    Parameters
    ----------
    scale : the factor s > 0

    Examples
    --------
    >>> x, z = torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    >>> QuadraticKernel(scale=3.0)(x, z)
    tensor([[3.]])
    """

    scale: float = 3.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", check_real("scale", self.scale, positive=True))

    @property
    def slope_scale(self) -> float:
        return 2 * self.scale

    def profile(self, product):
        return product.square_().mul_(self.scale)

    def slope(self, product):
        return product


KERNELS: dict[str, type[Kernel]] = {
    "gaussian": GaussianKernel,
    "laplace": LaplaceKernel,
    "quadratic": QuadraticKernel,
}
"""Every kernel by its short name: what sweeps and explorables offer, and tests put to the test."""
