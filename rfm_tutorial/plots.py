"""Every figure of the book: each function draws one panel, takes and returns an Axes.

Each also attaches a sentence, computed from the data, that says what the panel shows.

    left, right = panels(2)
    grokking_curves(history, "accuracy", ax=left)
    grokking_curves(history, "loss", ax=right)
    show(left, right)

Colours are from the Okabe-Ito palette and mean the same thing in all chapters; what a colour says,
a line style or marker says too. Figures stand on a light card, so that they can be read on dark
pages as well.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

try:
    import matplotlib.pyplot as plt
    from IPython.display import display
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"figures need {error.name}; pip install 'rfm-tutorial[figures]' brings all that they need"
    ) from error

LINES = {
    # what: (colour, line style, marker, label)
    "train": ("#666666", "--", "s", "training"),
    "test": ("#0072B2", "-", "o", "test"),
    "deviation": ("#D55E00", "-", "^", "circulant deviation"),
    "alignment": ("#009E73", "-.", "D", "alignment with the last matrix"),
}
CURVES = (
    # (colour, line style, marker) for curves that differ in a parameter, in this order
    ("#0072B2", "-", "o"),
    ("#D55E00", "--", "s"),
    ("#009E73", "-.", "^"),
    ("#CC79A7", ":", "D"),
    ("#666666", "-", "v"),
)
SEQUENTIAL, DIVERGING = "cividis", "RdBu_r"
STYLE = {
    "figure.facecolor": "#fcfcfa",
    "axes.facecolor": "#fcfcfa",
    "axes.edgecolor": "#444444",
    "axes.labelcolor": "#222222",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "font.size": 11,
    "text.color": "#222222",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
}

_SENTENCES: WeakKeyDictionary[Axes, str] = WeakKeyDictionary()


def panels(count: int = 1, width: float = 3.4, height: float = 3.2) -> list[Axes]:
    """Empty panels in the book's style, each a figure of its own.

    Two panels of the usual width stand side by side on a wide page and below each other on a
    phone, where one wide figure would shrink until nobody could read it.

    Parameters
    ----------
    count : number of panels
    width, height : of each, in inches
    """
    with plt.rc_context(STYLE):  # pyright: ignore[reportArgumentType]
        return [
            plt.subplots(figsize=(width, height), layout="constrained")[1] for _ in range(count)
        ]


def describe(ax: Axes, sentence: str) -> Axes:
    """Attach the sentence that says what this panel shows."""
    _SENTENCES[ax] = sentence
    return ax


def alt_text(figure: Figure) -> str:
    """The sentences of the panels in a figure, in order."""
    return " ".join(_SENTENCES[ax] for ax in figure.axes if ax in _SENTENCES)


def show(*axes: Axes) -> None:
    """Display the figures that hold these panels, each with its sentence, then close them.

    The sentence becomes the image's alternative text on the website, and is what a stored
    notebook keeps of the figure.

    Raises
    ------
    ValueError
        If a figure has fewer than eight words to say; `describe` attaches a sentence.
    """
    for ax in axes:
        figure = cast(Figure, ax.get_figure(root=True))
        text = alt_text(figure)
        if len(text.split()) < 8:
            raise ValueError(
                f"a figure must say in eight words or more what it shows, got {text!r}"
            )
        buffer = BytesIO()
        # Twice the screen's resolution, shown at its nominal width: sharp on dense displays.
        figure.savefig(buffer, format="png", dpi=2 * figure.dpi, metadata={"Software": None})
        width = round(figure.get_figwidth() * figure.dpi)
        plt.close(figure)  # otherwise the notebook shows it a second time, without the text
        display(
            {"image/png": buffer.getvalue(), "text/plain": text},
            raw=True,
            metadata={"image/png": {"alt": text, "width": width}},
        )


def table(
    pairs: Int[Tensor, "n 2"],
    labels: Int[Tensor, " n"],
    modulus: int,
    ax: Axes | None = None,
    title: str = "table",
) -> Axes:
    """The cells (a, b) of an operation table that are given, coloured by label; others blank."""
    ax = ax or plt.gca()
    values = np.full((modulus, modulus), np.nan)
    values[tuple(pairs.cpu().numpy().T)] = labels.cpu().numpy()
    ax.imshow(values, cmap=SEQUENTIAL, interpolation="nearest", origin="lower")
    ax.set(xlabel="b", ylabel="a")
    ax.set_title(title, loc="left")
    share = len(labels) / modulus**2
    return describe(
        ax,
        f"Table of {modulus} × {modulus} cells, {title}: {len(labels)} cells ({share:.0%}) are "
        f"filled, coloured by their value from {int(labels.min())} to {int(labels.max())}.",
    )


def grokking_curves(
    history: Sequence[Mapping[str, float]], quantity: str = "accuracy", ax: Axes | None = None
) -> Axes:
    """Training and test `quantity` ("accuracy" or "loss") over the iterations.

    Parameters
    ----------
    history : records with `iteration`, `train_accuracy` and so on, as in `RFM.history_`
    """
    if quantity not in ("accuracy", "loss"):
        raise ValueError(f"quantity must be 'accuracy' or 'loss', got {quantity!r}")
    ax = ax or plt.gca()
    iterations = [record["iteration"] for record in history]
    parts = []
    for name in ("train", "test"):
        values = [record[f"{name}_{quantity}"] for record in history]
        _line(ax, iterations, values, name)
        digits = 3 if quantity == "accuracy" else 4
        parts.append(
            f"{LINES[name][3]} {quantity} {_path(iterations, values, digits)}"
            if quantity == "loss" or min(values) < max(values)
            else f"{LINES[name][3]} {quantity} is {values[0]:.{digits}f} throughout"
        )
    ax.set(xlabel="iteration", ylabel="accuracy" if quantity == "accuracy" else "mean squared loss")
    if quantity == "accuracy":
        ax.set_ylim(-0.05, 1.08)
    else:
        ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
    ax.legend(loc="center right" if quantity == "accuracy" else "best", frameon=False)
    both = "; ".join(parts)
    return describe(ax, f"Line plot over {len(iterations)} iterations: {both}.")


def progress_measures(
    iterations: Sequence[float],
    *,
    deviation: Sequence[float],
    alignment: Sequence[float],
    test_accuracy: Sequence[float],
    ax: Axes | None = None,
) -> Axes:
    """Circulant deviation and AGOP alignment beside the test accuracy that they foretell."""
    ax = ax or plt.gca()
    measures = {"deviation": deviation, "alignment": alignment, "test": test_accuracy}
    parts = []
    for name, values in measures.items():
        label = "test accuracy" if name == "test" else LINES[name][3]
        _line(ax, iterations, values, name, label)
        parts.append(f"{label} {_path(iterations, values, 2)}")
    ax.set(xlabel="iteration", ylabel="value", ylim=(-0.05, 1.08))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return describe(ax, f"Line plot of three measures: {'; '.join(parts)}.")


def feature_matrix(
    M: Float[Tensor, "d d"], ax: Axes | None = None, title: str = "feature matrix"
) -> Axes:
    """A feature matrix as a heat map.

    The colours are scaled to the off-diagonal entries, which carry the story; the diagonal is
    much larger and runs into the darkest red.
    """
    ax = ax or plt.gca()
    values = _array(M)
    d = len(values)
    off_diagonal = values[~np.eye(d, dtype=bool)]
    limit = float(np.abs(off_diagonal).max()) or 1.0
    _heat_map(ax, values, DIVERGING, -limit, limit, title)
    half = d // 2
    for position in (half - 0.5,):
        ax.axhline(position, color="#444444", linewidth=0.6)
        ax.axvline(position, color="#444444", linewidth=0.6)
    middles = [half / 2, half + half / 2]
    ax.set_xticks(middles, ["digit a", "digit b"])
    ax.set_yticks(middles, ["digit a", "digit b"], rotation=90, va="center")
    ax.tick_params(length=0)
    across = float(np.abs(values[:half, half:]).max())
    return describe(
        ax,
        f"Heat map of a {d} × {d} feature matrix, {title}: the diagonal averages "
        f"{float(np.diag(values).mean()):.2f}; the largest entry off the diagonal is {limit:.3f}, "
        f"and {across:.3f} in the block that joins digit a to digit b.",
    )


def block(A: Float[Tensor, "n n"], ax: Axes | None = None, title: str = "block") -> Axes:
    """One square block of a feature matrix as a heat map."""
    ax = ax or plt.gca()
    values = _array(A)
    limit = float(np.abs(values).max()) or 1.0
    _heat_map(ax, values, DIVERGING, -limit, limit, title)
    ax.set(xlabel="column", ylabel="row")
    spread = float(values.std())
    return describe(
        ax,
        f"Heat map of a {values.shape[0]} × {values.shape[1]} block, {title}: entries from "
        f"{values.min():.3f} to {values.max():.3f} with standard deviation {spread:.3f}.",
    )


def spectrum(
    energy: Float[Tensor, " frequencies"], ax: Axes | None = None, title: str = "spectrum"
) -> Axes:
    """Share of a block's energy at each frequency, as bars. The shares sum to 1."""
    ax = ax or plt.gca()
    values = _array(energy)
    ax.bar(np.arange(len(values)), values, color=LINES["test"][0], width=0.8)
    ax.set(xlabel="frequency", ylabel="share of energy")
    ax.set_title(title, loc="left")
    order = np.argsort(values)[::-1]
    top = ", ".join(f"{index} ({values[index]:.2f})" for index in order[:3])
    needed = int(np.searchsorted(np.cumsum(values[order]) / values.sum(), 0.9 - 1e-6)) + 1
    return describe(
        ax,
        f"Bar chart of the energy at {len(values)} frequencies, {title}: the strongest are {top}; "
        f"{needed} frequencies carry 90 % of the energy.",
    )


