"""The loop: its trajectory against a plain reference, its manners, and what is saved."""

import dataclasses
import itertools
import json
import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers import (
    CASES,
    KERNELS_OF_THE_PACKAGE,
    Case,
    difference,
    normal,
    plain_rfm,
    plain_values,
    rows,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import rfm_tutorial.rfm
from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    LaplaceKernel,
    ModularTask,
    NotFittedError,
    QuadraticKernel,
    RFMStep,
    SingularKernelError,
    Split,
    accuracy,
    predictor_agop,
    psd_power,
)
from rfm_tutorial.kernels import Kernel, RadialKernel

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_kernel = pytest.mark.parametrize(
    "kernel", KERNELS_OF_THE_PACKAGE, ids=lambda kernel: type(kernel).__name__
)
both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])


def losses(rfm: RFM, split: Split) -> list[tuple[float, float]]:
    got = []
    for step in rfm.iterate(split.X_train, split.Y_train):
        both = (
            (step.predict(X) - Y).square().mean()
            for X, Y in ((split.X_train, split.Y_train), (split.X_test, split.Y_test))
        )
        got.append(tuple(map(float, both)))
    return got


# The trajectory


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "div"])
@every_case
def test_a_trajectory_is_that_of_the_plain_reference(case: Case, operation: str) -> None:
    split = ModularTask(operation, 11).split(0.6)
    rfm = RFM(case.kernel, n_iterations=12)
    steps = rfm.iterate(split.X_train, split.Y_train)
    step = None
    for step, (M, alpha) in zip(steps, plain_rfm(case, split.X_train, split.Y_train), strict=False):
        plain = plain_values(case, split.X_test, split.X_train, M) @ alpha.numpy()
        loss = float((step.predict(split.X_test) - split.Y_test).square().mean())
        assert loss == pytest.approx(np.mean((plain - split.Y_test.numpy()) ** 2), abs=1e-8)
        assert difference(step.feature_matrix, M) < 1e-6
    assert step is not None
    assert step.iteration == 12


@pytest.mark.parametrize(
    ("ridge", "power", "center"),
    [(0.1, 0.5, True), (0.0, 0.5, False), (0.01, 1.0, True), (0, 0.25, False)],
)
@every_case
def test_every_setting_is_that_of_the_plain_reference(
    case: Case, ridge: float, power: float, center: bool
) -> None:
    X, Y = rows("dense"), normal(18, 3, seed=5)
    rfm = RFM(case.kernel, 4, ridge=ridge, agop_power=power, center_gradients=center)
    reference = plain_rfm(case, X, Y, ridge, power, center)
    for step, (M, alpha) in zip(rfm.iterate(X, Y), reference, strict=False):
        assert difference(step.feature_matrix, M) < 1e-7
        assert difference(step.predictor.dual_coef_, alpha) < 1e-6


# The website's chapter on grokking runs the other type to the end, in every `make test`.
@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype",
    [torch.float32, pytest.param(torch.float64, marks=pytest.mark.nightly)],
    ids=["32", "64"],
)
def test_modular_addition_is_grokked_at_the_scale_of_the_paper(dtype: torch.dtype) -> None:
    split = ModularTask("add", 61).split(0.5, seed=0, dtype=dtype)
    if dtype == torch.float32:
        # Stops at the jump, to save time; the other type runs to the end.
        stop = lambda step: accuracy(step.predict(split.X_test), split.y_test) > 0.5  # noqa: E731
    else:
        stop = None
    rfm = RFM(GaussianKernel(2.5), n_iterations=25)
    rfm.fit(split.X_train, split.Y_train, (split.X_test, split.Y_test), on_step=stop)
    test = [record["test_accuracy"] for record in rfm.history_]
    assert all(record["train_accuracy"] == 1.0 for record in rfm.history_)
    assert all(record["train_loss"] < 1e-6 for record in rfm.history_)
    assert test[0] <= 0.02
    assert max(test[:9]) <= 0.03
    jump = next(iteration for iteration, share in enumerate(test) if share > 0.5)
    assert 11 <= jump <= 15
    if dtype == torch.float64:
        assert test[25] >= 0.99
        assert rfm.history_[0]["test_loss"] == pytest.approx(rfm.history_[8]["test_loss"], rel=0.05)


