"""RFMRegressor and RFMClassifier are estimators of scikit-learn in all its manners.

The last part writes them as a new user would.
"""

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import difference
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_friedman1
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    LaplaceKernel,
    QuadraticKernel,
    median_distance,
)
from rfm_tutorial.estimators import RFMClassifier, RFMRegressor
from rfm_tutorial.kernels import KERNELS, RadialKernel

ROOT = Path(__file__).resolve().parents[1]
BOTH = [RFMRegressor, RFMClassifier]
X, y = make_friedman1(120, n_features=8, noise=0.5, random_state=0)
LABELS = np.where(y > 18, "high", np.where(y > 12, "middle", "low"))
NEW, new_y = make_friedman1(500, n_features=8, random_state=1)


def target(kind: type) -> np.ndarray:
    return y if kind is RFMRegressor else LABELS


# scikit-learn asks, among much else, what a constructor does with values of wrong types.
@pytest.mark.slow
@pytest.mark.usefixtures("no_type_checks")
@parametrize_with_checks(
    [
        *(kind() for kind in BOTH),
        RFMRegressor(
            kernel="gaussian", selection="loo", normalization="max", center_gradients=True
        ),
        RFMClassifier(kernel=LaplaceKernel(3.0), selection=None, normalization="none"),
    ]
)
def test_scikit_learn_has_no_complaints(estimator: BaseEstimator, check) -> None:
    check(estimator)


CHECK_ALL = """
from sklearn.utils.estimator_checks import check_estimator
from rfm_tutorial.estimators import RFMClassifier, RFMRegressor

for estimator in (RFMRegressor(), RFMClassifier()):
    checks = check_estimator(estimator)
    print(len(checks) > 50, {check["status"] for check in checks})
"""


