"""The Recursive Feature Machine with scikit-learn's manners: arrays, data frames, pipelines, grids.

    make_pipeline(StandardScaler(), RFMRegressor()).fit(X, y).score(X_test, y_test)

Scale the inputs first: a radial kernel and an AGOP both compare them with one another. The targets
need no scaling. What is learned is how they differ from their mean, and in a regression by how many
standard deviations. So far away from all rows the mean is predicted, and neither M nor the choice
of a step depends on the units of y. Predictions come back in these units.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import check_choice, check_device, check_real, shown
from rfm_tutorial.distances import median_distance
from rfm_tutorial.kernel_ridge import KernelRidge
from rfm_tutorial.kernels import KERNELS, Kernel, RadialKernel
from rfm_tutorial.rfm import RFM, RFMStep

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"estimators need {error.name}; pip install 'rfm-tutorial[sklearn]' brings all that they "
        f"need"
    ) from error

DTYPES = {"float32": torch.float32, "float64": torch.float64}
SELECTIONS = {
    # what: the score of a step, of which the largest is taken
    "last": lambda step, X, Y: step.iteration,
    "holdout": lambda step, X, Y: -_mean_square(step.predict(X) - Y),
    "loo": lambda step, X, Y: -_mean_square(step.predictor.leave_one_out()),
}


def _mean_square(errors: Tensor) -> float:
    return float(errors.square().mean())


class _RFMEstimator(BaseEstimator):
    """What regressor and classifier share: the parameters, the loop, the choice of a step."""

    def __init__(
        self,
        kernel: str | Kernel = "laplace",
        bandwidth: float | str = "median",
        ridge: float = 0.1,
        n_iterations: int = 5,
        agop_power: float = 0.5,
        center_gradients: bool = False,
        normalization: str = "trace",
        selection: str | None = "holdout",
        validation_fraction: float = 0.2,
        random_state: Any = None,
        dtype: str = "float64",
        device: Any = "cpu",
    ):
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.ridge = ridge
        self.n_iterations = n_iterations
        self.agop_power = agop_power
        self.center_gradients = center_gradients
        self.normalization = normalization
        self.selection = selection
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.dtype = dtype
        self.device = device

    @property
    def feature_importances_(self) -> Float[np.ndarray, "d"]:
        """The diagonal of M as shares of its sum, (d,); all 0 if nothing depends on any input.

        The larger the share, the steeper the predictions along that input. Shares of inputs that
        were not scaled also tell the units that these were measured in. If step 0 was kept, M is
        the identity, and the shares are equal: nothing that was learned helped.
        """
        check_is_fitted(self)
        diagonal = np.diagonal(self.feature_matrix_)
        return diagonal / (diagonal.sum() or 1.0)

    def _fit_features(self, X, Y, labels) -> None:
        """Run the loop on (n, d) and (n, c), keep the step that is selected.

        `labels` (n,), if there are any, occur among the rows held out as often as among all.
        """
        selection = "last" if self.selection is None else self.selection
        score = SELECTIONS[check_choice("selection", selection, SELECTIONS)]
        dtype = DTYPES[check_choice("dtype", self.dtype, DTYPES)]
        device = check_device(self.device)
        # Copies: torch wants to be able to write, and data may be read-only.
        X, Y = (torch.tensor(values, dtype=dtype, device=device) for values in (X, Y))
        random = check_random_state(self.random_state)
        self.kernel_ = self._kernel(X, random)
        rfm = RFM(
            self.kernel_,
            n_iterations=self.n_iterations,
            ridge=self.ridge,
            agop_power=self.agop_power,
            center_gradients=self.center_gradients,
            normalization=self.normalization,
        )
        held = np.zeros(len(X), dtype=bool)
        if selection == "holdout":
            held = self._held_out(len(X), labels, random)
        held = torch.from_numpy(held).to(device)
        scores: list[float] = []

        def measured(step: RFMStep) -> float:
            scores.append(score(step, X[held], Y[held]))
            return scores[-1]

        best = max(rfm.iterate(X[~held], Y[~held]), key=measured)
        self.best_iteration_ = best.iteration
        self.validation_scores_ = None if selection == "last" else np.array(scores)
        self.feature_matrix_ = best.feature_matrix.numpy(force=True)
        self.predictor_ = best.predictor
        if bool(held.any()):  # what was held out has done its work, and is learned from, too
            self.predictor_ = KernelRidge(self.kernel_, self.ridge).fit(X, Y, best.feature_matrix)

    def _kernel(self, X: Tensor, random) -> Kernel:
        kernel = self.kernel
        if not isinstance(kernel, Kernel):
            kind = KERNELS[check_choice("kernel", kernel, KERNELS)]
            if issubclass(kind, RadialKernel):
                return kind(self._bandwidth(X, random))
            kernel = kind()
        if self.bandwidth != "median":
            raise ValueError(
                f"bandwidth must be left at 'median' if the kernel has its own or none, got "
                f"{shown(self.bandwidth)} for kernel={shown(self.kernel)}"
            )
        return kernel

    def _bandwidth(self, X: Tensor, random) -> float:
        if not isinstance(self.bandwidth, str):
            return self.bandwidth
        check_choice("bandwidth", self.bandwidth, ("median",))
        return median_distance(X, seed=int(random.randint(2**31)))

    def _held_out(self, n: int, labels, random) -> np.ndarray:
        """Which rows are held out: every so-many-th, in random order and sorted by label."""
        share = check_real("validation_fraction", self.validation_fraction, positive=True)
        if share >= 1:
            raise ValueError(f"validation_fraction must be less than 1, got {shown(share)}")
        order = random.permutation(n)
        if labels is not None:
            order = order[np.argsort(labels[order], kind="stable")]
        marks = np.floor(np.arange(n + 1) * share)
        held = np.zeros(n, dtype=bool)
        held[order] = marks[1:] > marks[:-1]
        if not held.any():
            raise ValueError(
                f"validation_fraction must leave a row to hold out, got {share:g} of n_samples={n};"
                f" with selection=None or 'loo' none is needed"
            )
        return held

    def _scores(self, X) -> np.ndarray:
        """What the kernel machine says to (m, d), in the units of its targets, (m, c)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return self.predictor_.predict(self.predictor_.centers_.new_tensor(X)).numpy(force=True)


