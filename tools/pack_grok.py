"""Run the eight runs of the explorable "watch it grok" and pack them into one small file.

    python tools/pack_grok.py

It takes a minute on two cores. The file is committed, because the pages that show it would
otherwise take that minute each time they are built; tests/test_explorables.py runs runs again and
compares. A block is stored as bytes: its entries divided by its largest absolute entry.
"""

import numpy as np
import torch
from safetensors.numpy import save_file

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    ModularTask,
    QuadraticKernel,
    agop_alignment,
    circulant_block,
    circulant_deviation,
)
from rfm_tutorial.explorables.grok import KERNELS, LAST, LEVELS, MODULUS, PACKED
from rfm_tutorial.operations import GROUP_OPERATIONS

MACHINES = {"Gaussian": GaussianKernel(2.5), "quadratic": QuadraticKernel(3.0)}


def run(operation: str, kernel: str, n_iterations: int = LAST) -> tuple[np.ndarray, np.ndarray]:
    """Blocks (steps, n, n) and measures (steps, 6) as in `MEASURES`."""
    split = ModularTask(operation, MODULUS).split(train_fraction=0.5, seed=0)
    rfm = RFM(MACHINES[kernel], n_iterations)
    matrices: list[torch.Tensor] = []
    rfm.fit(
        split.X_train,
        split.Y_train,
        validation=(split.X_test, split.Y_test),
        progress=False,
        on_step=lambda step: matrices.append(step.feature_matrix),
    )
    blocks = [circulant_block(M, operation) for M in matrices]
    measures = [
        (
            record["train_accuracy"],
            record["test_accuracy"],
            record["train_loss"],
            record["test_loss"],
            circulant_deviation(block),
            agop_alignment(M, matrices[-1]),
        )
        for record, block, M in zip(rfm.history_, blocks, matrices, strict=True)
    ]
    return torch.stack(blocks).numpy(), np.array(measures)


def quantised(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bytes (steps, n, n) between −LEVELS and LEVELS, and each block's largest entry (steps,)."""
    scales = np.abs(blocks).max(axis=(1, 2))
    shares = blocks / np.where(scales == 0, 1, scales)[:, None, None]
    return np.rint(LEVELS * shares).astype(np.int8), scales


def main() -> None:
    """Write the file."""
    arrays: dict[str, np.ndarray] = {}
    for operation in GROUP_OPERATIONS:
        for kernel in KERNELS:
            name = f"{operation} {kernel}"
            blocks, measures = run(operation, kernel)
            arrays[name], arrays[f"{name} scales"] = quantised(blocks)
            arrays[f"{name} measures"] = measures
            print(name, "done", flush=True)
    save_file(arrays, PACKED)
    PACKED.chmod(0o644)  # safetensors writes for its owner only
    print(f"{PACKED}: {PACKED.stat().st_size} bytes")


if __name__ == "__main__":
    main()