def test_step_0_is_the_plain_kernel_machine(split: Split) -> None:
    step = next(RFM(GaussianKernel()).iterate(split.X_train, split.Y_train))
    plain = KernelRidge(GaussianKernel()).fit(split.X_train, split.Y_train)
    assert torch.equal(step.feature_matrix, torch.eye(14, dtype=torch.float64))
    torch.testing.assert_close(step.predict(split.X_test), plain.predict(split.X_test))


@every_kernel
def test_each_feature_matrix_is_the_root_of_the_agop_of_the_step_before(
    kernel: Kernel, split: Split
) -> None:
    steps = list(RFM(kernel, 3).iterate(split.X_train, split.Y_train))
    for before, after in itertools.pairwise(steps):
        G = predictor_agop(before.predictor)
        assert difference(after.feature_matrix @ after.feature_matrix, G) < 1e-10
        assert difference(after.feature_matrix, psd_power(G, 0.5)) < 1e-6


# How many steps, and when


def test_a_repr_says_all_settings() -> None:
    rfm = RFM(LaplaceKernel(2.0), 4, ridge=0.5, agop_power=1.0, center_gradients=False)
    assert eval(repr(rfm)).__dict__ == rfm.__dict__
    machine = KernelRidge(LaplaceKernel(2.0), ridge=0.5)
    assert eval(repr(machine)).__dict__ == machine.__dict__


@pytest.mark.parametrize("n_iterations", [0, 1, 5])
def test_n_updates_make_n_plus_1_steps(n_iterations: int, split: Split) -> None:
    rfm = RFM(GaussianKernel(), n_iterations)
    steps = list(rfm.iterate(split.X_train, split.Y_train))
    assert [step.iteration for step in steps] == list(range(n_iterations + 1))
    rfm.fit(split.X_train, split.Y_train)
    assert [record["iteration"] for record in rfm.history_] == list(range(n_iterations + 1))
    assert torch.equal(rfm.feature_matrix_, steps[-1].feature_matrix)


