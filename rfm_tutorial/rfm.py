"""The Recursive Feature Machine: solve, read the features off, solve again with them.

step 0        M = I, a plain kernel machine
step t + 1    M ← AGOP(predictor of step t)^½, then solve K(M) α = Y
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import (
    check_callback,
    check_choice,
    check_fitted,
    check_flag,
    check_integer,
    check_matrix,
    check_numbers,
    check_real,
    in_short,
)
from rfm_tutorial.diagnosis import (
    CenteringWatch,
    ridge_loss,
    target_variance,
    why_without_gradient,
)
from rfm_tutorial.gradient_sums import loop_agop
from rfm_tutorial.history import follow
from rfm_tutorial.kernel_ridge import KernelRidge, check_kernel, check_size, solve
from rfm_tutorial.kernels import Kernel, check_feature_matrix
from rfm_tutorial.linalg import (
    SingularKernelError,
    Workspace,
    own,
    psd_power,
)
from rfm_tutorial.metrics import accuracy
from rfm_tutorial.saving import read_model, write_model
from rfm_tutorial.shared_ones import find_groups

NORMALIZATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda M: M,
    "trace": lambda M: M * (len(M) / M.trace()),
    "max": lambda M: M / M.abs().max(),
}
"""What a new feature matrix is divided by. All of them leave the identity as it is, so that a
bandwidth means at every step what it means at step 0."""


@dataclass(frozen=True, eq=False)
class RFMStep:
    """One step of the loop: the feature matrix and the kernel machine fitted with it."""

    iteration: int
    feature_matrix: Float[Tensor, "d d"]
    predictor: KernelRidge

    def __repr__(self) -> str:
        return in_short("RFMStep", vars(self))

    def predict(self, X: Float[Tensor, "m d"]) -> Float[Tensor, "m c"]:
        """Predictions of this step's kernel machine, (m, c)."""
        return self.predictor.predict(X)


