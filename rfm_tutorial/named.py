"""What the names in a grid stand for: tasks and kernels, also those of one's own.

"add", "x^2+y^2"          an operation, with a modulus
"add, sub"                several operations at once, with a modulus
"D5", "S4", "Z5 x Z7"     a group, by its title
"package.module:name"     a function that returns a task or a group, called with the modulus if it
                          takes an argument; or the class of a kernel
"""

import importlib
import inspect
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jaxtyping import Int
from torch import Tensor

from rfm_tutorial.checks import check_choice, shown
from rfm_tutorial.datasets import Labelled
from rfm_tutorial.groups import Group, named_group
from rfm_tutorial.kernels import KERNELS, Kernel
from rfm_tutorial.operations import OPERATIONS
from rfm_tutorial.tasks import ModularTask, MultiTask


@dataclass(frozen=True, eq=False)
class NamedTask:
    """A task, and the classes by which the block that joins its digits is measured."""

    task: Labelled
    classes: Int[Tensor, "m m"] | None
    """Of every cell (a, b), for `class_deviation`; None where no classes are known."""


@lru_cache(maxsize=8)
def named_task(name: str, modulus: int | None = None) -> NamedTask:
    """The task of a name.

    Examples
    --------
    >>> named_task("S4").task, named_task("add, sub", 5).task
    (Task(24 digits, 24 classes, 576 pairs), MultiTask(operations=('add', 'sub'), modulus=5))
    """
    if name in OPERATIONS:
        operation = OPERATIONS[name]
        assert modulus is not None
        classes = operation.classes(modulus) if operation.has_clock(modulus) else None
        return NamedTask(ModularTask(name, modulus), classes)
    if operations := _several(name):
        assert modulus is not None
        return NamedTask(MultiTask(operations, modulus), None)
    made = _own_task(name, modulus) if ":" in name else named_group(name)
    if isinstance(made, Group):
        return NamedTask(made.task(), made.classes("a^-1 b"))
    return NamedTask(made, None)


def named_kernel(name: str) -> type[Kernel]:
    """The class of a kernel.

    Examples
    --------
    >>> named_kernel("gaussian") is named_kernel("rfm_tutorial.kernels:GaussianKernel")
    True
    """
    return _imported("kernels", name) if ":" in name else KERNELS[name]


def takes_modulus(name: str) -> bool:
    """Whether a task of this name needs a modulus."""
    if ":" in name:
        return bool(inspect.signature(_imported("operations", name)).parameters)
    return name in OPERATIONS or bool(_several(name))


def check_task(name: str, value: str) -> str:
    """The name of a task, as `name` of a grid."""
    text = str(value) if isinstance(value, str) else value
    if isinstance(text, str) and text not in OPERATIONS:
        if ":" in text:
            function = _imported(name, text)
            if not callable(function):
                raise ValueError(f"{name} must name a function, got {text!r}, {shown(function)}")
            return text
        if "," in text:
            for part in (part.strip() for part in text.split(",")):
                check_choice(name, part, OPERATIONS)
            return text
        try:
            named_group(text)
            return text
        except KeyError:
            pass
    return str(check_choice(name, text, OPERATIONS))


def check_modulus(name: str, operation: str, modulus: int) -> int:
    """A modulus for which the table of an operation exists."""
    for part in _several(operation) or [operation]:
        if part in OPERATIONS:
            OPERATIONS[part].check_table(modulus, name)
    return modulus


def check_kernel_name(name: str, value: str) -> str:
    """The name of a kernel, as `name` of a grid."""
    if not isinstance(value, str) or ":" not in value:
        return str(check_choice(name, value, KERNELS))
    kind = _imported(name, value)
    if not isinstance(kind, type) or not issubclass(kind, Kernel):
        raise ValueError(f"{name} must name a class of kernels, got {value!r}, {shown(kind)}")
    return str(value)


def _several(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in name.split(",")) if "," in name else ()


def _own_task(name: str, modulus: int | None) -> Labelled | Group:
    made = _imported("operations", name)(*[modulus] if takes_modulus(name) else [])
    if not isinstance(made, Labelled | Group):
        raise ValueError(f"operations must name what gives a task or a group, got {shown(made)}")
    return made


def _imported(name: str, text: str) -> Any:
    module, _, attribute = text.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{name} must name what can be imported, such as 'package.module:name', got {text!r}: "
            f"{error}"
        ) from error
