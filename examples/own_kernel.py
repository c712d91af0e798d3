"""A kernel of one's own: two short functions, and everything that the package does works with it.

    python examples/own_kernel.py

The rational quadratic kernel, which decays more slowly than a Gaussian:

    k(x, z; M) = 1 / (1 + ‖x − z‖²_M / 2L²)
"""

from dataclasses import dataclass

import torch
from sklearn.datasets import make_friedman1
from sklearn.model_selection import cross_val_score

from rfm_tutorial import GaussianKernel, KernelRidge, agop, median_distance, predictor_agop
from rfm_tutorial.estimators import RFMRegressor
from rfm_tutorial.kernels import RadialKernel


@dataclass(frozen=True)
class RationalQuadraticKernel(RadialKernel):
    """k = 1 / (1 + r² / 2L²), r² = ‖x − z‖²_M. The parameter `bandwidth`, L, is inherited."""

    def profile(self, squared_distance):
        """k, from r²."""
        return 1 / (1 + squared_distance / (2 * self.bandwidth**2))

    def slope(self, squared_distance):
        """−2 dk/d(r²), the weight of z − x in the gradient."""
        return self.profile(squared_distance) ** 2 / self.bandwidth**2


def main() -> None:
    """Check the slope against automatic differentiation, then use the kernel."""
    X, y = make_friedman1(300, n_features=10, noise=1.0, random_state=0)
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    L = median_distance(inputs)
    model = KernelRidge(RationalQuadraticKernel(L), ridge=0.01).fit(inputs, targets)
    ours, automatic = predictor_agop(model, center=False), agop(model.predict, inputs)
    agrees = torch.allclose(ours, automatic)
    print(f"its AGOP agrees with automatic differentiation: {agrees}")

    for kernel in (GaussianKernel(L), RationalQuadraticKernel(L)):
        for n_iterations in (0, 5):
            learner = RFMRegressor(kernel, ridge=0.01, n_iterations=n_iterations, random_state=0)
            score = cross_val_score(learner, X, y).mean()
            print(f"{type(kernel).__name__:24} {n_iterations} updates: R² {score:.2f}")


if __name__ == "__main__":
    main()