@dataclass(eq=False)
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
    normalization : what each new M is scaled by: "none", the scale is learned with the rest;
        "trace", to the trace d of the identity; "max", to the largest entry 1

    Attributes (after `fit`)
    ------------------------
    feature_matrix_ : (d, d), M of the last step
    predictor_ : the `KernelRidge` of the last step
    history_ : one dict of plain numbers per step: iteration, seconds, train_loss, and with one-hot
        targets train_accuracy; with validation data also test_loss and test_accuracy

    Source: the RFM of arXiv 2212.13881, with the conventions of arXiv 2407.20199, section 2 of
    which describes this loop. The table in `rfm_tutorial.gradients` lists the conventions.

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel, ModularTask
    >>> split = ModularTask("add", 5).split(train_fraction=0.8)
    >>> rfm = RFM(GaussianKernel(2.5), n_iterations=2).fit(split.X_train, split.Y_train)
    >>> rfm.feature_matrix_.shape, rfm.history_[-1]["train_accuracy"]
    (torch.Size([10, 10]), 1.0)
    """

    kernel: Kernel
    n_iterations: int = 30
    ridge: float = 0.0
    agop_power: float = 0.5
    center_gradients: bool = True
    normalization: str = "none"

    feature_matrix_: Tensor = field(init=False, repr=False)
    predictor_: KernelRidge = field(init=False, repr=False)
    history_: list[dict[str, float]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_kernel(self.kernel)
        self.n_iterations = check_integer("n_iterations", self.n_iterations, at_least=0)
        self.ridge = check_real("ridge", self.ridge)
        self.agop_power = check_real("agop_power", self.agop_power, positive=True)
        self.center_gradients = check_flag("center_gradients", self.center_gradients)
        check_choice("normalization", self.normalization, NORMALIZATIONS)

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
        start: "RFMStep | RFM | Tensor | None" = None,
    ) -> Iterator[RFMStep]:
        """Yield step 0, 1, … n_iterations, each computed when it is asked for.

        Stop whenever you like: leaving a `for` loop over it is early stopping. A step keeps its
        own feature matrix and coefficients, so steps may be collected in a list.

        Parameters
        ----------
        X, Y : inputs (n, d) and targets (n, c), same dtype and device
        on_features : called with each new feature matrix (d, d); a copy of what it returns is
            used instead
        start : a step of an earlier run, or a fitted `RFM`, whose last step is meant: that step is
            the first one, and the run goes on as if it had never stopped. Or a feature matrix
            (d, d), symmetric and for radial kernels PSD, to begin with in place of the identity

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
        check_size(X, 2.0 * len(X) ** 2 + 4.0 * X.shape[1] ** 2)
        check_callback("on_features", on_features)
        # Copies, so that the steps still to come are those of the data that were given.
        return self._steps(own(X), own(Y), on_features, *self._begin(start, X))

    def _begin(self, start, X) -> tuple[int, Tensor]:
        """The number of the first step, and its feature matrix."""
        if start is None:
            return 0, torch.eye(X.shape[1], dtype=X.dtype, device=X.device)
        iteration, M = 0, start
        if isinstance(start, RFMStep):
            iteration, M = start.iteration, start.feature_matrix
        elif isinstance(start, RFM):
            check_fitted(start, "predictor_")
            iteration, M = int(start.history_[-1]["iteration"]), start.feature_matrix_
        elif not isinstance(start, Tensor):
            raise ValueError(
                f"start must be a step, a fitted RFM or a feature matrix, got {_describe(start)}"
            )
        if iteration > self.n_iterations:
            raise ValueError(
                f"start must not lie behind the last step, n_iterations = {self.n_iterations}, "
                f"got step {iteration}"
            )
        return iteration, own(check_feature_matrix(M, X, positive=self.kernel.radial))

    def _steps(self, X, Y, on_features, first, M) -> Iterator[RFMStep]:
        work, groups = Workspace(), find_groups(X)
        watch = CenteringWatch(self.kernel, target_variance(Y), self.ridge)
        share = math.nan
        for iteration in range(first, self.n_iterations + 1):
            predictor = KernelRidge(self.kernel, self.ridge)
            name = f"the kernel matrix of step {iteration}"
            values = solve(predictor, X, Y, M, work, name, share)
            watch.fitted(ridge_loss(predictor.dual_coef_, self.ridge), iteration)
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
        M = psd_power(G, self.agop_power, rounding)
        if M.is_meta or bool(M.any()):  # without features there is nothing to scale
            M = NORMALIZATIONS[self.normalization](M)
        return M, share

    def fit(
        self,
        X: Float[Tensor, "n d"],
        Y: Float[Tensor, "n c"],
        validation: tuple[Tensor, Tensor] | None = None,
        progress: bool = True,
        on_features: Callable[[Tensor], Tensor] | None = None,
        on_step: Callable[[RFMStep], object] | None = None,
        start: "RFMStep | RFM | Tensor | None" = None,
    ) -> "RFM":
        """Run all steps, keep the last one and a history of plain numbers.

        A long run that may be cut off saves itself at every step, and goes on from the file:

            rfm.fit(X, Y, on_step=lambda step: rfm.save(path))
            RFM(kernel).fit(X, Y, start=RFM.load(path))

        Parameters
        ----------
        X, Y : inputs (n, d) and targets (n, c), same dtype and device
        validation : (X_test, Y_test), measured at every step but never learned from
        progress : a progress bar after a second, if stderr is a terminal
        on_features : as in `iterate`
        on_step : called with each `RFMStep`; a true result stops after that step
        start : as in `iterate`; the history of an `RFM` is taken over

        Raises
        ------
        ValueError
            If an argument does not fit.
        SingularKernelError
            If a step's system has no unique solution.
        """
        check_callback("on_step", on_step)
        check_flag("progress", progress)
        steps = self.iterate(X, Y, on_features, start)
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
        # The last step of the run before is done again, and is here the first.
        before = start.history_[:-1] if isinstance(start, RFM) else ()

        def measure(step: RFMStep) -> dict[str, float]:
            record: dict[str, float] = {}
            for name, (inputs, targets) in measured.items():
                record |= _measure(name, step, inputs, targets)
            return record

        for step, history in follow(
            steps, self.n_iterations + 1, measure, on_step, progress, before
        ):
            self.feature_matrix_, self.predictor_ = step.feature_matrix, step.predictor
            self.history_ = history
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
        settings = {name: getattr(self, name) for name in _settings()}
        write_model(path, self.kernel, tensors, settings | {"history": self.history_})

    @classmethod
    def load(cls, path: str | os.PathLike, device: torch.device | str = "cpu") -> "RFM":
        """Read a model that `save` wrote, onto the given device.

        Raises
        ------
        ValueError
            If the file is no such model, is damaged, has a format version that this package does
            not know, or names a kernel that is not defined here or is another one here.
        """
        # Files of before there was a normalization had none.
        needed = [name for name in _settings() if name != "normalization"]
        kernel, tensors, header = read_model(path, device, (*needed, "history"))
        rfm = cls(kernel, **{name: header[name] for name in _settings() if name in header})
        rfm.predictor_ = KernelRidge(kernel, rfm.ridge)
        rfm.predictor_.centers_ = tensors["centers"]
        rfm.predictor_.dual_coef_ = tensors["dual_coef"]
        rfm.predictor_.feature_matrix_ = rfm.feature_matrix_ = tensors["feature_matrix"]
        rfm.history_ = header["history"]
        return rfm


def _settings() -> list[str]:
    """The parameters besides the kernel."""
    return [field.name for field in fields(RFM) if field.init and field.name != "kernel"]


def _describe(value: object) -> str:
    if isinstance(value, Tensor):
        return f"one tensor of shape {tuple(value.shape)}"
    size = f" of length {len(value)}" if isinstance(value, tuple | list) else ""
    return f"a {type(value).__name__}{size}"


@torch.no_grad()
def _measure(name: str, step: RFMStep, X: Tensor, Y: Tensor) -> dict[str, float]:
    """Loss, and accuracy if every target is one-hot."""
    scores = step.predict(X)
    record = {f"{name}_loss": float((scores - Y).square().mean())}
    one_hot = Y.shape[1] > 1 and ((Y == 0) | (Y == 1)).all() and (Y.sum(1) == 1).all()
    if bool(one_hot):
        record[f"{name}_accuracy"] = accuracy(scores, Y.argmax(1))
    return record
