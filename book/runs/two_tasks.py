"""Ledger: a + b and a² + b² at once, from the same cells, as in appendix G of the paper.

80 % of the cells are shown, one bit of the input says which of the two is meant, and a shared set
of outputs answers. `task` "both" is that machine; "add" and "squares" are machines of their own on
the same cells. A record per step: for each task the share of the hidden cells that is right, and of
those the cells whose swap (b, a) was shown, and those whose swap was not.
"""

from typing import Any

import torch

from rfm_tutorial import RFM, GaussianKernel, ModularTask
from rfm_tutorial.datasets import one_hot

CASES = [
    {"modulus": modulus, "task": task, "seed": seed}
    for modulus in (31, 61)
    for task in ("add", "squares", "both")
    for seed in range(5)
]
SAMPLE = {"modulus": 31, "task": "both", "seed": 4, "n_iterations": 3}
OPERATIONS = {"add": "add", "squares": "x^2+y^2"}


def run(modulus: int, task: str, seed: int, n_iterations: int = 12) -> list[dict[str, Any]]:
    """One split."""
    p = modulus
    names = list(OPERATIONS) if task == "both" else [task]
    table = ModularTask("add", p)
    dice = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(table.pairs), generator=dice)
    shown, hidden = order.tensor_split([int(0.8 * len(order))])
    seen = torch.zeros(p, p, dtype=torch.bool)
    seen[tuple(table.pairs[shown].T)] = True
    swap_shown = seen.T[tuple(table.pairs[hidden].T)]

    def inputs(rows: torch.Tensor, name: str) -> torch.Tensor:
        bit = torch.full((len(rows), 1), float(name == "add"), dtype=torch.float64)
        digits = table.encode(table.pairs[rows])
        return torch.cat([digits, bit], 1) if task == "both" else digits

    labels = {name: ModularTask(OPERATIONS[name], p).labels for name in names}
    X = torch.cat([inputs(shown, name) for name in names])
    Y = torch.cat([one_hot(labels[name][shown], p) for name in names])
    records = []
    for step in RFM(GaussianKernel(bandwidth=2.5), n_iterations).iterate(X, Y):
        record: dict[str, Any] = {"step": step.iteration}
        for name in names:
            answers = step.predict(inputs(hidden, name)).argmax(1)
            hit = answers == labels[name][hidden]
            record[f"{name}_accuracy"] = float(hit.double().mean())
            record[f"{name}_swap_shown"] = float(hit[swap_shown].double().mean())
            record[f"{name}_swap_hidden"] = float(hit[~swap_shown].double().mean())
            other = "squares" if name == "add" else "add"
            if other in labels:
                strangers = answers[~hit] == labels[other][hidden][~hit]
                record[f"{name}_other_answers"] = float(strangers.double().mean())
        record["share_swap_shown"] = float(swap_shown.double().mean())
        records.append(record)
    return records
