"""What is saved, what is loaded, and which files and kernels are refused."""

import dataclasses
import json
import os
import stat
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import (
    KERNELS_OF_THE_PACKAGE,
    AffineQuadraticKernel,
    RationalQuadraticKernel,
    normal,
    rows,
)
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    LaplaceKernel,
    ModularTask,
    Split,
    predictor_agop,
)
from rfm_tutorial.kernels import Kernel

both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])


def held(rfm: RFM) -> list[Tensor]:
    return [rfm.centers_, rfm.dual_coef_, rfm.feature_matrix_, rfm.predictor_.feature_matrix_]


@pytest.mark.parametrize(
    "kernel",
    [*KERNELS_OF_THE_PACKAGE, RationalQuadraticKernel(0.5), AffineQuadraticKernel()],
    ids=lambda kernel: type(kernel).__name__,
)
@both_types
def test_a_loaded_model_is_the_one_that_was_saved(
    kernel: Kernel, dtype: torch.dtype, tmp_path: Path
) -> None:
    split = ModularTask("add", 7).split(0.6, dtype=dtype)
    rfm = RFM(kernel, 2, ridge=0.25, agop_power=0.75, center_gradients=False)
    rfm.fit(split.X_train, split.Y_train, (split.X_test, split.Y_test))
    rfm.save(tmp_path / "model.safetensors")
    loaded = RFM.load(tmp_path / "model.safetensors")
    assert repr(loaded) == repr(rfm)
    assert loaded.kernel == rfm.kernel
    assert loaded.history_ == rfm.history_
    assert loaded.feature_matrix_.dtype == dtype
    assert torch.equal(loaded.feature_matrix_, rfm.feature_matrix_)
    assert torch.equal(loaded.predict(split.X_test), rfm.predict(split.X_test))
    assert torch.equal(predictor_agop(loaded.predictor_), predictor_agop(rfm.predictor_))


@both_types
@pytest.mark.parametrize(("n", "d", "c"), [(1, 3, 2), (2, 1, 1), (4, 1, 3), (9, 4, 1)])
def test_what_a_model_holds_lies_in_memory_as_what_it_loads(
    n: int, d: int, c: int, dtype: torch.dtype, tmp_path: Path
) -> None:
    # Inputs of every layout: a view that steps over columns, targets column by column.
    X = normal(n, 2 * d, dtype=dtype)[:, ::2]
    Y = normal(c, n, seed=1, dtype=dtype).T
    rfm = RFM(LaplaceKernel(), 1).fit(X, Y)
    rfm.save(tmp_path / "model")
    loaded = RFM.load(tmp_path / "model")
    for before, after in zip(held(rfm), held(loaded), strict=True):
        assert torch.equal(before, after)
        for tensor in (before, after):
            # A column's step means nothing to torch where there is one column, and to BLAS it does.
            assert tensor.stride() == (tensor.shape[1], 1)
            assert tensor.data_ptr() % 64 == 0
            assert tensor.untyped_storage().nbytes() == tensor.nbytes


def test_a_loaded_model_does_not_hang_on_its_file(fitted: RFM, tmp_path: Path) -> None:
    path = tmp_path / "model"
    fitted.save(path)
    loaded = RFM.load(path)
    with path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)
    for before, after in zip(held(fitted), held(loaded), strict=True):
        assert torch.equal(before, after)


