"""xRFM, the package of the RFM papers' authors, put to the protocol of `tables.py`.

    pip install xrfm
    python examples/xrfm_tables.py

No requirement of this project; tried with xRFM 0.4.5. It wants rows to choose its step by, and gets
a fifth of those to learn from, as `RFMRegressor` does. Ours learns from them afterwards; xRFM has
no such thing. Its kernel here is the Laplace kernel, with the median distance as bandwidth; chosen
are the ridge, and whether the bandwidth adapts to M.
"""

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from tables import TABLES, print_losses
from xrfm import xRFM

from rfm_tutorial import median_distance

CHOICES = {"ridge": [0.01, 0.1, 1.0, 10.0], "bandwidth_mode": ["constant", "adaptive"]}


class _XRFM(BaseEstimator):
    def __init__(self, ridge: float = 0.1, bandwidth_mode: str = "constant"):
        self.ridge = ridge
        self.bandwidth_mode = bandwidth_mode

    def _fit(self, X, y, metric: str, labels=None):
        X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
        train, held = train_test_split(
            np.arange(len(X)), test_size=0.2, random_state=0, stratify=labels
        )
        model = {
            "kernel": "l2",
            "bandwidth": median_distance(X),
            "exponent": 1.0,
            "diag": False,
            "bandwidth_mode": self.bandwidth_mode,
        }
        fit = {"reg": self.ridge, "iters": 5, "verbose": False, "early_stop_rfm": True}
        self.model_ = xRFM(
            {"model": model, "fit": fit}, device="cpu", tuning_metric=metric, verbose=False
        )
        self.model_.fit(X[train], y[train], X[held], y[held])
        return self

    def _predict(self, X) -> np.ndarray:
        return np.asarray(self.model_.predict(torch.tensor(X, dtype=torch.float32)))


class XRFMRegressor(RegressorMixin, _XRFM):
    """One number for each row."""

    def fit(self, X, y):
        """Learn what y differs from its mean by, in standard deviations, as `RFMRegressor` does."""
        self.offset_, self.scale_ = y.mean(), y.std()
        targets = ((y - self.offset_) / self.scale_).astype(np.float32)
        return self._fit(X, targets[:, None], "mse")

    def predict(self, X) -> np.ndarray:
        """Numbers, (m,)."""
        return self._predict(X)[:, 0] * self.scale_ + self.offset_


class XRFMClassifier(ClassifierMixin, _XRFM):
    """Labels 0, 1, …"""

    def fit(self, X, y):
        """Learn the labels."""
        self.classes_ = np.unique(y)
        return self._fit(X, y, "brier", y)

    def predict(self, X) -> np.ndarray:
        """Labels, (m,)."""
        return self._predict(X)


def main() -> None:
    """Print one line for each of the two real tables."""
    for name, learner in (("diabetes", XRFMRegressor()), ("breast cancer", XRFMClassifier())):
        (X, y), splitter, loss, _ = TABLES[name]
        print_losses(name, loss, {"xRFM": (learner, CHOICES)}, X, y, splitter)


if __name__ == "__main__":
    main()
