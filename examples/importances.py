"""Which inputs does a fitted RFM look at? The diagonal of M as a picture.

    python examples/importances.py importances.png

Bars: the diagonal of M as shares, which costs nothing once the machine is fitted. Squares: how much
the score on new rows falls if the values of one input are shuffled among them, also as shares. The
two need not agree. M tells how steep the predictions are, shuffling what they are good for.
"""

import sys

import matplotlib as mpl
from sklearn.datasets import load_diabetes
from sklearn.inspection import permutation_importance
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rfm_tutorial.estimators import RFMRegressor


def main(picture: str) -> None:
    """Fit, print the shares and draw them."""
    mpl.use("Agg")
    from rfm_tutorial.plots import panels

    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    train_X, test_X, train_y, test_y = train_test_split(X, y, test_size=0.3, random_state=0)
    # The last step: a picture of M = I, which the rows held out may prefer, says nothing.
    learner = RFMRegressor("gaussian", ridge=1.0, selection=None)
    model = make_pipeline(StandardScaler(), learner).fit(train_X, train_y)
    shares = model[-1].feature_importances_
    shuffled = permutation_importance(model, test_X, test_y, n_repeats=20, random_state=0)
    falls = shuffled.importances_mean.clip(min=0)
    falls = falls / falls.sum()

    print(f"R² on new rows: {model.score(test_X, test_y):.2f}")
    order = shares.argsort()
    for j in order[::-1]:
        print(f"  {X.columns[j]:4} M {shares[j]:.2f}   shuffled {falls[j]:.2f}")

    (axes,) = panels(width=5.0, height=3.6)
    axes.barh(X.columns[order], shares[order], color="#0072B2", label="diagonal of M")
    axes.plot(falls[order], X.columns[order], "s", color="#D55E00", label="shuffled, new rows")
    axes.set(title="diabetes: which inputs matter", xlabel="share")
    axes.legend(loc="lower right")
    axes.figure.savefig(picture, dpi=150)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["importances.png"])