@pytest.fixture
def work_done(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often the loop solved and how often it formed an AGOP."""
    calls = {"solve": 0, "agop": 0}

    def counted(name: str, function: Callable) -> Callable:
        def call(*args, **kwargs):
            calls[name] += 1
            return function(*args, **kwargs)

        return call

    module = rfm_tutorial.rfm
    monkeypatch.setattr(module, "solve", counted("solve", module.solve))
    monkeypatch.setattr(module, "loop_agop", counted("agop", module.loop_agop))
    return calls


def test_a_step_is_computed_when_it_is_asked_for_and_not_before(
    work_done: dict[str, int], split: Split
) -> None:
    steps = RFM(GaussianKernel(), 5).iterate(split.X_train, split.Y_train)
    assert work_done == {"solve": 0, "agop": 0}
    next(steps)
    assert work_done == {"solve": 1, "agop": 0}
    next(steps)
    assert work_done == {"solve": 2, "agop": 1}


def test_the_last_step_forms_no_agop_that_nobody_needs(
    work_done: dict[str, int], split: Split
) -> None:
    assert len(list(RFM(GaussianKernel(), 4).iterate(split.X_train, split.Y_train))) == 5
    assert work_done == {"solve": 5, "agop": 4}


def test_a_true_answer_of_on_step_stops_after_that_step(
    work_done: dict[str, int], split: Split
) -> None:
    seen: list[RFMStep] = []

    def on_step(step: RFMStep) -> bool:
        seen.append(step)
        return step.iteration == 2

    rfm = RFM(GaussianKernel(), 9).fit(split.X_train, split.Y_train, on_step=on_step)
    assert [step.iteration for step in seen] == [0, 1, 2]
    assert len(rfm.history_) == 3
    assert work_done == {"solve": 3, "agop": 2}
    assert rfm.feature_matrix_ is seen[-1].feature_matrix
    assert rfm.predictor_ is seen[-1].predictor


@pytest.mark.parametrize("answer", [None, False, 0])
def test_any_other_answer_of_on_step_goes_on(answer: object, split: Split) -> None:
    rfm = RFM(GaussianKernel(), 3).fit(split.X_train, split.Y_train, on_step=lambda step: answer)
    assert len(rfm.history_) == 4


def test_a_collected_step_never_changes_later(split: Split) -> None:
    collected, copies = [], []
    for step in RFM(LaplaceKernel(), 5).iterate(split.X_train, split.Y_train):
        collected.append(step)
        copies.append([step.feature_matrix.clone(), step.predict(split.X_test).clone()])
    for step, (M, scores) in zip(collected, copies, strict=True):
        assert torch.equal(step.feature_matrix, M)
        assert torch.equal(step.predict(split.X_test), scores)
        assert step.predictor.feature_matrix_ is step.feature_matrix
    predictions = {step.predict(split.X_test).data_ptr() for step in collected}
    held = [step.predict(split.X_test) for step in collected]
    assert len({scores.data_ptr() for scores in held}) == len(held)
    assert predictions


def test_two_loops_at_once_do_not_disturb_each_other(split: Split) -> None:
    other = ModularTask("mul", 7).split(0.7)
    rfm = RFM(GaussianKernel(), 4)
    both = zip(
        rfm.iterate(split.X_train, split.Y_train),
        rfm.iterate(other.X_train, other.Y_train),
        strict=True,
    )
    together = [(a.feature_matrix, b.feature_matrix) for a, b in both]
    for number, part in enumerate((split, other)):
        alone = [step.feature_matrix for step in rfm.iterate(part.X_train, part.Y_train)]
        assert all(torch.equal(a, b[number]) for a, b in zip(alone, together, strict=True))


def test_predicting_between_steps_does_not_disturb_the_loop(split: Split) -> None:
    rfm = RFM(GaussianKernel(), 4)
    alone = [step.feature_matrix for step in rfm.iterate(split.X_train, split.Y_train)]
    for M, step in zip(alone, rfm.iterate(split.X_train, split.Y_train), strict=True):
        step.predict(split.X_train)
        predictor_agop(step.predictor)
        KernelRidge(GaussianKernel()).fit(split.X_train, split.Y_train)
        assert torch.equal(step.feature_matrix, M)


def test_a_step_is_frozen(split: Split) -> None:
    step = next(RFM(GaussianKernel()).iterate(split.X_train, split.Y_train))
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.iteration = 3  # pyright: ignore[reportAttributeAccessIssue]


# Features may be changed on the way


def test_on_features_sees_every_new_feature_matrix_and_replaces_it(split: Split) -> None:
    seen: list[Tensor] = []

    def diagonal(M: Tensor) -> Tensor:
        seen.append(M)
        return M.diagonal().diag()

    rfm = RFM(GaussianKernel(), 3).fit(split.X_train, split.Y_train, on_features=diagonal)
    assert len(seen) == 3
    M = rfm.feature_matrix_
    assert torch.equal(M, M.diagonal().diag())
    assert torch.equal(M, seen[-1].diagonal().diag())
    expected = KernelRidge(GaussianKernel()).fit(split.X_train, split.Y_train, M)
    torch.testing.assert_close(rfm.predict(split.X_test), expected.predict(split.X_test))


def test_an_on_features_that_returns_its_argument_changes_nothing(split: Split) -> None:
    plain = RFM(GaussianKernel(), 3).fit(split.X_train, split.Y_train)
    same = RFM(GaussianKernel(), 3).fit(split.X_train, split.Y_train, on_features=lambda M: M)
    assert torch.equal(same.feature_matrix_, plain.feature_matrix_)


def test_a_buffer_that_on_features_gives_back_every_time_is_copied(split: Split) -> None:
    buffer = torch.zeros(14, 14, dtype=torch.float64)
    given: list[Tensor] = []

    def into_buffer(M: Tensor) -> Tensor:
        buffer.copy_(M).mul_(2.0)
        given.append(buffer.clone())
        return buffer

    def halved_in_place(M: Tensor) -> Tensor:
        given.append(M)
        return M.mul_(2.0)

    for change in (into_buffer, halved_in_place):
        given.clear()
        steps = list(RFM(GaussianKernel(), 3).iterate(split.X_train, split.Y_train, change))
        fresh = list(
            RFM(GaussianKernel(), 3).iterate(split.X_train, split.Y_train, lambda M: M * 2)
        )
        buffer.fill_(math.nan)
        for step, M, other in zip(steps[1:], given, fresh[1:], strict=True):
            assert torch.equal(step.feature_matrix, M)
            assert torch.equal(step.feature_matrix, other.feature_matrix)
            assert torch.equal(step.predict(split.X_test), other.predict(split.X_test))


def test_what_on_features_is_given_may_be_kept_and_overwritten(split: Split) -> None:
    kept: list[Tensor] = []
    plain = RFM(GaussianKernel(), 3).fit(split.X_train, split.Y_train)

    def keep(M: Tensor) -> Tensor:
        for earlier in kept:
            earlier.zero_()
        kept.append(M)
        return M

    rfm = RFM(GaussianKernel(), 3)
    steps = list(rfm.iterate(split.X_train, split.Y_train, keep))
    assert torch.equal(steps[-1].feature_matrix, plain.feature_matrix_)
    assert bool(steps[1].feature_matrix.any())


# The history


def test_the_history_holds_plain_numbers_that_json_can_write(fitted: RFM) -> None:
    assert json.loads(json.dumps(fitted.history_)) == fitted.history_
    keys = ["iteration", "seconds", "train_loss", "train_accuracy", "test_loss", "test_accuracy"]
    for record in fitted.history_:
        assert sorted(record) == sorted(keys)
        assert type(record["iteration"]) is int
        assert all(type(record[key]) is float for key in keys[1:])


def test_the_history_belongs_to_the_step_of_its_number(fitted: RFM, split: Split) -> None:
    steps = RFM(GaussianKernel(), 3).iterate(split.X_train, split.Y_train)
    for record, step in zip(fitted.history_, steps, strict=True):
        scores = step.predict(split.X_test)
        assert record["iteration"] == step.iteration
        assert record["test_loss"] == float((scores - split.Y_test).square().mean())
        assert record["test_accuracy"] == accuracy(scores, split.y_test)
        train = step.predict(split.X_train)
        assert record["train_loss"] == float((train - split.Y_train).square().mean())
        assert record["train_accuracy"] == accuracy(train, split.y_train)


def test_seconds_only_grow(fitted: RFM) -> None:
    seconds = [record["seconds"] for record in fitted.history_]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


def test_the_test_part_is_never_learned_from(split: Split) -> None:
    with_test, without = RFM(GaussianKernel(), 3), RFM(GaussianKernel(), 3)
    with_test.fit(split.X_train, split.Y_train, (split.X_test, split.Y_test * 5))
    without.fit(split.X_train, split.Y_train)
    assert torch.equal(with_test.feature_matrix_, without.feature_matrix_)
    assert "test_loss" not in without.history_[0]


@pytest.mark.parametrize("outputs", [1, 3])
def test_targets_that_are_not_one_hot_have_a_loss_and_no_accuracy(outputs: int) -> None:
    X, Y = rows("dense"), normal(18, outputs)
    rfm = RFM(GaussianKernel(), 1, ridge=0.1).fit(X, Y, (X, Y))
    assert sorted(rfm.history_[0]) == ["iteration", "seconds", "test_loss", "train_loss"]


def test_a_column_of_ones_is_no_classification() -> None:
    X = rows("dense")
    rfm = RFM(GaussianKernel(), 0, ridge=0.1).fit(X, torch.ones(18, 1, dtype=torch.float64))
    assert "train_accuracy" not in rfm.history_[0]


def test_fitting_says_nothing_where_nobody_watches(
    split: Split, capfd: pytest.CaptureFixture[str]
) -> None:
    RFM(GaussianKernel(), 2).fit(split.X_train, split.Y_train)
    RFM(GaussianKernel(), 2).fit(split.X_train, split.Y_train, progress=False)
    assert capfd.readouterr() == ("", "")


def test_fit_gives_itself_back_and_a_second_fit_forgets_the_first(split: Split) -> None:
    rfm = RFM(GaussianKernel(), 2)
    assert rfm.fit(split.X_train, split.Y_train) is rfm
    other = ModularTask("mul", 5).split(0.6)
    rfm.fit(other.X_train, other.Y_train)
    fresh = RFM(GaussianKernel(), 2).fit(other.X_train, other.Y_train)
    assert torch.equal(rfm.feature_matrix_, fresh.feature_matrix_)
    assert len(rfm.history_) == 3


def test_a_fit_that_is_interrupted_leaves_model_and_history_of_one_step(split: Split) -> None:
    def interrupt(step: RFMStep) -> None:
        if step.iteration == 2:
            raise KeyboardInterrupt

    rfm = RFM(GaussianKernel(), 5)
    with pytest.raises(KeyboardInterrupt):
        rfm.fit(split.X_train, split.Y_train, on_step=interrupt)
    assert [record["iteration"] for record in rfm.history_] == [0, 1, 2]
    steps = list(RFM(GaussianKernel(), 2).iterate(split.X_train, split.Y_train))
    assert torch.equal(rfm.feature_matrix_, steps[2].feature_matrix)
    assert torch.equal(rfm.predict(split.X_test), steps[2].predict(split.X_test))


# The same every time, and nothing touched


@every_kernel
@both_types
def test_the_same_seed_gives_the_same_bits(kernel: Kernel, dtype: torch.dtype) -> None:
    def run() -> list[Tensor]:
        split = ModularTask("add", 13).split(0.5, seed=4, dtype=dtype)
        rfm = RFM(kernel, 4).fit(split.X_train, split.Y_train)
        return [rfm.feature_matrix_, rfm.predictor_.dual_coef_, rfm.predict(split.X_test)]

    first = run()
    torch.manual_seed(99)
    torch.rand(7)
    assert all(torch.equal(a, b) for a, b in zip(first, run(), strict=True))


def test_global_settings_are_left_alone() -> None:
    def settings() -> list[object]:
        return [
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.get_num_interop_threads(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            torch.get_default_device(),
            torch.get_rng_state().tolist(),
            str(np.random.get_state()),
        ]

    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    before = settings()
    for dtype in (torch.float32, torch.float64):
        split = ModularTask("div", 7).split(0.6, seed=1, dtype=dtype)
        for kernel in KERNELS_OF_THE_PACKAGE:
            rfm = RFM(kernel, 2).fit(split.X_train, split.Y_train, (split.X_test, split.Y_test))
            rfm.predict(split.X_test)
            predictor_agop(rfm.predictor_)
    # A generator that waits inside the loop has switched nothing either.
    waiting = RFM(GaussianKernel(), 2).iterate(split.X_train, split.Y_train)
    next(waiting)
    next(waiting)
    assert settings() == before
    torch.set_num_threads(threads)
    # Nor has any test before this one.
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("default", [torch.float16, torch.float64])
@both_types
def test_the_default_dtype_is_neither_used_nor_changed(
    default: torch.dtype, dtype: torch.dtype
) -> None:
    split = ModularTask("add", 7).split(0.6, dtype=dtype)
    expected = RFM(LaplaceKernel(), 2).fit(split.X_train, split.Y_train)
    torch.set_default_dtype(default)
    try:
        rfm = RFM(LaplaceKernel(), 2).fit(split.X_train, split.Y_train)
        assert torch.get_default_dtype() == default
    finally:
        torch.set_default_dtype(torch.float32)
    assert rfm.feature_matrix_.dtype == rfm.predict(split.X_test).dtype == dtype
    assert torch.equal(rfm.feature_matrix_, expected.feature_matrix_)


@every_kernel
def test_inputs_and_targets_stay_as_they_came(kernel: Kernel, split: Split) -> None:
    X, Y, X_test = (tensor.clone() for tensor in (split.X_train, split.Y_train, split.X_test))
    RFM(kernel, 2).fit(X, Y, (X_test, split.Y_test)).predict(X_test)
    assert torch.equal(X, split.X_train)
    assert torch.equal(Y, split.Y_train)
    assert torch.equal(X_test, split.X_test)


@every_kernel
def test_views_are_as_good_as_tensors_of_their_own(kernel: Kernel, split: Split) -> None:
    X = torch.stack([split.X_train, split.X_train + 1], dim=2)[:, :, 0]
    Y = split.Y_train.T.contiguous().T
    views = RFM(kernel, 2).fit(X, Y)
    plain = RFM(kernel, 2).fit(split.X_train, split.Y_train)
    # A model copies what it is fitted to, so that not a bit depends on how that lay in memory.
    assert torch.equal(views.feature_matrix_, plain.feature_matrix_)
    assert torch.equal(views.predict(split.X_test), plain.predict(split.X_test))
    # Rows that are predicted are not copied, and another layout may add up in another order.
    assert difference(views.predict(split.X_test[::2]), plain.predict(split.X_test)[::2]) < 1e-10


def test_what_is_done_to_the_data_later_does_not_reach_the_model(split: Split) -> None:
    X, Y, M = split.X_train.clone(), split.Y_train.clone(), torch.eye(14, dtype=torch.float64)
    rfm, machine = RFM(GaussianKernel(), 2).fit(X, Y), KernelRidge(GaussianKernel()).fit(X, Y, M)
    steps = RFM(GaussianKernel(), 2).iterate(X, Y)
    expected = rfm.predict(split.X_test), machine.predict(split.X_test)
    next(steps)
    for tensor in (X, Y, M):
        tensor.fill_(7.0)
    assert torch.equal(rfm.predict(split.X_test), expected[0])
    assert torch.equal(machine.predict(split.X_test), expected[1])
    *_, last = steps
    assert torch.equal(last.predict(split.X_test), expected[0])


@every_kernel
def test_gradients_go_through_the_rows_that_are_predicted_and_not_the_training_rows(
    kernel: Kernel, split: Split
) -> None:
    X, Y, M = split.X_train.clone(), split.Y_train.clone(), torch.eye(14, dtype=torch.float64)
    plain = KernelRidge(kernel).fit(X, Y, M)
    tracked = KernelRidge(kernel).fit(
        X.requires_grad_(), Y.requires_grad_(), M.clone().requires_grad_()
    )
    assert not tracked.predict(split.X_test).requires_grad
    # Predicted at the training rows, what arrives is the gradient of a fixed function.
    (through_training,) = torch.autograd.grad(tracked.predict(X).sum(), X)
    rows = X.detach().clone().requires_grad_()
    (through_rows,) = torch.autograd.grad(plain.predict(rows).sum(), rows)
    assert torch.equal(through_training, through_rows)
    fitted = RFM(kernel, 1).fit(X, Y)
    assert not fitted.predict(split.X_test).requires_grad
    assert not any(t.requires_grad for t in (fitted.centers_, fitted.dual_coef_))


def test_inputs_that_require_gradients_are_not_tracked_through_the_loop(split: Split) -> None:
    X, Y = split.X_train.clone().requires_grad_(), split.Y_train.clone().requires_grad_()
    rfm = RFM(GaussianKernel(), 2).fit(X, Y, (X, Y))
    assert not rfm.feature_matrix_.requires_grad
    assert not rfm.predictor_.dual_coef_.requires_grad
    assert X.grad is None


@every_kernel
def test_the_loop_runs_under_no_grad_and_inference_mode(kernel: Kernel, split: Split) -> None:
    expected = RFM(kernel, 2).fit(split.X_train, split.Y_train).feature_matrix_
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            rfm = RFM(kernel, 2).fit(split.X_train, split.Y_train)
        assert torch.equal(rfm.feature_matrix_, expected)


def test_what_is_fitted_in_inference_mode_can_be_differentiated_outside(split: Split) -> None:
    with torch.inference_mode():
        X = split.X_train * 1
        assert X.is_inference()
        rfm = RFM(GaussianKernel(), 2).fit(X, split.Y_train)
        machine = KernelRidge(GaussianKernel()).fit(X, split.Y_train)
        steps = RFM(GaussianKernel(), 2).iterate(X, split.Y_train)
        next(steps)
    # A loop that was begun there goes on here.
    assert torch.equal(next(steps).predict(split.X_test), next_step(split, 1))
    for model in (rfm, machine):
        rows = split.X_test.clone().requires_grad_()
        model.predict(rows).sum().backward()
        assert rows.grad is not None
        assert bool(rows.grad.any())


def next_step(split: Split, number: int) -> Tensor:
    steps = RFM(GaussianKernel(), number).iterate(split.X_train, split.Y_train)
    *_, last = steps
    return last.predict(split.X_test)


# Laws


@pytest.mark.slow
@every_kernel
@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_the_order_of_training_rows_does_not_matter(kernel: Kernel, seed: int) -> None:
    split = ModularTask("add", 7).split(0.6)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(split.X_train), generator=generator)
    plain = RFM(kernel, 2).fit(split.X_train, split.Y_train)
    shuffled = RFM(kernel, 2).fit(split.X_train[order], split.Y_train[order])
    # A root makes 1e-8 of a rounding error of 1e-16, in directions that no input has.
    assert difference(shuffled.feature_matrix_, plain.feature_matrix_) < 1e-7
    assert difference(shuffled.predict(split.X_test), plain.predict(split.X_test)) < 1e-8


@settings(max_examples=20)
@given(scale=st.floats(0.1, 50), ridge=st.sampled_from([0.0, 0.1]))
def test_targets_scaled_by_s_scale_predictions_by_s(scale: float, ridge: float) -> None:
    split = ModularTask("add", 7).split(0.6)
    for kernel in KERNELS_OF_THE_PACKAGE:
        plain = KernelRidge(kernel, ridge).fit(split.X_train, split.Y_train)
        scaled = KernelRidge(kernel, ridge).fit(split.X_train, split.Y_train * scale)
        assert difference(scaled.predict(split.X_test), plain.predict(split.X_test) * scale) < 1e-9
        # The AGOP grows by s², so its root by s.
        rfm = RFM(kernel, 1, ridge).fit(split.X_train, split.Y_train)
        big = RFM(kernel, 1, ridge).fit(split.X_train, split.Y_train * scale)
        assert difference(big.feature_matrix_, rfm.feature_matrix_ * scale) < 1e-7


@settings(max_examples=30)
@given(scale=st.floats(0.05, 50))
def test_the_scale_of_a_quadratic_kernel_cancels_without_a_ridge_and_not_with_one(
    scale: float,
) -> None:
    split = ModularTask("add", 7).split(0.6)
    data = split.X_train, split.Y_train
    plain, scaled = RFM(QuadraticKernel(3.0), 3), RFM(QuadraticKernel(3.0 * scale), 3)
    M = plain.fit(*data).feature_matrix_
    assert difference(scaled.fit(*data).feature_matrix_, M) < 1e-7
    if not 0.5 < scale < 2:
        ridged = [KernelRidge(QuadraticKernel(s), 1.0).fit(*data) for s in (3.0, 3.0 * scale)]
        first, second = (model.predict(split.X_test) for model in ridged)
        assert difference(second, first) > 1e-3


@given(scale=st.floats(0.1, 10))
def test_a_gaussian_machine_sees_inputs_in_units_of_its_bandwidth(scale: float) -> None:
    split = ModularTask("add", 7).split(0.6)
    plain = KernelRidge(GaussianKernel(2.5)).fit(split.X_train, split.Y_train)
    scaled = KernelRidge(GaussianKernel(2.5 * scale)).fit(split.X_train * scale, split.Y_train)
    expected = plain.predict(split.X_test)
    assert difference(scaled.predict(split.X_test * scale), expected) < 1e-8


@every_case
def test_a_machine_without_a_ridge_interpolates(case: Case) -> None:
    X, Y = rows("dense"), normal(18, 3)
    for M in (None, torch.eye(6, dtype=torch.float64)):
        assert difference(KernelRidge(case.kernel).fit(X, Y, M).predict(X), Y) < 1e-8


def test_a_larger_ridge_makes_smaller_coefficients() -> None:
    X, Y = rows("dense"), normal(18, 3)
    norms = [
        float(KernelRidge(GaussianKernel(), ridge).fit(X, Y).dual_coef_.norm())
        for ridge in (0.0, 0.01, 1.0, 100.0)
    ]
    assert norms == sorted(norms, reverse=True)
    assert len(set(norms)) == 4


def test_many_rows_are_predicted_in_blocks_that_cannot_be_seen() -> None:
    X = normal(5, 3)
    model = KernelRidge(GaussianKernel()).fit(X, normal(5, 2))
    many = normal(2500, 3, seed=1)
    whole = model.predict(many)
    assert whole.shape == (2500, 2)
    assert (
        difference(torch.cat([model.predict(row[None]) for row in many[::100]]), whole[::100])
        < 1e-12
    )


@every_kernel
@pytest.mark.parametrize(("n", "d", "c"), [(2, 3, 2), (2, 1, 1), (3, 1, 2)])
def test_a_few_rows_one_input_and_one_output_are_enough(
    kernel: Kernel, n: int, d: int, c: int
) -> None:
    rfm = RFM(kernel, 2, ridge=0.1).fit(normal(n, d), normal(n, c, seed=1))
    assert rfm.feature_matrix_.shape == (d, d)
    assert bool(torch.isfinite(rfm.feature_matrix_).all())


@every_kernel
def test_a_machine_with_one_row_predicts_it(kernel: Kernel) -> None:
    X, Y = normal(1, 3), normal(1, 2)
    torch.testing.assert_close(KernelRidge(kernel).fit(X, Y).predict(X), Y)


# Accuracy


def test_accuracy_is_the_share_of_rows_with_their_largest_score_at_the_label() -> None:
    scores = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [2.0, -1.0]])
    assert accuracy(scores, torch.tensor([1, 0, 1, 0])) == 1.0
    assert accuracy(scores, torch.tensor([0, 1, 0, 1])) == 0.0
    assert accuracy(scores, torch.tensor([1, 0, 0, 0])) == 0.75
    assert type(accuracy(scores, torch.tensor([1, 0, 0, 0]))) is float


# Across processes


def test_models_steps_and_errors_survive_pickling(fitted: RFM, split: Split) -> None:
    copy = pickle.loads(pickle.dumps(fitted))
    assert torch.equal(copy.predict(split.X_test), fitted.predict(split.X_test))
    assert copy.history_ == fitted.history_
    step = next(RFM(LaplaceKernel()).iterate(split.X_train, split.Y_train))
    again = pickle.loads(pickle.dumps(step))
    assert torch.equal(again.predict(split.X_test), step.predict(split.X_test))
    for error in (SingularKernelError("why"), NotFittedError("why")):
        assert str(pickle.loads(pickle.dumps(error))) == "why"


def test_an_unfitted_model_survives_pickling_unfitted() -> None:
    with pytest.raises(NotFittedError):
        pickle.loads(pickle.dumps(RFM(GaussianKernel()))).predict(torch.zeros(1, 2))


def test_abstract_kernels_cannot_be_made() -> None:
    with pytest.raises(TypeError):
        RadialKernel()  # pyright: ignore[reportAbstractUsage]


@pytest.mark.parametrize("kernel", [GaussianKernel(), LaplaceKernel()])
def test_one_row_has_no_gradient_left_after_centering(
    kernel: GaussianKernel | LaplaceKernel,
) -> None:
    X, Y = torch.tensor([[0.3, -1.2, 0.7]]), torch.tensor([[1.0, 2.0]])
    assert torch.equal(RFM(kernel, 2).fit(X, Y).feature_matrix_, torch.zeros(3, 3))


def test_one_row_of_the_quadratic_kernel_has_nothing_to_go_on_with() -> None:
    X, Y = torch.tensor([[0.3, -1.2, 0.7]]), torch.tensor([[1.0, 2.0]])
    with pytest.raises(SingularKernelError):
        RFM(QuadraticKernel(), 2).fit(X, Y)


def test_features_that_keep_a_single_direction_do_not_look_like_a_matrix_without_a_root() -> None:
    split = ModularTask("x^2+y^2", 5).split(0.9)
    rfm = RFM(LaplaceKernel(), 20, ridge=0.001, agop_power=1.0)
    rfm.fit(split.X_train, split.Y_train)
    assert bool(torch.isfinite(rfm.feature_matrix_).all())


@pytest.mark.parametrize("fraction", [0.3, 0.4])
def test_an_ill_conditioned_start_does_not_look_like_a_matrix_without_a_root(
    fraction: float,
) -> None:
    split = ModularTask("add", 7).split(fraction, seed=0)
    rfm = RFM(GaussianKernel(bandwidth=10), n_iterations=12)
    rfm.fit(split.X_train, split.Y_train, progress=False)
    assert bool(torch.isfinite(rfm.feature_matrix_).all())


# What is written of the machines


def test_machines_are_equal_to_themselves_only(split: Split) -> None:
    for make in (lambda: RFM(GaussianKernel(), 1), lambda: KernelRidge(GaussianKernel())):
        machine = make()
        assert machine == machine.fit(split.X_train, split.Y_train)
        assert machine != make().fit(split.X_train, split.Y_train)
        assert len({machine, make()}) == 2


def test_what_holds_tensors_says_their_shapes(split: Split) -> None:
    step = next(RFM(GaussianKernel(), 1).iterate(split.X_train, split.Y_train))
    size = split.X_train.shape[1]
    assert repr(step) == (
        f"RFMStep(iteration=0, feature_matrix=float64 ({size}, {size}), "
        f"predictor=KernelRidge(kernel=GaussianKernel(bandwidth=2.5), ridge=0.0))"
    )
    assert {step} == {step}
    rfm = RFM(QuadraticKernel(), 1, ridge=0.1).fit(split.X_train, split.Y_train)
    assert repr(rfm) == (
        "RFM(kernel=QuadraticKernel(scale=3.0), n_iterations=1, ridge=0.1, agop_power=0.5, "
        "center_gradients=True, normalization='none')"
    )
