"""The Recursive Feature Machine: solve, read the features off, solve again with them.

step 0        M = I, a plain kernel machine
step t + 1    M ← AGOP(predictor of step t)^½, then solve K(M) α = Y
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from rfm_tutorial.agop import find_groups, loop_agop
from rfm_tutorial.checks import (
    check_fitted,
    check_flag,
    check_integer,
    check_matrix,
    check_memory,
    check_numbers,
    check_real,
    shown,
)
from rfm_tutorial.diagnosis import CenteringWatch, why_singular, why_without_gradient
from rfm_tutorial.kernels import Kernel, check_feature_matrix
from rfm_tutorial.linalg import (
    SingularKernelError,
    Workspace,
    own,
    psd_power,
    solve_positive_definite,
)
from rfm_tutorial.metrics import accuracy
from rfm_tutorial.precision import in_full_precision
from rfm_tutorial.saving import SETTINGS, read_model, write_model


class KernelRidge:
    """Kernel ridge regression f(x) = Σ_i α_i k(x, z_i; M), with (K + ridge·I) α = Y.

    A fitted model holds copies: neither gradients nor later changes of X, Y or M reach it.

    Parameters
    ----------
    kernel : a kernel object, for example `GaussianKernel(2.5)`
    ridge : ≥ 0, added to the diagonal of K; 0 interpolates

    Attributes (after `fit`)
    ------------------------
    centers_ : (n, d), the training inputs
    dual_coef_ : (n, c), α
    feature_matrix_ : (d, d) or None for the identity

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel
    >>> X = torch.tensor([[0.0], [1.0]])
    >>> KernelRidge(GaussianKernel(1.0)).fit(X, X).predict(X)
    tensor([[0.],
            [1.]])
    """

    centers_: Tensor
    dual_coef_: Tensor
    feature_matrix_: Tensor | None

    def __init__(self, kernel: Kernel, ridge: float = 0.0) -> None:
        self.kernel = _check_kernel(kernel)
        self.ridge = check_real("ridge", ridge)

    def __repr__(self) -> str:
        return f"KernelRidge({self.kernel}, ridge={self.ridge})"

    def fit(
        self,
        X: Float[Tensor, "n d"],
        Y: Float[Tensor, "n c"],
        feature_matrix: Float[Tensor, "d d"] | None = None,
    ) -> "KernelRidge":
        """Solve for the dual coefficients.

        Parameters
        ----------
        X, Y : inputs (n, d) and targets (n, c), same dtype and device
        feature_matrix : symmetric (d, d), PSD for radial kernels; None is the identity

        Raises
        ------
        ValueError
            If an argument has a wrong shape, dtype or device or is not finite.
        SingularKernelError
            If the system has no unique solution; nothing is added to make it solvable.
        """
        check_matrix("X", X)
        check_matrix("Y", Y, rows=X.shape[0], like=X)
        if feature_matrix is not None:
            check_feature_matrix(feature_matrix, X, positive=self.kernel.radial)
        self.kernel.check_fits(X.dtype)
        _check_size(X, 2.0 * len(X) ** 2)
        M = None if feature_matrix is None else own(feature_matrix)
        _solve(self, own(X), Y, M, Workspace())
        return self

    @in_full_precision
    def predict(self, X: Float[Tensor, "m d"]) -> Float[Tensor, "m c"]:
        """Predictions (m, c). Differentiable in X, not in what the model was fitted to.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X has a wrong width, dtype or device or is not finite, or the predictions are not.
        """
        check_fitted(self, "dual_coef_")
        centers = self.centers_
        check_matrix("X", X, columns=centers.shape[1], like=centers, like_name="the training data")
        # As many rows at once as there are centres: memory stays that of the training matrix.
        blocks = [
            self.kernel.values(rows, centers, self.feature_matrix_) @ self.dual_coef_
            for rows in X.split(max(len(centers), 1024))
        ]
        scores = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
        if not scores.is_meta and not bool(torch.isfinite(scores).all()):
            raise ValueError(
                f"predictions must be finite, got NaN or infinity: X is too large for {X.dtype}; "
                f"divide the inputs by a constant before fit"
            )
        return scores


# Normal tensors even in inference mode, which forbids to differentiate predictions later.
@torch.inference_mode(False)
@torch.no_grad()
@in_full_precision
def _solve(
    model: KernelRidge,
    X: Tensor,
    Y: Tensor,
    M: Tensor | None,
    work: Workspace,
    name: str = "the kernel matrix",
    share: float = math.nan,
) -> Float[Tensor, "n n"]:
    """Fit in place and give back the kernel matrix, which lies in the workspace.

    `name` and `share`, what centering left of the gradients behind M, are for the error.
    """
    n, kernel, ridge = len(X), model.kernel, model.ridge
    values = kernel.values(X, X, M, out=work.empty("kernel", n, n, like=X))
    model.dual_coef_ = solve_positive_definite(
        values,
        Y,
        ridge,
        work,
        name,
        lambda row: why_singular(kernel, X, M, values, ridge, row, share),
    )
    model.centers_, model.feature_matrix_ = X, M
    return values


@dataclass(frozen=True)
class RFMStep:
    """One step of the loop: the feature matrix and the kernel machine fitted with it."""

    iteration: int
    feature_matrix: Float[Tensor, "d d"]
    predictor: KernelRidge

    def predict(self, X: Float[Tensor, "m d"]) -> Float[Tensor, "m c"]:
        """Predictions of this step's kernel machine, (m, c)."""
        return self.predictor.predict(X)