def phase(
    values: Float[Tensor, "rows columns"],
    *,
    row_labels: Sequence[object],
    column_labels: Sequence[object],
    row_name: str,
    column_name: str,
    value_name: str,
    ax: Axes | None = None,
) -> Axes:
    """A grid of runs as a heat map, one cell a run; NaN (it never happened) is hatched."""
    ax = ax or plt.gca()
    table = _array(values)
    ax.set_facecolor("#dddddd")
    ax.patch.set_hatch("///")
    ax.patch.set_edgecolor("#999999")
    finite = table[np.isfinite(table)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    ax.imshow(table, cmap=SEQUENTIAL, aspect="auto", origin="lower", vmin=low, vmax=high)
    for row, column in np.argwhere(np.isfinite(table)):
        number = table[row, column]
        dark = number < low + 0.55 * (high - low)
        ink = "#ffffff" if dark else "#111111"
        ax.text(column, row, f"{number:.3g}", ha="center", va="center", color=ink, fontsize=9)
    ax.set_xticks(range(len(column_labels)), [str(label) for label in column_labels])
    ax.set_yticks(range(len(row_labels)), [str(label) for label in row_labels])
    ax.set(xlabel=column_name, ylabel=row_name)
    ax.set_title(value_name, loc="left")
    missing = table.size - len(finite)
    return describe(
        ax,
        f"Grid of {value_name} over {row_name} (rows) and {column_name} (columns): values from "
        f"{low:.3g} to {high:.3g}; in {missing} of {table.size} cells it never happened.",
    )


def bands(
    curves: Mapping[str, Float[Tensor, "_ _"]],
    quantity: str = "test accuracy",
    ax: Axes | None = None,
) -> Axes:
    """One curve for each name: the median over its runs, in a band from the lowest to the highest.

    Parameters
    ----------
    curves : up to five names, each with its runs, (runs, steps). A step with a nan is left out
    quantity : what the values are
    """
    if not 1 <= len(curves) <= len(CURVES):
        raise ValueError(f"curves must be 1 to {len(CURVES)} to be told apart, got {len(curves)}")
    ax = ax or plt.gca()
    parts = []
    for (name, runs), (colour, style, marker) in zip(curves.items(), CURVES, strict=False):
        values = _array(runs)
        steps = np.flatnonzero(~np.isnan(values).any(axis=0))
        values = values[:, steps]
        low, middle, high = values.min(axis=0), np.median(values, axis=0), values.max(axis=0)
        ax.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(
            steps, middle, color=colour, linestyle=style, marker=marker, markersize=4, label=name
        )
        parts.append(
            f"{name}, {len(values)} runs, {_path(steps.tolist(), middle.tolist(), 2)} (runs end "
            f"between {low[-1]:.2f} and {high[-1]:.2f})"
        )
    ax.set(xlabel="iteration", ylabel=quantity)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return describe(
        ax, f"Line plot of the median {quantity} over runs, with its range: {'; '.join(parts)}."
    )


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


def _line(ax: Axes, x: Sequence[float], y: Sequence[float], name: str, label: str = "") -> None:
    colour, style, marker, default = LINES[name]
    ax.plot(
        x, y, color=colour, linestyle=style, marker=marker, markersize=4, label=label or default
    )


def _heat_map(ax: Axes, values: np.ndarray, colours: str, low: float, high: float, title: str):
    ax.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    ax.set_title(title, loc="left")
    for side in ("top", "right"):
        ax.spines[side].set_visible(True)


def _path(x: Sequence[float], y: Sequence[float], digits: int) -> str:
    """In words: where a curve starts and ends, and where it covers the middle of its way."""
    start, end = y[0], y[-1]
    text = f"goes from {start:.{digits}f} to {end:.{digits}f}"
    if abs(end - start) > 0.5:
        middle = (start + end) / 2
        crossing = next(i for i, v in enumerate(y) if (v >= middle) == (end >= middle))
        text += f", half of the way by iteration {x[crossing]:g}"
    return text
