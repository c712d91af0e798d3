"""Ledger, App. Fig. 10: RFM on + after 30 updates, by training share, with its features.

A record a share. `alignment` compares the features with those that the same seed finds at half of
the table: the text of the paper that we have does not say with what it compares. A seed takes 40
seconds of one core, and six minutes modulo 97, as in the paper.
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

SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
CASES = [{"modulus": 61, "seed": seed} for seed in range(2)]
SAMPLE = {"modulus": 61, "seed": 1, "shares": [0.05, 0.1]}


def run(modulus: int, seed: int, shares: tuple[float, ...] = SHARES) -> list[dict[str, Any]]:
    """All shares of one seed."""
    records, matrices = [], []
    for share in shares:
        split = ModularTask("add", modulus).split(share, seed)
        machine = RFM(GaussianKernel(bandwidth=2.5), n_iterations=30)
        *_, last = machine.iterate(split.X_train, split.Y_train)
        scores, M = last.predict(split.X_test), last.feature_matrix
        matrices.append(M)
        records.append(
            {
                "train_fraction": share,
                "test_accuracy": accuracy(scores, split.y_test),
                "test_loss": float((scores - split.Y_test).square().mean()),
                "deviation": circulant_deviation(circulant_block(M, "add")),
            }
        )
    for record, M in zip(records, matrices, strict=True):
        record["alignment"] = agop_alignment(M, matrices[-1])
    return records
