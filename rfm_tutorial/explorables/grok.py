"""Watch it grok: scrub through the iterations of a run and see the features come first."""

from functools import cache
from typing import cast

import numpy as np
import traitlets
from safetensors import safe_open
from safetensors.numpy import load_file

from rfm_tutorial.checks import check_choice, check_integer
from rfm_tutorial.explorables.base import HERE, Explorable, script, style
from rfm_tutorial.operations import OPERATIONS

PACKED = HERE / "grok.safetensors"
"""Eight runs, made by tools/pack_grok.py."""

MODULUS, LAST = 61, 30
KERNELS = ("Gaussian", "quadratic")
MEASURES = (
    "train_accuracy",
    "test_accuracy",
    "train_loss",
    "test_loss",
    "deviation",
    "alignment",
)
LEVELS = 127
"""A stored byte b stands for the entry b / LEVELS times the largest of its block."""


@cache
def packed_runs() -> dict[str, np.ndarray]:
    """What `PACKED` holds, for each run "operation kernel".

    Three arrays a run: its blocks (31, n, n) as int8, their largest absolute entries "… scales"
    (31,), and "… measures" (31, 6) in the order of `MEASURES`; nan where there is none.
    """
    return load_file(PACKED)


def _held() -> tuple[str, ...]:
    """The operations whose runs the file has, told by the names of its arrays."""
    with safe_open(PACKED, framework="numpy") as file:
        names = set(file.keys())
    return tuple(name for name in OPERATIONS if f"{name} {KERNELS[0]}" in names)


HELD = _held()


class WatchItGrok(Explorable):
    """One run of 30 iterations at p = 61 with half the table, to play, pause and scrub.

    Linked views: the block of the feature matrix that joins digit a to digit b, arranged by
    `circulant_block`; accuracy and the two progress measures; the losses.

    Parameters
    ----------
    operation : "add", "sub", "mul" or "div"
    kernel : "Gaussian" (bandwidth 2.5) or "quadratic"
    iteration : 0 … 30, where to start

    Raises
    ------
    ValueError
        If an argument is none of these.

    Examples
    --------
    >>> WatchItGrok(iteration=12)
    Step 12 of 30, a + b mod 61 with the Gaussian kernel: right on 42.9 % of the hidden cells and \
on 100.0 % of the training cells. Test loss 0.0148. Circulant deviation 0.06, alignment with the \
last matrix 0.95.
    """

    _esm = script(
        "grok",
        KERNELS=KERNELS,
        LAST=LAST,
        LEVELS=LEVELS,
        MODULUS=MODULUS,
        SYMBOLS={name: OPERATIONS[name].symbol for name in HELD},
    )
    _css = style("grok")

    operation = traitlets.Enum(HELD, HELD[0]).tag(sync=True)
    kernel = traitlets.Enum(KERNELS, "Gaussian").tag(sync=True)
    iteration = traitlets.Int(0, min=0, max=LAST).tag(sync=True)
    runs = traitlets.Dict().tag(sync=True)
    """For the script: of each run its size, the names' measures and the blocks' scales."""
    blocks = traitlets.Bytes().tag(sync=True)
    """For the script: of all runs, one after the other, what each block adds to the one before it.

    A sum that is too large for a byte begins again at the other end.
    """

    def __init__(
        self, operation: str = "add", kernel: str = "Gaussian", iteration: int = 0
    ) -> None:
        check_choice("operation", operation, HELD)
        check_choice("kernel", kernel, KERNELS)
        check_integer("iteration", iteration, at_least=0, at_most=LAST)
        runs, blocks, start = {}, [], 0
        for name in (f"{operation} {kernel}" for operation in HELD for kernel in KERNELS):
            block = packed_runs()[name]
            values = packed_runs()[f"{name} measures"].tolist()
            columns = [
                [None if np.isnan(v) else v for v in column] for column in zip(*values, strict=True)
            ]
            runs[name] = dict(zip(MEASURES, columns, strict=True)) | {
                "scales": packed_runs()[f"{name} scales"].tolist(),
                "size": block.shape[1],
                "start": start,
            }
            changes = np.diff(block, axis=0, prepend=np.zeros_like(block[:1]))
            blocks.append(changes.tobytes())  # half as long as the blocks when they are compressed
            start += block.size
        super().__init__(
            operation=operation,
            kernel=kernel,
            iteration=iteration,
            runs=runs,
            blocks=b"".join(blocks),
        )

    def measure(self, name: str) -> float:
        """One of `MEASURES` at the iteration that is shown; nan where there is none."""
        check_choice("name", name, MEASURES)
        table = packed_runs()[f"{self.operation} {self.kernel} measures"]
        return float(table[cast(int, self.iteration), MEASURES.index(name)])

    @property
    def sentence(self) -> str:
        """What is shown at this iteration."""
        symbol = OPERATIONS[cast(str, self.operation)].symbol
        deviation = self.measure("deviation")
        block = (
            "The block is still empty"
            if np.isnan(deviation)
            else f"Circulant deviation {deviation:.2f}"
        )
        return (
            f"Step {self.iteration} of {LAST}, {symbol} mod {MODULUS} with the {self.kernel} "
            f"kernel: right on {100 * self.measure('test_accuracy'):.1f} % of the hidden cells "
            f"and on {100 * self.measure('train_accuracy'):.1f} % of the training cells. "
            f"Test loss {self.measure('test_loss'):.4f}. "
            f"{block}, alignment with the last matrix {self.measure('alignment'):.2f}."
        )
