"""A loop around anything: the same loop, with polynomial regression and with a network inside.

    python examples/any_learner.py

First sums on a clock with 13 hours, 80 % of the table: polynomial regression of degree 2 cannot
learn them, and with the loop around it it groks. Then a sum of two products of five inputs, beside
fifteen that say nothing: a small network, trained anew at every step, on inputs that the step
before has weighed.
"""

import torch
from torch import nn

from rfm_tutorial import ModularTask, accuracy, recursive_features
from rfm_tutorial.learners import PolynomialRidge, TrainedModule


def make(d: int, c: int) -> nn.Module:
    """A network with one hidden layer."""
    return nn.Sequential(nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, c)).double()


def train(module: nn.Module, X: torch.Tensor, Y: torch.Tensor) -> None:
    """Adam on the mean squared error."""
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(300):
        optimiser.zero_grad()
        (module(X) - Y).square().mean().backward()
        optimiser.step()


def main() -> None:
    """Both."""
    split = ModularTask("add", 13).split(0.8, seed=0)
    print("clock, polynomial regression: share of hidden cells that are right")
    for step in recursive_features(PolynomialRidge(2), split.X_train, split.Y_train, 12):
        if step.iteration % 3 == 0:
            right = accuracy(step.predict(split.X_test), split.y_test)
            print(f"  update {step.iteration:2}: {right:.2f}")

    torch.manual_seed(0)
    X = torch.randn(1000, 20, dtype=torch.float64)
    Y = (X[:, 0] * X[:, 1] + X[:, 2] * X[:, 3] * X[:, 4])[:, None]
    X_train, X_test, Y_train, Y_test = X[:500], X[500:], Y[:500], Y[500:]
    print("products, a network: squared error in units of the variance, and the inputs' share of M")
    learner = TrainedModule(make, train)
    for step in recursive_features(learner, X_train, Y_train, 3, center_gradients=False):
        with torch.no_grad():
            error = (step.predict(X_test) - Y_test).square().mean() / Y_test.var()
        weights = step.feature_matrix.diagonal()
        share = weights[:5].sum() / weights.sum()
        print(f"  update {step.iteration}: {error:.2f}, the five inputs {share:.2f}")


if __name__ == "__main__":
    main()
