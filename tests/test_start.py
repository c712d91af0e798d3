"""A run that goes on where another one stopped, begins elsewhere, or has a fixed scale."""

import itertools
from pathlib import Path

import pytest
import torch
from helpers import KERNELS_OF_THE_PACKAGE
from torch import Tensor

from rfm_tutorial import RFM, GaussianKernel, KernelRidge, ModularTask, Split, psd_power
from rfm_tutorial.gradients import predictor_agop
from rfm_tutorial.kernels import Kernel
from rfm_tutorial.rfm import NORMALIZATIONS, RFMStep

every_kernel = pytest.mark.parametrize(
    "kernel", KERNELS_OF_THE_PACKAGE, ids=lambda kernel: type(kernel).__name__
)


@pytest.fixture(scope="module")
def split() -> Split:
    return ModularTask("add", 7).split(0.7)


def fitted(rfm: RFM, split: Split, **more) -> RFM:
    return rfm.fit(
        split.X_train, split.Y_train, (split.X_test, split.Y_test), progress=False, **more
    )


def numbers(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: v for name, v in record.items() if name != "seconds"} for record in history]


def same(left: RFM, right: RFM) -> bool:
    return (
        numbers(left.history_) == numbers(right.history_)
        and torch.equal(left.feature_matrix_, right.feature_matrix_)
        and torch.equal(left.dual_coef_, right.dual_coef_)
    )


class Killed(Exception):  # noqa: N818
    """In the middle of a run."""


@every_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])
@pytest.mark.parametrize("cut", [0, 2, 5])
def test_a_run_from_a_file_goes_on_bit_for_bit(
    kernel: Kernel, dtype: torch.dtype, cut: int, tmp_path: Path
) -> None:
    # A ridge, because not all of these kernels interpolate this table in float32.
    split = ModularTask("add", 7).split(0.7, dtype=dtype)
    undisturbed = fitted(RFM(kernel, 5, ridge=0.01), split)
    cut_off = RFM(kernel, 5, ridge=0.01)

    def checkpoint(step: RFMStep) -> None:
        cut_off.save(tmp_path / "model")
        if step.iteration == cut:
            raise Killed

    with pytest.raises(Killed):
        fitted(cut_off, split, on_step=checkpoint)
    resumed = fitted(RFM(kernel, 5, ridge=0.01), split, start=RFM.load(tmp_path / "model"))
    assert same(resumed, undisturbed)
    seconds = [record["seconds"] for record in resumed.history_]
    assert seconds == sorted(seconds)


def test_a_step_is_a_start_and_the_run_before_is_left_alone(split: Split) -> None:
    steps = list(RFM(GaussianKernel(2.5), 4).iterate(split.X_train, split.Y_train))
    again = list(RFM(GaussianKernel(2.5), 4).iterate(split.X_train, split.Y_train, start=steps[2]))
    assert [step.iteration for step in again] == [2, 3, 4]
    for one, other in zip(steps[2:], again, strict=True):
        assert torch.equal(one.feature_matrix, other.feature_matrix)
        assert torch.equal(one.predictor.dual_coef_, other.predictor.dual_coef_)


def test_a_finished_run_can_be_made_longer(split: Split) -> None:
    short, long = (fitted(RFM(GaussianKernel(2.5), n), split) for n in (3, 6))
    before = numbers(short.history_)
    assert same(fitted(RFM(GaussianKernel(2.5), 6), split, start=short), long)
    assert numbers(short.history_) == before


def test_a_run_may_begin_with_any_feature_matrix(split: Split) -> None:
    root = torch.randn(14, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    M = root @ root.T
    first = next(RFM(GaussianKernel(2.5)).iterate(split.X_train, split.Y_train, start=M))
    plain = KernelRidge(GaussianKernel(2.5)).fit(split.X_train, split.Y_train, M)
    assert first.iteration == 0
    assert torch.equal(first.feature_matrix, M)
    assert torch.equal(first.predictor.dual_coef_, plain.dual_coef_)
    M.zero_()
    assert bool(first.feature_matrix.any())


def test_the_identity_is_the_start_that_is_taken_for_granted(split: Split) -> None:
    one = fitted(RFM(GaussianKernel(2.5), 3), split)
    other = fitted(RFM(GaussianKernel(2.5), 3), split, start=torch.eye(14, dtype=torch.float64))
    assert same(one, other)


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("model.safetensors", "start must be a step, a fitted RFM or a feature matrix, got a str"),
        (torch.eye(13, dtype=torch.float64), r"feature_matrix must be \(14, 14\)"),
        (-torch.eye(14, dtype=torch.float64), "feature_matrix must be positive semidefinite"),
        (torch.eye(14), "feature_matrix"),
        (RFM(GaussianKernel(2.5)), "not fitted"),
    ],
)
def test_what_is_no_start_is_refused_at_once(start: object, message: str, split: Split) -> None:
    with pytest.raises((ValueError, AttributeError), match=message):
        RFM(GaussianKernel(2.5)).iterate(split.X_train, split.Y_train, start=start)


def test_a_start_behind_the_end_is_refused(split: Split) -> None:
    long = fitted(RFM(GaussianKernel(2.5), 3), split)
    with pytest.raises(ValueError, match=r"start must not lie behind .* = 2, got step 3"):
        fitted(RFM(GaussianKernel(2.5), 2), split, start=long)


def rescaled(M: Tensor, how: str) -> Tensor:
    return {
        "none": M,
        "trace": M / torch.linalg.eigvalsh(M).mean(),
        "max": M / M.flatten().abs().sort().values[-1],
    }[how]


@every_kernel
@pytest.mark.parametrize("how", NORMALIZATIONS)
def test_each_feature_matrix_has_the_scale_that_was_asked_for(
    how: str, kernel: Kernel, split: Split
) -> None:
    rfm = RFM(kernel, 3, ridge=0.01, normalization=how)
    steps = list(rfm.iterate(split.X_train, split.Y_train))
    for before, after in itertools.pairwise(steps):
        expected = rescaled(psd_power(predictor_agop(before.predictor), 0.5), how)
        # Sums of another order.
        torch.testing.assert_close(after.feature_matrix, expected, rtol=1e-9, atol=1e-12)
        if how != "none":
            identity = torch.eye(14, dtype=torch.float64)
            torch.testing.assert_close(NORMALIZATIONS[how](identity), identity)


def test_a_scale_is_saved_with_the_model(split: Split, tmp_path: Path) -> None:
    fitted(RFM(GaussianKernel(2.5), 1, normalization="max"), split).save(tmp_path / "model")
    assert RFM.load(tmp_path / "model").normalization == "max"


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(ValueError, match=r"normalization must be one of .*none.*trace.*max"):
        RFM(GaussianKernel(2.5), normalization="l2")
