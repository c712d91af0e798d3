"""Fitted models as files: a few tensors and a header of plain JSON, and nothing that runs code.

A kernel is code. The file holds the name of its class and its parameters, and a few of its values:
what is found under that name when the file is read must give the same ones.
"""

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rfm_tutorial.checks import check_device, check_matrix, check_square, shown
from rfm_tutorial.kernels import Kernel
from rfm_tutorial.linalg import own

FORMAT_VERSION = 1
TENSORS = ("centers", "dual_coef", "feature_matrix")


def write_model(
    path: str | os.PathLike, kernel: Kernel, tensors: dict[str, Tensor], rest: dict[str, Any]
) -> None:
    """Write beside `path` under a temporary name and move into place: never half a model there.

    Raises
    ------
    ValueError
        If the kernel could not be made again from its name and its parameters.
    """
    name, parameters = _told(kernel)
    header = {
        "format_version": FORMAT_VERSION,
        "kernel": {"name": name, **parameters},
        "kernel_module": type(kernel).__module__,
        "kernel_values": _some_values(kernel, tensors).tolist(),
        **rest,
    }
    path = _check_path(path)
    contents = {name: own(tensor) for name, tensor in tensors.items()}
    whole = save(contents, metadata={"rfm_tutorial": json.dumps(header)})
    replace_file(path, lambda temporary: temporary.write_bytes(whole))


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` write beside `path` and move that into place: the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_model(
    path: str | os.PathLike,
    device: torch.device | str,
    needed: Sequence[str],
    names: Sequence[str] = TENSORS,
) -> tuple[Kernel, dict[str, Tensor], dict[str, Any]]:
    """The kernel, the tensors and the rest of the header of a file that `write_model` wrote.

    `needed` are the names that the header must have, `names` those of the tensors.

    Raises
    ------
    ValueError
        If the file is no such model or is damaged, or the kernel is not defined here or is another.
    """
    device, path = check_device(device), _check_path(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = _header(path, file.metadata() or {}, needed)
            # The file is mapped, at an alignment of its own, and may be written again.
            tensors = {name: own(file.get_tensor(name).to(device)) for name in names}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file of an RFM: {error}") from error
    like = tensors[names[0]]
    if "centers" in tensors:
        centers = check_matrix("centers", tensors["centers"])
        check_matrix("dual_coef", tensors["dual_coef"], rows=len(centers), like=centers)
        check_square("feature_matrix", tensors["feature_matrix"], centers.shape[1])
    kernel = _kernel(path, header)
    if "kernel_values" in header and not like.is_meta:
        saved = torch.tensor(header["kernel_values"], dtype=torch.float64, device="cpu")
        found = _some_values(kernel, tensors)
        # Another processor or library rounds otherwise.
        allowed = 1e-9 if like.dtype == torch.float64 else 1e-3
        if not torch.allclose(found, saved, rtol=allowed, atol=allowed * float(saved.abs().max())):
            raise ValueError(
                f"{path} was saved with another {type(kernel).__name__} than the one defined in "
                f"{type(kernel).__module__}: its values are others"
            )
    return kernel, tensors, header


def _check_path(path: str | os.PathLike) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be text or a pathlib.Path, got {shown(path)}")
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"path must be a file, got the folder {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path must lie in a folder that is there, got {path}")
    return path


def _header(
    path: str | os.PathLike, metadata: dict[str, str], needed: Sequence[str]
) -> dict[str, Any]:
    if "rfm_tutorial" not in metadata:
        raise ValueError(f"{path} is a safetensors file but not a saved RFM")
    try:
        header = json.loads(metadata["rfm_tutorial"])
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} has a damaged header: {error}") from error
    version = header.get("format_version") if isinstance(header, dict) else None
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version!r}; this version of rfm_tutorial reads "
            f"version {FORMAT_VERSION}"
        )
    missing = [key for key in ("kernel", *needed) if key not in header]
    if missing or not isinstance(header["kernel"], dict) or "name" not in header["kernel"]:
        what = ", ".join(missing) or "the kernel's name"
        raise ValueError(f"{path} has a damaged header: {what} is missing")
    return header


def _told(kernel: Kernel) -> tuple[str, dict[str, Any]]:
    """Name and parameters of a kernel from which the same one can be made."""
    kind = type(kernel)
    if not _can_be_found(kind):
        raise ValueError(
            f"kernel must be of a class at the top of a module to be saved, got {kind.__qualname__}"
            f" of {kind.__module__}, a name under which there is another one or none"
        )
    names = [field.name for field in fields(kernel) if field.init]
    parameters = {name: getattr(kernel, name) for name in names}
    lost = [name for name in vars(kernel) if name not in {field.name for field in fields(kernel)}]
    if lost:
        raise ValueError(
            f"kernel must be told by the fields of its dataclass to be saved, got {kind.__name__} "
            f"with {', '.join(lost)} besides; make it a field"
        )
    try:
        again = json.loads(json.dumps(parameters))
        same = again == parameters and vars(kind(**again)) == vars(kernel)
    except (RuntimeError, TypeError, ValueError):  # no JSON, no such arguments, no comparison
        same = False
    if not same:
        raise ValueError(
            f"kernel must be made of numbers and texts to be saved, got {shown(kernel)}, which "
            f"its fields, written as JSON, do not give again"
        )
    return kind.__name__, parameters


def _kernel(path: str | os.PathLike, header: dict[str, Any]) -> Kernel:
    parameters = dict(header["kernel"])
    name, module = parameters.pop("name"), header.get("kernel_module")
    known = [kind for kind in _subclasses(Kernel) if _can_be_found(kind)]
    named = [kind for kind in known if kind.__name__ == name]
    if len(named) > 1:
        named = [kind for kind in named if kind.__module__ == module]
    if len(named) != 1:
        names = ", ".join(sorted({kind.__name__ for kind in known}))
        raise ValueError(
            f"{path} uses the kernel {name!r}; defined here are {names}. "
            f"Import the module that defines {name} before loading"
            + (f"; when it was saved, that was {module}" if module else "")
        )
    try:
        return named[0](**parameters)
    except TypeError as error:
        raise ValueError(f"{path} has parameters that {name} does not take: {error}") from error


def _can_be_found(kind: type) -> bool:
    """Whether the name of a class leads to it. Not if it was made in a function, or once more."""
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is kind


def _subclasses(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        if not inspect.isabstract(child):
            yield child
        yield from _subclasses(child)


def _some_values(kernel: Kernel, tensors: dict[str, Tensor]) -> Tensor:
    """Kernel values of the first centres and of points half-way to them; where there are none, of
    some numbers in all."""
    if "centers" not in tensors:
        x = torch.linspace(-2, 2, 9, dtype=torch.float64, device="cpu")[:, None]
        return kernel.values(x, x + 1, torch.eye(1, dtype=x.dtype, device="cpu"))
    Z = tensors["centers"][:8]
    return kernel.values(Z / 2, Z, tensors["feature_matrix"]).double().cpu()