def test_a_path_may_be_text_and_a_loaded_model_may_be_saved_again(
    fitted: RFM, tmp_path: Path
) -> None:
    fitted.save(str(tmp_path / "first"))
    RFM.load(str(tmp_path / "first")).save(tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_a_file_has_a_version_and_nothing_that_can_run_code(fitted: RFM, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    with safe_open(tmp_path / "model", framework="pt") as file:
        header = json.loads(file.metadata()["rfm_tutorial"])
        assert sorted(file.keys()) == ["centers", "dual_coef", "feature_matrix"]
    assert header["format_version"] == 1
    assert header["kernel"] == {"name": "GaussianKernel", "bandwidth": 2.5}


def test_a_file_may_be_read_by_those_whom_the_umask_allows(fitted: RFM, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        fitted.save(tmp_path / "model")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o640


def test_a_view_of_the_inputs_is_saved_as_its_numbers(split: Split, tmp_path: Path) -> None:
    rfm = RFM(LaplaceKernel(), 1).fit(split.X_train[::2], split.Y_train[::2])
    rfm.save(tmp_path / "model")
    assert torch.equal(
        RFM.load(tmp_path / "model").predict(split.X_test), rfm.predict(split.X_test)
    )


@pytest.mark.usefixtures("no_type_checks")
def test_numbers_of_numpy_are_saved_like_others(split: Split, tmp_path: Path) -> None:
    rfm = RFM(GaussianKernel(np.float32(2.5)), np.int64(1), ridge=np.float32(0.5))  # pyright: ignore[reportArgumentType]
    rfm.fit(split.X_train, split.Y_train).save(tmp_path / "model")
    assert RFM.load(tmp_path / "model").kernel == GaussianKernel(2.5)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    fitted: RFM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save(tmp_path / "model")
    before = (tmp_path / "model").read_bytes()

    def disk_full(path: Path, contents: bytes) -> None:
        with path.open("wb") as file:
            file.write(contents[:100])
        raise OSError("no space left")

    def not_allowed(path: Path, target: Path) -> None:
        raise OSError("no space left")

    for name, failing in (("write_bytes", disk_full), ("replace", not_allowed)):
        with monkeypatch.context() as patch:
            patch.setattr(Path, name, failing)
            with pytest.raises(OSError, match="no space left"):
                fitted.save(tmp_path / "model")
        assert (tmp_path / "model").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_write_is_complete_before_it_takes_the_place_of_the_old_file(
    fitted: RFM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save(tmp_path / "model")
    before = (tmp_path / "model").read_bytes()
    replaced = []
    replace = Path.replace

    def watched(path: Path, target: Path) -> Path:
        assert target.read_bytes() == before
        assert path.parent == target.parent
        replaced.append(RFM.load(path).n_iterations)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    RFM(GaussianKernel(), 0).fit(rows("dense"), normal(18, 2)).save(tmp_path / "model")
    assert replaced == [0]
    assert RFM.load(tmp_path / "model").n_iterations == 0
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def rewritten(path: Path, change: Callable[[dict, dict], None]) -> Path:
    """The saved model at `path` with its header and tensors changed."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["rfm_tutorial"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header, tensors)
    save_file(tensors, path, metadata={"rfm_tutorial": json.dumps(header)})
    return path


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_version_that_is_not_known_is_refused(
    version: object, fitted: RFM, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    path = rewritten(tmp_path / "model", lambda header, _: header.update(format_version=version))
    with pytest.raises(ValueError, match=f"format version {version!r}.* reads version 1"):
        RFM.load(path)


def test_a_kernel_that_is_not_known_is_refused_with_those_that_are(
    fitted: RFM, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    path = rewritten(tmp_path / "model", lambda header, _: header["kernel"].update(name="Cauchy"))
    with pytest.raises(ValueError, match="uses the kernel 'Cauchy'; defined here are") as caught:
        RFM.load(path)
    for name in ("GaussianKernel", "LaplaceKernel", "QuadraticKernel"):
        assert f" {name}" in str(caught.value)
    assert "Import the module that defines Cauchy" in str(caught.value)
    assert "RadialKernel" not in str(caught.value)


# Kernels that the package does not have


@dataclasses.dataclass(frozen=True)
class WideGaussianKernel(GaussianKernel):
    bandwidth: float = 25.0


class SquaredGaussianKernel(GaussianKernel):
    """No dataclass of its own, and no parameter besides those of its base."""

    def values(self, X, Z, M, out=None):
        return super().values(X, Z, M, out).square_()


class PowerKernel(GaussianKernel):
    """A parameter that is no field, so that nothing but this object knows it."""

    def __init__(self, bandwidth: float = 2.5, power: float = 1.0) -> None:
        super().__init__(bandwidth)
        object.__setattr__(self, "power", power)

    def values(self, X, Z, M, out=None):
        return super().values(X, Z, M, out).pow_(self.power)


@dataclasses.dataclass(frozen=True)
class LabelledKernel(GaussianKernel):
    label: object = None


class RequiredKernel(GaussianKernel):
    """Does not take what its fields are called."""

    def __init__(self, width: float) -> None:
        super().__init__(width)


@pytest.mark.parametrize("kernel", [WideGaussianKernel(), SquaredGaussianKernel(2.0)], ids=repr)
def test_a_kernel_that_extends_a_kernel_is_found_again(
    kernel: Kernel, split: Split, tmp_path: Path
) -> None:
    rfm = RFM(kernel, 1, ridge=0.1).fit(split.X_train, split.Y_train)
    rfm.save(tmp_path / "model")
    loaded = RFM.load(tmp_path / "model")
    assert type(loaded.kernel) is type(kernel)
    assert loaded.kernel == kernel
    assert torch.equal(loaded.predict(split.X_test), rfm.predict(split.X_test))


def local_kernel() -> Kernel:
    @dataclasses.dataclass(frozen=True)
    class GaussianKernel(WideGaussianKernel):  # the name of one that can be found
        pass

    return GaussianKernel()


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (PowerKernel(power=3.0), ["fields of its dataclass", "PowerKernel", "power", "field"]),
        (LabelledKernel(label=(1, 2)), ["numbers and texts", "LabelledKernel", "(1, 2)"]),
        (LabelledKernel(label=torch.ones(3)), ["numbers and texts", "LabelledKernel"]),
        (LabelledKernel(label=np.float32(1)), ["numbers and texts", "LabelledKernel"]),
        (LabelledKernel(label=float("nan")), ["numbers and texts", "LabelledKernel"]),
        (LabelledKernel(label={1: 2}), ["numbers and texts", "LabelledKernel"]),
        (RequiredKernel(2.0), ["numbers and texts", "RequiredKernel"]),
        (local_kernel(), ["top of a module", "local_kernel.<locals>.GaussianKernel"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Kernel) else "",
)
def test_a_kernel_that_could_not_be_made_again_is_not_saved(
    kernel: Kernel, said: list[str], split: Split, tmp_path: Path
) -> None:
    rfm = RFM(kernel, 0, ridge=0.1).fit(split.X_train, split.Y_train)
    with pytest.raises(ValueError, match="kernel must be") as caught:
        rfm.save(tmp_path / "model")
    assert all(part in str(caught.value) for part in said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("label", ["a text", 3, None, True, [1.5, "b"], {"a": 2}])
def test_parameters_of_other_kinds_than_numbers_are_kept(
    label: object, split: Split, tmp_path: Path
) -> None:
    kernel = LabelledKernel(label=label)
    RFM(kernel, 0).fit(split.X_train, split.Y_train).save(tmp_path / "model")
    assert RFM.load(tmp_path / "model").kernel == kernel


def module_with_a_gaussian(name: str, exponent: float, monkeypatch: pytest.MonkeyPatch) -> type:
    """A module that defines a kernel called GaussianKernel, as the package does."""
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)

    def values(self, X, Z, M, out=None):
        return GaussianKernel.values(self, X, Z, M, out).pow_(exponent)

    members = {"values": values, "__module__": name, "__qualname__": "GaussianKernel"}
    module.GaussianKernel = type("GaussianKernel", (GaussianKernel,), members)  # pyright: ignore[reportAttributeAccessIssue]
    return module.GaussianKernel  # pyright: ignore[reportAttributeAccessIssue]


def test_of_kernels_with_the_same_name_each_is_found(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = [
        module_with_a_gaussian("first_module", 2.0, monkeypatch),
        module_with_a_gaussian("second_module", 3.0, monkeypatch),
        GaussianKernel,
    ]
    for number, kind in enumerate(kinds):
        rfm = RFM(kind(2.0), 1).fit(split.X_train, split.Y_train)
        rfm.save(tmp_path / str(number))
        loaded = RFM.load(tmp_path / str(number))
        assert type(loaded.kernel) is kind
        assert torch.equal(loaded.predict(split.X_test), rfm.predict(split.X_test))


def test_a_kernel_that_was_defined_anew_is_refused_where_it_gives_other_values(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = RFM(module_with_a_gaussian("a_module", 2.0, monkeypatch)(2.0), 1, ridge=0.1)
    old.fit(split.X_train, split.Y_train).save(tmp_path / "model")
    # As in a notebook whose cell is run again: the same name, and at first the same code.
    same = module_with_a_gaussian("a_module", 2.0, monkeypatch)
    assert type(RFM.load(tmp_path / "model").kernel) is same
    with pytest.raises(ValueError, match="a name under which there is another one"):
        old.save(tmp_path / "again")
    module_with_a_gaussian("a_module", 3.0, monkeypatch)
    with pytest.raises(ValueError, match=r"saved with another GaussianKernel .* a_module"):
        RFM.load(tmp_path / "model")


def test_a_file_of_the_first_edition_is_read(fitted: RFM, split: Split, tmp_path: Path) -> None:
    def forget(header: dict, tensors: dict) -> None:
        del header["kernel_module"], header["kernel_values"]

    fitted.save(tmp_path / "model")
    loaded = RFM.load(rewritten(tmp_path / "model", forget))
    assert torch.equal(loaded.predict(split.X_test), fitted.predict(split.X_test))


# Files that are none


@pytest.mark.parametrize(
    "damage", [b"", b"hello", b"\xff" * 100, b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "]
)
def test_a_file_that_is_no_safetensors_file_is_refused_by_name(
    damage: bytes, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(damage)
    with pytest.raises(ValueError, match="model is "):
        RFM.load(tmp_path / "model")


def test_a_file_that_was_cut_off_is_refused(fitted: RFM, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    whole = (tmp_path / "model").read_bytes()
    for length in (3, 50, len(whole) // 2, len(whole) - 1):
        (tmp_path / "model").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="not a whole safetensors file"):
            RFM.load(tmp_path / "model")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_safetensors_file_of_something_else_is_refused(
    metadata: dict[str, str] | None, tmp_path: Path
) -> None:
    save_file({"weight": torch.eye(2)}, tmp_path / "other", metadata=metadata)
    with pytest.raises(ValueError, match="not a saved RFM"):
        RFM.load(tmp_path / "other")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda header, tensors: tensors.pop("dual_coef"), "dual_coef"),
        (lambda header, tensors: tensors.update(dual_coef=torch.zeros(2, 2).double()), "dual_coef"),
        (lambda header, tensors: tensors.update(feature_matrix=torch.eye(3)), "feature_matrix"),
        (lambda header, tensors: tensors["centers"].fill_(float("nan")), "centers"),
        (lambda header, tensors: header["kernel"].update(bandwidth=-1), "bandwidth"),
        (lambda header, tensors: header["kernel"].update(width=2), "width"),
        (lambda header, tensors: header["kernel"].pop("name"), "the kernel's name"),
        (lambda header, tensors: header.pop("kernel"), "kernel is missing"),
        (lambda header, tensors: header.pop("ridge"), "ridge is missing"),
        (lambda header, tensors: header.pop("history"), "history is missing"),
        (lambda header, tensors: header.update(ridge=-1), "ridge"),
        (lambda header, tensors: header.update(n_iterations=2.5), "n_iterations"),
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_a_damaged_model_is_refused_and_the_error_names_the_damage(
    change: Callable[[dict, dict], None], named: str, fitted: RFM, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    with pytest.raises(ValueError, match=named):
        RFM.load(rewritten(tmp_path / "model", change))


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RFM.load(tmp_path / "nowhere")


def test_a_header_that_is_no_json_is_refused(fitted: RFM, tmp_path: Path) -> None:
    tensors = {"centers": torch.eye(2)}
    for text in ("{", "[1]", "3"):
        save_file(tensors, tmp_path / "model", metadata={"rfm_tutorial": text})
        with pytest.raises(ValueError, match=r"damaged header|format version None"):
            RFM.load(tmp_path / "model")


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize("device", ["gpu", "cuda:99", 1.5, True])
def test_a_device_that_is_none_is_not_the_fault_of_the_file(
    device: object, fitted: RFM, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "model")
    with pytest.raises(ValueError, match=f"device must be one that torch can use.*{device!r}"):
        RFM.load(tmp_path / "model", device=device)  # pyright: ignore[reportArgumentType]