@pytest.mark.slow
def test_no_check_is_left_out() -> None:
    """One of them is skipped above, because scipy wants to be told before it is imported."""
    env = os.environ | {"SCIPY_ARRAY_API": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", CHECK_ALL]
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert run.stdout == "True {'passed'}\n" * 2, run.stderr


# ---------------------------------------------------------------- what is computed


@pytest.mark.parametrize("normalization", ["none", "trace", "max"])
@pytest.mark.parametrize("center", [False, True])
def test_a_regressor_is_an_rfm_of_standardised_targets(normalization: str, center: bool) -> None:
    model = RFMRegressor(
        GaussianKernel(2.0),
        ridge=0.01,
        n_iterations=3,
        agop_power=0.7,
        center_gradients=center,
        normalization=normalization,
        selection=None,
    ).fit(X, y)
    inputs, targets = torch.from_numpy(X), torch.from_numpy((y - y.mean()) / y.std())[:, None]
    rfm = RFM(GaussianKernel(2.0), 3, 0.01, 0.7, center, normalization).fit(inputs, targets)
    assert difference(torch.from_numpy(model.feature_matrix_), rfm.feature_matrix_) < 1e-9
    expected = rfm.predict(torch.from_numpy(NEW))[:, 0] * y.std() + y.mean()
    assert difference(torch.from_numpy(model.predict(NEW)), expected) < 1e-9
    assert (model.best_iteration_, model.validation_scores_) == (3, None)


def test_a_classifier_fits_one_output_a_class() -> None:
    model = RFMClassifier(GaussianKernel(2.0), ridge=0.01, n_iterations=2, selection=None)
    model.fit(X, LABELS)
    targets = (LABELS[:, None] == ["high", "low", "middle"]).astype(float)
    rfm = RFM(GaussianKernel(2.0), 2, 0.01, center_gradients=False, normalization="trace")
    rfm.fit(torch.from_numpy(X), torch.from_numpy(targets - targets.mean(0)))
    scores = rfm.predict(torch.from_numpy(NEW)) + torch.from_numpy(targets.mean(0))
    assert model.classes_.tolist() == ["high", "low", "middle"]
    assert difference(torch.from_numpy(model.decision_function(NEW)), scores) < 1e-9
    assert (model.predict(NEW) == model.classes_[scores.argmax(1).numpy()]).all()


def test_of_two_classes_the_sign_of_the_score_decides() -> None:
    labels = np.where(y > 14, "yes", "no")
    model = RFMClassifier(random_state=0).fit(X, labels)
    scores = model.decision_function(NEW)
    assert scores.shape == (500,)
    assert (np.where(scores > 0, "yes", "no") == model.predict(NEW)).all()


def test_far_away_the_mean_and_the_most_frequent_class_are_predicted() -> None:
    far = np.full((1, 8), 1e6)
    assert RFMRegressor(random_state=0).fit(X, y).predict(far) == pytest.approx(y.mean())
    labels, counts = np.unique(LABELS, return_counts=True)
    most = labels[counts.argmax()]
    assert RFMClassifier(random_state=0).fit(X, LABELS).predict(far) == [most]


@pytest.mark.parametrize("normalization", ["none", "trace", "max"])
def test_the_units_of_y_do_not_matter(normalization: str) -> None:
    model = RFMRegressor(random_state=0, normalization=normalization)
    plain = model.fit(X, y).predict(NEW)
    M, best = model.feature_matrix_, model.best_iteration_
    other = model.fit(X, 1000 * y + 5).predict(NEW)
    np.testing.assert_allclose(other, 1000 * plain + 5, rtol=1e-6)
    np.testing.assert_allclose(model.feature_matrix_, M, atol=1e-6 * M.max())
    assert model.best_iteration_ == best


def test_a_trace_keeps_the_mean_distance_of_whitened_inputs() -> None:
    white = np.linalg.qr(X - X.mean(0))[0] * len(X) ** 0.5
    means = {}
    for normalization in ("trace", "none"):
        model = RFMRegressor(normalization=normalization, selection=None).fit(white, y)
        M = model.feature_matrix_
        gaps = white[:, None] - white[None]
        means[normalization] = np.einsum("ijd,de,ije->ij", gaps, M, gaps).mean()
    # Of step 0, with M = I: two variances for each of 8 inputs.
    assert means["trace"] == pytest.approx(16)
    assert not 8 < means["none"] < 32


@pytest.mark.parametrize("seed", range(3))
def test_a_bandwidth_that_fitted_step_0_fits_later_ones_if_the_trace_is_kept(seed: int) -> None:
    inputs, numbers = make_friedman1(200, n_features=8, noise=0.5, random_state=seed + 5)
    scores = {
        normalization: RFMRegressor("gaussian", normalization=normalization, random_state=0)
        .fit(inputs, numbers)
        .score(NEW, new_y)
        for normalization in ("none", "trace", "max")
    }
    assert scores["trace"] > max(scores["none"], scores["max"])


def test_importances_are_shares_of_the_diagonal() -> None:
    model = RFMRegressor(random_state=0).fit(X, y)
    shares = model.feature_importances_
    np.testing.assert_allclose(
        shares * np.trace(model.feature_matrix_), model.feature_matrix_.diagonal()
    )
    assert shares.sum() == pytest.approx(1)
    assert set(shares.argsort()[-5:]) == {0, 1, 2, 3, 4}  # Friedman's function has five inputs
    constant = RFMRegressor(random_state=0, selection=None).fit(X, np.ones(120))
    assert (constant.feature_importances_ == 0).all()
    assert (constant.predict(NEW) == 1).all()


# ---------------------------------------------------------------- which step is kept


def test_rows_held_out_choose_the_step_and_then_join_the_others() -> None:
    model = RFMRegressor(GaussianKernel(2.0), ridge=0.3, random_state=4).fit(X, y)
    held = model._held_out(120, None, np.random.RandomState(4))
    assert held.sum() == 24
    inputs = torch.from_numpy(X)
    targets = torch.from_numpy((y - y.mean()) / y.std())[:, None]
    rfm = RFM(GaussianKernel(2.0), 5, 0.3, center_gradients=False, normalization="trace")
    steps = [*rfm.iterate(inputs[~held], targets[~held])]
    losses = [float((s.predict(inputs[held]) - targets[held]).square().mean()) for s in steps]
    np.testing.assert_allclose(-model.validation_scores_, losses)
    assert model.best_iteration_ == np.argmin(losses)
    M = steps[model.best_iteration_].feature_matrix
    whole = KernelRidge(GaussianKernel(2.0), 0.3).fit(inputs, targets, M)
    assert difference(model.predictor_.dual_coef_, whole.dual_coef_) < 1e-9


def test_leave_one_out_chooses_the_step() -> None:
    noise = np.random.RandomState(0).normal(size=120)
    for numbers in (y, noise):
        model = RFMRegressor(GaussianKernel(2.0), ridge=0.1, selection="loo").fit(X, numbers)
        targets = torch.from_numpy((numbers - numbers.mean()) / numbers.std())[:, None]
        rfm = RFM(GaussianKernel(2.0), 5, 0.1, center_gradients=False, normalization="trace")
        steps = rfm.iterate(torch.from_numpy(X), targets)
        losses = [float(step.predictor.leave_one_out().square().mean()) for step in steps]
        np.testing.assert_allclose(-model.validation_scores_, losses)
        assert model.best_iteration_ == np.argmin(losses)
        assert len(model.predictor_.centers_) == 120


@pytest.mark.parametrize("seed", range(3))
def test_of_noise_nothing_is_learned_by_rows_held_out_but_by_leave_one_out(seed: int) -> None:
    noise = np.random.RandomState(seed).normal(size=120)
    models = [RFMRegressor(ridge=1.0, random_state=part) for part in range(8)]
    kept = [model.fit(X, noise).best_iteration_ for model in models]
    assert np.median(kept) == 0
    # Its warning in the docstring, and why it is not the default.
    assert RFMRegressor(ridge=1.0, selection="loo").fit(X, noise).best_iteration_ == 5
    # And where there is something to learn, it is learned.
    assert RFMRegressor(ridge=1e-3, random_state=seed).fit(X, y).best_iteration_ == 5


def test_each_class_has_its_share_of_the_rows_held_out() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    for seed in range(3):
        held = RFMClassifier()._held_out(160, labels, np.random.RandomState(seed))
        assert np.bincount(labels[held]).tolist() == [20, 10, 2]
    # A class of one row, too, is no obstacle.
    RFMClassifier(random_state=0).fit(X, np.where(np.arange(120) == 7, "rare", LABELS))


def test_the_same_random_state_is_the_same_model() -> None:
    first, second = (RFMRegressor(random_state=3).fit(X, y) for _ in range(2))
    assert (first.predict(NEW) == second.predict(NEW)).all()
    other = RFMRegressor(random_state=5).fit(X, y)
    assert (other.validation_scores_ != first.validation_scores_).all()


# ---------------------------------------------------------------- kernels and bandwidths


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_has_a_name(name: str) -> None:
    model = RFMRegressor(kernel=name, ridge=1.0, random_state=0).fit(X, y)
    assert type(model.kernel_) is KERNELS[name]
    assert model.score(NEW, new_y) > 0.3


def test_the_bandwidth_is_the_median_distance_or_a_number() -> None:
    model = RFMRegressor(kernel="gaussian").fit(X, y)
    gaps = np.linalg.norm(X[:, None] - X[None], axis=2)[np.triu_indices(120, 1)]
    below, above = np.sort(gaps)[[len(gaps) // 2 - 1, len(gaps) // 2]]
    assert below * (1 - 1e-12) <= model.kernel_.bandwidth <= above
    assert RFMRegressor(kernel="gaussian", bandwidth=2).fit(X, y).kernel_ == GaussianKernel(2.0)


def test_the_median_of_many_rows_is_that_of_some() -> None:
    rows = torch.from_numpy(NEW)
    whole = median_distance(rows)
    drawn = {median_distance(rows, n_rows=100, seed=seed) for seed in range(4)}
    assert len(drawn) == 4
    assert all(abs(some / whole - 1) < 0.05 for some in drawn)
    assert median_distance(torch.ones(3, 2)) == 1.0


@dataclass(frozen=True)
class RationalKernel(RadialKernel):
    """1 / (1 + r² / L²)."""

    def profile(self, squared_distance):
        return 1 / (1 + squared_distance / self.bandwidth**2)

    def slope(self, squared_distance):
        return 2 * self.profile(squared_distance) ** 2 / self.bandwidth**2


def test_a_kernel_of_ones_own_is_cloned_searched_and_pickled() -> None:
    kernels = [RationalKernel(1.0), RationalKernel(3.0), GaussianKernel(0.05)]
    search = GridSearchCV(RFMRegressor(random_state=0), {"kernel": kernels}, cv=3).fit(X, y)
    assert search.best_params_["kernel"] in kernels[:2]
    assert clone(search.best_estimator_).get_params()["kernel"] == search.best_params_["kernel"]
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert (again.predict(NEW) == search.predict(NEW)).all()


# ---------------------------------------------------------------- what goes in and comes out


@pytest.mark.parametrize("kind", BOTH)
def test_single_precision_gives_nearly_the_same(kind: type) -> None:
    double = kind(random_state=0, selection=None).fit(X, target(kind))
    single = kind(random_state=0, selection=None, dtype="float32").fit(X, target(kind))
    assert single.feature_matrix_.dtype == np.float32
    np.testing.assert_allclose(single.feature_matrix_, double.feature_matrix_, atol=1e-3)
    assert single.score(X, target(kind)) == pytest.approx(double.score(X, target(kind)), abs=0.02)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("kind", BOTH)
def test_a_gpu_gives_the_same(kind: type) -> None:
    here = kind(random_state=0).fit(X, target(kind))
    there = kind(random_state=0, device="cuda").fit(X, target(kind))
    assert there.predictor_.centers_.is_cuda
    np.testing.assert_allclose(there.feature_matrix_, here.feature_matrix_, atol=1e-6)
    assert there.score(X, target(kind)) == pytest.approx(here.score(X, target(kind)))


@pytest.mark.parametrize("kind", BOTH)
def test_data_frames_are_remembered_by_their_columns(kind: type) -> None:
    table = pd.DataFrame(X, columns=[*"abcdefgh"])
    column = pd.Series(target(kind), name="target")
    model = kind(random_state=0).fit(table, column)
    assert model.feature_names_in_.tolist() == [*"abcdefgh"]
    assert (model.predict(table) == kind(random_state=0).fit(X, target(kind)).predict(X)).all()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[[*"hgfedcba"]])


def test_outputs_come_back_in_the_shape_of_y() -> None:
    two = np.stack([y, 1000 * X[:, 7]], axis=1)
    model = RFMRegressor(random_state=0).fit(X, two)
    assert model.predict(NEW).shape == (500, 2)
    assert (
        r2_score(
            np.stack([new_y, 1000 * NEW[:, 7]], 1), model.predict(NEW), multioutput="raw_values"
        )
        > 0.6
    ).all()
    # The eighth input matters now, and the larger units of its output do not.
    assert 0.05 < model.feature_importances_[7] < 0.5
    assert RFMRegressor(random_state=0).fit(X, y[:, None]).predict(NEW).shape == (500, 1)
    np.testing.assert_allclose(
        RFMRegressor(random_state=0).fit(X, y[:, None]).predict(NEW)[:, 0],
        RFMRegressor(random_state=0).fit(X, y).predict(NEW),
    )


@pytest.mark.parametrize("kind", BOTH)
def test_a_pickle_predicts_the_same(kind: type) -> None:
    model = kind(random_state=0).fit(X, target(kind))
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict(NEW) == model.predict(NEW)).all()
    assert again.get_params() == model.get_params()


@pytest.mark.parametrize("attribute", ["feature_importances_", "feature_matrix_", "predict"])
def test_nothing_is_known_before_a_fit(attribute: str) -> None:
    with pytest.raises((NotFittedError, AttributeError)):
        getattr(RFMRegressor(), attribute)(X)


WRONG = {
    "kernel": ("rbf", "kernel must be one of 'gaussian', 'laplace', 'quadratic', got 'rbf'"),
    "bandwidth": ("mean", "bandwidth must be one of 'median', got 'mean'"),
    "ridge": (-1, "ridge must be a number ≥ 0, got -1"),
    "n_iterations": (2.5, "n_iterations must be an integer ≥ 0, got 2.5"),
    "agop_power": (0, "agop_power must be a positive number, got 0"),
    "center_gradients": (1, "center_gradients must be True or False, got 1"),
    "normalization": ("norm", "normalization must be one of 'none', 'trace', 'max', got 'norm'"),
    "selection": ("cv", "selection must be one of 'last', 'holdout', 'loo', got 'cv'"),
    "validation_fraction": (1.5, "validation_fraction must be less than 1, got 1.5"),
    "dtype": ("float16", "dtype must be one of 'float32', 'float64', got 'float16'"),
    "device": ("tpu9", "device must be one that torch can use here, such as 'cpu', got 'tpu9'"),
}


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_parameter_is_named_when_it_is_used(name: str) -> None:
    value, message = WRONG[name]
    model = RFMRegressor().set_params(**{name: value})
    with pytest.raises(ValueError) as error:  # noqa: PT011
        model.fit(X, y)
    assert str(error.value).startswith(message)


def test_every_parameter_but_the_random_state_is_checked() -> None:
    assert {*WRONG, "random_state"} == set(RFMRegressor().get_params())


@pytest.mark.parametrize("kernel", [GaussianKernel(2.0), QuadraticKernel(), "quadratic"], ids=str)
def test_a_bandwidth_that_would_not_be_used_is_refused(kernel) -> None:
    with pytest.raises(
        ValueError, match=r"bandwidth must be left at 'median' .* got 3.0 for kernel="
    ):
        RFMRegressor(kernel=kernel, bandwidth=3.0).fit(X, y)


def test_too_few_rows_to_hold_one_out() -> None:
    with pytest.raises(ValueError, match=r"got 0.2 of n_samples=4; with selection=None or 'loo'"):
        RFMRegressor().fit(X[:4], y[:4])
    RFMRegressor(selection="loo").fit(X[:4], y[:4])


def test_one_class_is_no_classification() -> None:
    with pytest.raises(ValueError, match="y must have two classes or more, got one class, yes"):
        RFMClassifier().fit(X, ["yes"] * 120)


# ---------------------------------------------------------------- as a new user would


def test_a_pipeline_on_a_real_table() -> None:
    inputs, progression = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    model = make_pipeline(StandardScaler(), RFMRegressor(ridge=1.0, random_state=0))
    scores = cross_val_score(model, inputs, progression, cv=5)
    assert scores.mean() > 0.45  # a linear model has 0.48
    assert cross_val_score(DummyRegressor(), inputs, progression, cv=5).mean() < 0


@pytest.mark.slow
def test_a_grid_search_on_a_real_table() -> None:
    inputs, diagnosis = load_breast_cancer(return_X_y=True, as_frame=True)
    names = diagnosis.map({0: "malignant", 1: "benign"})
    train_X, test_X, train_y, test_y = train_test_split(
        inputs, names, test_size=0.25, random_state=0, stratify=names
    )
    grid = {
        "rfmclassifier__kernel": ["gaussian", "laplace"],
        "rfmclassifier__ridge": [1e-2, 1e-1, 1.0],
    }
    model = make_pipeline(StandardScaler(), RFMClassifier(random_state=0))
    search = GridSearchCV(model, grid, cv=3, n_jobs=1).fit(train_X, train_y)
    assert set(search.predict(test_X)) == {"malignant", "benign"}
    assert search.score(test_X, test_y) > 0.94


def test_scores_are_calibrated_by_scikit_learn() -> None:
    inputs, kinds = load_iris(return_X_y=True)
    assert not hasattr(RFMClassifier(), "predict_proba")
    model = CalibratedClassifierCV(RFMClassifier(random_state=0), cv=3).fit(inputs, kinds)
    probabilities = model.predict_proba(inputs)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert (probabilities.argmax(1) == kinds).mean() > 0.9


def test_importances_select_features_for_another_model() -> None:
    chosen = SelectFromModel(RFMRegressor(random_state=0), max_features=5, threshold=-np.inf)
    model = make_pipeline(chosen, Ridge()).fit(X, y)
    assert model[0].get_support().tolist() == [True] * 5 + [False] * 3
