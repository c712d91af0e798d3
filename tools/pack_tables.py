"""Run the five runs of the explorable "which tables" and pack them into one small file.

    python tools/pack_tables.py

It takes some seconds. The file is committed, as that of pack_grok.py is;
tests/test_explorables.py runs runs again and compares.
"""

import numpy as np
from pack_grok import quantised
from safetensors.numpy import save_file

from rfm_tutorial import RFM, GaussianKernel, accuracy, class_deviation
from rfm_tutorial.explorables.which_tables import EVERY, GROUPS, LAST, PACKED, SHARE
from rfm_tutorial.subgroups import cosets


def run(title: str, n_iterations: int = LAST) -> dict[str, np.ndarray]:
    """The arrays of one group, as `packed_runs` describes them."""
    group = GROUPS[title]
    split = group.task().split(SHARE, seed=0)
    words = (group.classes("a^-1 b"), cosets(group).classes)
    blocks, right, left, measured = [], [], [], []
    for step in RFM(GaussianKernel(2.5), n_iterations).iterate(split.X_train, split.Y_train):
        scores = step.predict(split.X_test)
        measured.append(accuracy(scores, split.y_test))
        if step.iteration % EVERY:
            continue
        right.append((scores.argmax(1) == split.y_test).numpy())
        block = step.feature_matrix[: group.order, group.order :]
        if step.iteration == 0:
            left.append([0.0, 0.0])
            continue
        blocks.append(block.numpy())
        left.append([class_deviation(block, classes) for classes in words])
    packed, scales = quantised(np.array(blocks))
    return {
        title: packed,
        f"{title} scales": scales,
        f"{title} hidden": (split.pairs_test @ split.pairs_test.new_tensor([group.order, 1]))
        .numpy()
        .astype(np.int16),
        f"{title} right": np.array(right).astype(np.uint8),
        f"{title} accuracy": np.array(measured),
        f"{title} left over": np.array(left),
    }


def main() -> None:
    """Write the file."""
    arrays: dict[str, np.ndarray] = {}
    for title in GROUPS:
        arrays |= run(title)
        print(title, "done", flush=True)
    save_file(arrays, PACKED)
    PACKED.chmod(0o644)  # safetensors writes for its owner only
    print(f"{PACKED}: {PACKED.stat().st_size} bytes")


if __name__ == "__main__":
    main()
