"""Images: which pixels of a handwritten digit matter, and what it is worth to know.

    python examples/digits.py digits.png

scikit-learn's 1797 digits of 8 × 8 pixels; the machine learns from half of them. M has a row for
each pixel, so its diagonal is an image, too, and so is its leading eigenvector; drawn are those of
the last machine.
"""

import sys

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from rfm_tutorial.estimators import RFMClassifier


def main(picture: str) -> None:
    """Fit with more and more updates, print the errors and draw M."""
    mpl.use("Agg")
    from rfm_tutorial.plots import panels

    X, y = load_digits(return_X_y=True)
    # All pixels are grey values of one scale: nothing to standardise.
    train_X, test_X, train_y, test_y = train_test_split(
        X / 16, y, test_size=0.5, random_state=0, stratify=y
    )
    for kernel in ("gaussian", "laplace"):
        for n_iterations in (0, 1, 2, 4):
            model = RFMClassifier(kernel, ridge=0.01, n_iterations=n_iterations, selection=None)
            wrong = (model.fit(train_X, train_y).predict(test_X) != test_y).sum()
            print(f"{kernel:9} {n_iterations} updates: {wrong} of {len(test_y)} wrong")

    M = model.feature_matrix_
    left, right = panels(2, width=3.2, height=3.2)
    left.imshow(np.diagonal(M).reshape(8, 8), cmap="cividis")
    left.set(title="diagonal of M", xticks=[], yticks=[])
    leading = np.linalg.eigh(M)[1][:, -1].reshape(8, 8)
    largest = abs(leading).max()
    right.imshow(leading, cmap="RdBu_r", vmin=-largest, vmax=largest)
    right.set(title="leading eigenvector", xticks=[], yticks=[])
    for axes, name in ((left, "diagonal"), (right, "eigenvector")):
        axes.figure.savefig(picture.replace(".png", f"-{name}.png"), dpi=150)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["digits.png"])