class RFMRegressor(RegressorMixin, _RFMEstimator):
    """Recursive Feature Machine for numbers, one or several for each row.

    Source: the RFM of arXiv 2212.13881, which `rfm_tutorial.rfm` describes.

    Parameters
    ----------
    kernel : a short name from `rfm_tutorial.kernels.KERNELS`, or a kernel object
    bandwidth : of a radial kernel by name, a number, or "median": the median distance between rows
    ridge : ≥ 0, added to the diagonal of the kernel matrix, whose entries for "gaussian" and
        "laplace" are at most 1
    n_iterations : number of feature updates T; there are T + 1 steps, 0 … T
    agop_power : s > 0 in M ← AGOPˢ
    center_gradients : subtract each output's mean gradient before the AGOP. Not by default, other
        than in `RFM`: on the clock the mean says nothing, but in a table it may say which way the
        predictions rise, and without it the features of nearly linear data vanish. Tried on four
        small tables, it moved scores by 0.02 at most, up as often as down
    normalization : what each new M is scaled by: "none", "trace" to the trace d of the identity, or
        "max" to the largest entry 1. A bandwidth is measured in units of ‖x − z‖_M. With "trace",
        the mean squared distance between rows of whitened inputs is the same at every step, and
        the bandwidth that fitted step 0 still fits. With "none" the slope of the predictions
        stretches or shrinks all distances; with "max" they shrink as M leaves inputs out. Tried
        with a Gaussian kernel on twelve tables from Friedman's function, of 120 to 400 rows,
        "trace" came out best on each
    selection : which step is kept.
        None or "last", the last.
        "holdout", the one with the smallest squared error on `validation_fraction` of the rows,
        which the loop does not see; then the coefficients are solved for once more, with all rows
        and the M of that step.
        "loo", the one with the smallest squared leave-one-out error, which needs no rows to be held
        out: `KernelRidge.leave_one_out`. It is exact for the coefficients, but M has seen every
        row. With targets that are nothing but noise it gets better with each step, while the error
        on new rows gets worse. So take it where the number of steps does little harm
    validation_fraction : share of the rows to hold out, strictly between 0 and 1
    random_state : a seed or a `RandomState`, for the rows held out, and for the rows among which
        the median distance is looked for if there are many
    dtype : "float64", or "float32", which takes half the memory
    device : where torch computes, such as "cpu" or "cuda"

    Attributes
    ----------
    feature_matrix_ : (d, d), M of the step that was kept
    feature_importances_ : (d,), its diagonal as shares of the sum
    best_iteration_ : the number of that step
    validation_scores_ : (T + 1,), minus the mean squared error of each step as `selection` has it
        measured, in units of the variance of y; None if that is None
    predictor_ : the `KernelRidge` that predicts, for targets less `offset_`, divided by `scale_`
    kernel_ : the kernel object, with the bandwidth that was found
    n_features_in_, feature_names_in_ : as in every estimator of scikit-learn

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> X, y = make_friedman1(200, n_features=10, random_state=0)  # five of ten inputs matter
    >>> model = RFMRegressor(random_state=0).fit(X, y)
    >>> np.sort(model.feature_importances_.argsort()[-5:]).tolist()
    [0, 1, 2, 3, 4]
    """

    def fit(self, X, y) -> "RFMRegressor":
        """Learn from X (n, d) and y (n,) or (n, c), arrays, lists or data frames.

        Raises
        ------
        ValueError
            If X and y do not fit together or have gaps, or a parameter makes no sense.
        SingularKernelError
            If a step's system has no unique solution; a larger ridge helps.
        """
        X, y = map(np.asarray, validate_data(self, X, y, multi_output=True, y_numeric=True))
        Y = y.reshape(len(y), -1).astype(float)
        deviation = Y.std(0)
        self.offset_, self.scale_ = Y.mean(0), np.where(deviation > 0, deviation, 1.0)
        self._fit_features(X, (Y - self.offset_) / self.scale_, labels=None)
        self._y_ndim = y.ndim
        return self

    def predict(self, X) -> np.ndarray:
        """Predictions, with as many dimensions as y had: (m,) or (m, c)."""
        Y = self._scores(X) * self.scale_ + self.offset_
        return Y[:, 0] if self._y_ndim == 1 else Y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class RFMClassifier(ClassifierMixin, _RFMEstimator):
    """Recursive Feature Machine for labels: numbers, texts, two classes or more.

    One output for each class is fitted to 1 for the rows of that class and 0 for the others; the
    largest wins. These are least squares, no probabilities: they may be negative, and there is no
    `predict_proba`. Where probabilities are needed, scikit-learn's `CalibratedClassifierCV` makes
    them of the scores, with rows that the machine has not seen.

    Parameters, attributes and errors are those of `RFMRegressor`. Besides, `classes_` holds the
    labels (c,), sorted; there is no `scale_`; `validation_scores_` are in units of the targets 1
    and 0; and with "holdout", of each class the same share of rows is held out.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> RFMClassifier(random_state=0).fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    True
    """

    def fit(self, X, y) -> "RFMClassifier":
        """Learn from X (n, d) and labels y (n,), arrays, lists or data frames."""
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError(f"y must have two classes or more, got one class, {self.classes_[0]}")
        Y = np.eye(len(self.classes_))[numbers]
        self.offset_ = Y.mean(0)
        self._fit_features(X, Y - self.offset_, labels=numbers)
        return self

    def decision_function(self, X) -> np.ndarray:
        """The scores of the classes, (m, c); of two, the second's less the first's, (m,)."""
        scores = self._scores(X) + self.offset_
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X) -> np.ndarray:
        """The label with the largest score for each row, (m,)."""
        scores = self._scores(X) + self.offset_
        return self.classes_[scores.argmax(1)]