class RFM:
    """Recursive Feature Machine.

    A fitted one is a kernel machine itself, with the centres and coefficients of its last step.

    Parameters
    ----------
    kernel : a kernel object, for example `GaussianKernel(2.5)`
    n_iterations : number of feature updates T; there are T + 1 steps, 0 … T
    ridge : ≥ 0, added to the diagonal of the kernel matrix; 0 interpolates
    agop_power : s > 0 in M ← AGOPˢ
    center_gradients : subtract each output's mean gradient before the AGOP. Right for modular
        arithmetic, where the mean says nothing. Not for data that are nearly linear: there the
        gradients are nearly their mean, and the features vanish, with an error if ridge = 0 and a
        warning otherwise. Then take False, with a ridge, or a `LaplaceKernel`

    Attributes (after `fit`)
    ------------------------
    feature_matrix_ : (d, d), M of the last step
    predictor_ : the `KernelRidge` of the last step
    history_ : one dict of plain numbers per step: iteration, seconds, train_loss, and with one-hot
        targets train_accuracy; with validation data also test_loss and test_accuracy

    Source: the RFM of arXiv 2212.13881, with the conventions of arXiv 2407.20199, section 2 of
    which describes this loop. The table in `rfm_tutorial.agop` lists the conventions.

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel, ModularTask
    >>> split = ModularTask("add", 5).split(train_fraction=0.8)
    >>> rfm = RFM(GaussianKernel(2.5), n_iterations=2).fit(split.X_train, split.Y_train)
    >>> rfm.feature_matrix_.shape, rfm.history_[-1]["train_accuracy"]
    (torch.Size([10, 10]), 1.0)
    """

    feature_matrix_: Tensor
    predictor_: KernelRidge
    history_: list[dict[str, float]]

    def __init__(
        self,
        kernel: Kernel,
        n_iterations: int = 30,
        ridge: float = 0.0,
        agop_power: float = 0.5,
        center_gradients: bool = True,
    ) -> None:
        self.kernel = _check_kernel(kernel)
        self.n_iterations = check_integer("n_iterations", n_iterations, at_least=0)
        self.ridge = check_real("ridge", ridge)
        self.agop_power = check_real("agop_power", agop_power, positive=True)
        self.center_gradients = check_flag("center_gradients", center_gradients)

    def __repr__(self) -> str:
        return (
            f"RFM({self.kernel}, n_iterations={self.n_iterations}, ridge={self.ridge}, "
            f"agop_power={self.agop_power}, center_gradients={self.center_gradients})"
        )

    # What makes a fitted RFM a kernel machine for `predictor_agop`.
    @property
    def centers_(self) -> Float[Tensor, "n d"]:
        """The training inputs, (n, d)."""
        check_fitted(self, "predictor_")
        return self.predictor_.centers_

    @property
    def dual_coef_(self) -> Float[Tensor, "n c"]:
        """The coefficients of the last step, (n, c)."""
        check_fitted(self, "predictor_")
        return self.predictor_.dual_coef_

    def iterate(
        self,
        X: Float[Tensor, "n d"],
        Y: Float[Tensor, "n c"],
        on_features: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[RFMStep]:
        """Yield step 0, 1, … n_iterations, each computed when it is asked for.

        Stop whenever you like: leaving a `for` loop over it is early stopping. A step keeps its
        own feature matrix and coefficients, so steps may be collected in a list.

        Parameters
        ----------
        X, Y : inputs (n, d) and targets (n, c), same dtype and device
        on_features : called with each new feature matrix (d, d); a copy of what it returns is
            used instead

        Raises
        ------
        ValueError
            At once, before the first step, if an argument does not fit.
        SingularKernelError
            If a step's system has no unique solution.
        """
        check_matrix("X", X)
        check_matrix("Y", Y, rows=X.shape[0], like=X)
        self.kernel.check_fits(X.dtype)
        _check_size(X, 2.0 * len(X) ** 2 + 4.0 * X.shape[1] ** 2)
        _check_callback("on_features", on_features)
        # Copies, so that the steps still to come are those of the data that were given.
        return self._steps(own(X), own(Y), on_features)

    def _steps(self, X, Y, on_features) -> Iterator[RFMStep]:
        work, groups = Workspace(), find_groups(X)
        watch, share = CenteringWatch(self.kernel, Y, self.ridge), math.nan
        M = torch.eye(X.shape[1], dtype=X.dtype, device=X.device)
        for iteration in range(self.n_iterations + 1):
            predictor = KernelRidge(self.kernel, self.ridge)
            name = f"the kernel matrix of step {iteration}"
            values = _solve(predictor, X, Y, M, work, name, share)
            watch.fitted(predictor.dual_coef_, iteration)
            yield RFMStep(iteration, M, predictor)
            if iteration < self.n_iterations:
                M, share = self._next_features(predictor, values, groups, work, iteration)
                watch.centered(share)
                if on_features is not None:
                    M = on_features(M)
                    check_feature_matrix(M, X, positive=self.kernel.radial)
                    M = own(M)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _next_features(self, predictor, values, groups, work, iteration) -> tuple[Tensor, float]:
        """M of the next step, and what centering left of the gradients behind it."""
        X, alpha = predictor.centers_, predictor.dual_coef_
        G, share, rounding = loop_agop(
            self.kernel,
            X,
            alpha,
            predictor.feature_matrix_,
            X,
            center=self.center_gradients,
            groups=groups,
            values=values,
            workspace=work,
        )
        if not G.is_meta:
            if not bool(torch.isfinite(G).all()):
                raise ValueError(
                    f"the AGOP of step {iteration} must be finite, got NaN or infinity in it: the "
                    f"targets are too large for {G.dtype}; divide them by a constant"
                )
            flat = iteration == 0 and not bool(G.any()) and bool(alpha.any())
            if flat and not torch.equal(X, X[:1].expand_as(X)):
                raise SingularKernelError(
                    f"the predictor of step 0 has no features: "
                    f"{why_without_gradient(self.kernel, X, values)}"
                )
        # G is PSD but for its rounding.
        return psd_power(G, self.agop_power, rounding), share

    def fit(
        self,
        X: Float[Tensor, "n d"],
        Y: Float[Tensor, "n c"],
        validation: tuple[Tensor, Tensor] | None = None,
        progress: bool = True,
        on_features: Callable[[Tensor], Tensor] | None = None,
        on_step: Callable[[RFMStep], object] | None = None,
    ) -> "RFM":
        """Run all steps, keep the last one and a history of plain numbers.

        Parameters
        ----------
        X, Y : inputs (n, d) and targets (n, c), same dtype and device
        validation : (X_test, Y_test), measured at every step but never learned from
        progress : a progress bar after a second, if stderr is a terminal
        on_features : as in `iterate`
        on_step : called with each `RFMStep`; a true result stops after that step

        Raises
        ------
        ValueError
            If an argument does not fit.
        SingularKernelError
            If a step's system has no unique solution.
        """
        _check_callback("on_step", on_step)
        check_flag("progress", progress)
        steps = self.iterate(X, Y, on_features)
        check_numbers("X", X)
        measured = {"train": (X, Y)}
        if validation is not None:
            if not isinstance(validation, tuple | list) or len(validation) != 2:
                raise ValueError(
                    f"validation must be a pair (X_test, Y_test), got {_describe(validation)}"
                )
            X_test, Y_test = validation
            check_matrix("validation[0]", X_test, columns=X.shape[1], like=X)
            check_matrix(
                "validation[1]",
                Y_test,
                columns=Y.shape[1],
                rows=len(X_test),
                like=X_test,
                like_name="validation[0]",
            )
            measured["test"] = (X_test, Y_test)
        history: list[dict[str, float]] = []
        started = time.perf_counter()
        # disable=None: silent unless stderr is a terminal. delay: silent for short fits.
        with tqdm(total=self.n_iterations + 1, disable=None if progress else True, delay=1) as bar:
            for step in steps:
                record: dict[str, float] = {
                    "iteration": step.iteration,
                    "seconds": time.perf_counter() - started,
                }
                for name, (inputs, targets) in measured.items():
                    record |= _measure(name, step, inputs, targets)
                history.append(record)
                self.feature_matrix_, self.predictor_ = step.feature_matrix, step.predictor
                self.history_ = history
                bar.set_postfix(
                    {key: f"{value:.3g}" for key, value in record.items() if "_" in key},
                    refresh=False,
                )
                bar.update()
                if on_step is not None and on_step(step):
                    break
        return self

    def predict(self, X: Float[Tensor, "m d"]) -> Float[Tensor, "m c"]:
        """Predictions of the last step, (m, c).

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X has a wrong width, dtype or device or is not finite.
        """
        check_fitted(self, "predictor_")
        return self.predictor_.predict(X)

    def save(self, path: str | os.PathLike) -> None:
        """Write the fitted model as a safetensors file.

        It is written beside `path` under a temporary name and moved into place, so that there
        is never half a model at `path`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the kernel could not be found and made again: its class has to stand at the top of a
            module, and its fields have to tell all about it.
        """
        check_fitted(self, "predictor_")
        tensors = {
            "centers": self.centers_,
            "dual_coef": self.dual_coef_,
            "feature_matrix": self.feature_matrix_,
        }
        rest = {name: getattr(self, name) for name in SETTINGS} | {"history": self.history_}
        write_model(path, self.kernel, tensors, rest)

    @classmethod
    def load(cls, path: str | os.PathLike, device: torch.device | str = "cpu") -> "RFM":
        """Read a model that `save` wrote, onto the given device.

        Raises
        ------
        ValueError
            If the file is no such model, is damaged, has a format version that this package does
            not know, or names a kernel that is not defined here or is another one here.
        """
        kernel, tensors, header = read_model(path, device)
        rfm = cls(kernel, **{name: header[name] for name in SETTINGS})
        rfm.predictor_ = KernelRidge(kernel, rfm.ridge)
        rfm.predictor_.centers_ = tensors["centers"]
        rfm.predictor_.dual_coef_ = tensors["dual_coef"]
        rfm.predictor_.feature_matrix_ = rfm.feature_matrix_ = tensors["feature_matrix"]
        rfm.history_ = header["history"]
        return rfm


def _describe(value: object) -> str:
    if isinstance(value, Tensor):
        return f"one tensor of shape {tuple(value.shape)}"
    size = f" of length {len(value)}" if isinstance(value, tuple | list) else ""
    return f"a {type(value).__name__}{size}"


def _check_kernel(kernel: Kernel) -> Kernel:
    if not isinstance(kernel, Kernel):
        raise ValueError(
            f"kernel must be a kernel object such as GaussianKernel(2.5), got {shown(kernel)}"
        )
    return kernel


def _check_size(X: Tensor, numbers: float) -> None:
    """Kernel matrix and factor, and in the loop four feature matrices, have to fit in memory."""
    if X.device.type == "cpu":
        n, d = X.shape
        check_memory(
            f"fitting {n} rows of {d} inputs", numbers * X.element_size(), "take a part of them"
        )


def _check_callback(name: str, function: object) -> None:
    if function is not None and not callable(function):
        raise ValueError(f"{name} must be a function or None, got {shown(function)}")


@torch.no_grad()
def _measure(name: str, step: RFMStep, X: Tensor, Y: Tensor) -> dict[str, float]:
    """Loss, and accuracy if every target is one-hot."""
    scores = step.predict(X)
    record = {f"{name}_loss": float((scores - Y).square().mean())}
    one_hot = Y.shape[1] > 1 and ((Y == 0) | (Y == 1)).all() and (Y.sum(1) == 1).all()
    if bool(one_hot):
        record[f"{name}_accuracy"] = accuracy(scores, Y.argmax(1))
    return record
