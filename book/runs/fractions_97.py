"""Ledger, App. Fig. 10: + modulo 97 over the training share, after 30 iterations.

For each split the shares are nested, and the features of each are compared with those of the
largest. A record per share.
"""

from typing import Any

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    ModularTask,
    accuracy,
    agop_alignment,
    circulant_block,
    circulant_deviation,
)

P = 97
SHARES = (0.1, 0.15, 0.2, 0.225, 0.25, 0.275, 0.3, 0.35, 0.4, 0.5)
CASES = [{"seed": seed} for seed in range(5)]
SAMPLE = {"seed": 2, "shares": SHARES[:1]}


def run(seed: int, shares: tuple[float, ...] = SHARES) -> list[dict[str, Any]]:
    """One order of the cells."""
    records, matrices = [], []
    for share in shares:
        split = ModularTask("add", P).split(share, seed)
        *_, step = RFM(GaussianKernel(2.5), 30).iterate(split.X_train, split.Y_train)
        M, scores = step.feature_matrix, step.predict(split.X_test)
        matrices.append(M)
        records.append(
            {
                "share": share,
                "accuracy": accuracy(scores, split.y_test),
                "loss": float((scores - split.Y_test).square().mean()),
                "deviation": circulant_deviation(circulant_block(M, "add")),
            }
        )
    for record, M in zip(records, matrices, strict=True):
        record["alignment"] = agop_alignment(M, matrices[-1])
    return records
