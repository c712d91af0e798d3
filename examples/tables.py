"""Two real tables and a made-up one, four learners, one protocol; the losses as they come out.

    python examples/tables.py        # takes a minute

Five splits. In each, a learner chooses its parameters by three-fold cross-validation among the
rows to learn from, and is then measured once, on the others. Inputs are scaled by the rows to learn
from. A Gaussian process finds its parameters by marginal likelihood instead.

Kernel ridge regression is an RFM without feature updates, with the same kernels and ridges to
choose from: the difference between the two is what the features are worth. In the made-up table
they must be worth something, because five of its ten inputs are noise.
"""

import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, make_friedman1
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from rfm_tutorial.estimators import RFMClassifier, RFMRegressor

MACHINE = {"kernel": ["gaussian", "laplace"], "ridge": [0.01, 0.1, 1.0, 10.0]}
FOREST = {"max_features": ["sqrt", 0.5]}
PROCESS = ConstantKernel() * RBF(length_scale=5.0)

REGRESSORS = {
    # what: (estimator, what to choose from)
    "RFM": (RFMRegressor(random_state=0), MACHINE),
    "kernel ridge": (RFMRegressor(n_iterations=0, selection=None), MACHINE),
    "Gaussian process": (GaussianProcessRegressor(PROCESS + WhiteKernel(), normalize_y=True), {}),
    "random forest": (RandomForestRegressor(random_state=0), FOREST),
}
CLASSIFIERS = {
    "RFM": (RFMClassifier(random_state=0), MACHINE),
    "kernel ridge": (RFMClassifier(n_iterations=0, selection=None), MACHINE),
    "Gaussian process": (GaussianProcessClassifier(PROCESS), {}),
    "random forest": (RandomForestClassifier(random_state=0), FOREST),
}
SQUARED = "squared error, in units of the variance"
TABLES = {
    # what: (its rows, how they are split, the loss in words, learners)
    "diabetes": (load_diabetes(return_X_y=True), KFold, SQUARED, REGRESSORS),
    "breast cancer": (
        load_breast_cancer(return_X_y=True),
        StratifiedKFold,
        "share of errors",
        CLASSIFIERS,
    ),
    "made up (Friedman 1)": (
        make_friedman1(400, n_features=10, noise=1.0, random_state=0),
        KFold,
        SQUARED,
        REGRESSORS,
    ),
}


def losses(learner, choices: dict, X: np.ndarray, y: np.ndarray, splits: list) -> list[float]:
    """The loss on each split, 1 − the score of scikit-learn, with nested choice of parameters."""
    model = Pipeline([("scaler", StandardScaler()), ("learner", learner)])
    grid = {f"learner__{name}": values for name, values in choices.items()}
    found = []
    for train, test in splits:
        search = GridSearchCV(model, grid, cv=3).fit(X[train], y[train])
        found.append(1 - float(search.score(X[test], y[test])))
    return found


def print_losses(name: str, loss: str, learners: dict, X, y, splitter) -> None:
    """One line for each learner."""
    splits = [*splitter(5, shuffle=True, random_state=0).split(X, y)]
    print(f"{name}: {loss}, on five splits and their mean")
    for learner, (estimator, choices) in learners.items():
        found = losses(estimator, choices, X, y, splits)
        numbers = "  ".join(f"{value:.3f}" for value in found)
        print(f"  {learner:18}{numbers}   {np.mean(found):.3f}", flush=True)


def main() -> None:
    """Print the losses on every table."""
    # The optimiser of a Gaussian process says so when a parameter ends at its bound.
    warnings.filterwarnings("ignore", module="sklearn.gaussian_process")
    for name, ((X, y), splitter, loss, learners) in TABLES.items():
        print_losses(name, loss, learners, X, y, splitter)


if __name__ == "__main__":
    main()
