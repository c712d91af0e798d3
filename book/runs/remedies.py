"""Two attempts to help S4 and A5: a feature matrix for each output, and letters as inputs.

"outputs": each output has an RFM of its own, so that its features need not serve the others.
"letters": an element comes as what it does, four or five one-hot letters for where each thing goes,
and the machine is a plain quadratic kernel, ridge 1e-6; no feature is learned. "letters, exchanged"
is the control: the elements' letters are dealt out anew. A record per step.
"""

from typing import Any

import torch
from torch import Tensor

from rfm_tutorial import RFM, GaussianKernel, KernelRidge, QuadraticKernel, accuracy
from rfm_tutorial.groups import named_group

CASES = [
    {"remedy": remedy, "group": group, "train_fraction": fraction, "seed": seed}
    for remedy, groups in (
        ("outputs", ("S4", "D11", "Z24")),
        ("letters", ("S4", "A5")),
        ("letters, exchanged", ("S4", "A5")),
    )
    for group in groups
    for fraction in (0.7, 0.9)
    for seed in range(5)
]
SAMPLE = {"remedy": "outputs", "group": "S4", "train_fraction": 0.7, "seed": 1, "n_iterations": 1}


def letters(names: tuple[str, ...], pairs: Tensor) -> Tensor:
    """Both elements of each pair, as one-hot letters."""
    places = torch.tensor([[int(letter) for letter in name] for name in names])
    one_hot = torch.eye(places.shape[1], dtype=torch.float64)[places].flatten(1)
    return one_hot[pairs].flatten(1)


def run(
    remedy: str, group: str, train_fraction: float, seed: int, n_iterations: int = 20
) -> list[dict[str, Any]]:
    """One split."""
    made = named_group(group)
    split = made.task().split(train_fraction, seed)
    if remedy == "outputs":
        rfm = RFM(GaussianKernel(2.5), n_iterations)
        outputs = [rfm.iterate(split.X_train, y[:, None]) for y in split.Y_train.T]
        found = [
            torch.cat([step.predict(split.X_test) for step in steps], 1)
            for steps in zip(*outputs, strict=True)
        ]
    else:
        names = made.names
        if remedy == "letters, exchanged":
            dice = torch.Generator().manual_seed(seed)
            names = tuple(names[i] for i in torch.randperm(len(names), generator=dice))
        X_train, X_test = (letters(names, x) for x in (split.pairs_train, split.pairs_test))
        model = KernelRidge(QuadraticKernel(3.0), ridge=1e-6).fit(X_train, split.Y_train)
        found = [model.predict(X_test)]
    return [
        {"iteration": i, "test_accuracy": accuracy(scores, split.y_test)}
        for i, scores in enumerate(found)
    ]
