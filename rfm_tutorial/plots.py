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

import math
import reprlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, cast
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.checks import check_integer, check_real

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
    check_integer("count", count, at_least=1)
    check_real("width", width, positive=True)
    check_real("height", height, positive=True)
    with plt.rc_context(STYLE):  # pyright: ignore[reportArgumentType]
        return [
            plt.subplots(figsize=(width, height), layout="constrained")[1] for _ in range(count)
        ]


def describe(ax: Axes, sentence: str) -> Axes:
    """Attach the sentence that says what this panel shows."""
    if not isinstance(sentence, str):
        raise TypeError(f"sentence must be a str, got {type(sentence).__name__}")
    _SENTENCES[ax] = sentence
    return ax


def alt_text(figure: Figure) -> str:
    """The sentences of the panels in a figure, in order."""
    return " ".join(_SENTENCES[ax] for ax in figure.axes if ax in _SENTENCES)


def show(*axes: Axes) -> None:
    """Display the figures that hold these panels, each with its sentence, then close them.

    The sentence becomes the figure's caption on the website, the image's alternative text in
    Jupyter, and is what a stored notebook keeps of the figure.

    Raises
    ------
    ValueError
        If a figure has fewer than eight words to say; `describe` attaches a sentence.
    """
    for ax in axes:
        if not isinstance(ax, Axes):
            raise TypeError(f"axes must be panels, as in show(left, right), got {reprlib.repr(ax)}")
    # Panels of one figure are shown once.
    for figure in dict.fromkeys(cast(Figure, ax.get_figure(root=True)) for ax in axes):
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
    check_integer("modulus", modulus, at_least=1)
    cells, colours = _array("pairs", pairs, 2), _array("labels", labels, 1)
    if cells.shape != (len(colours), 2):
        raise ValueError(
            f"pairs must be two digits for each of the {len(colours)} labels, got shape "
            f"{cells.shape}"
        )
    if not np.isin(cells, np.arange(modulus)).all():
        raise ValueError(
            f"pairs must be digits in 0 … {modulus - 1}, got {cells.min():g} to {cells.max():g}"
        )
    values = np.full((modulus, modulus), np.nan)
    values[tuple(cells.astype(int).T)] = colours
    filled = np.isfinite(values).sum()
    if filled < len(colours):
        raise ValueError(f"pairs must be different, got {len(colours)} pairs for {filled} cells")
    ax = ax or plt.gca()
    ax.imshow(values, cmap=SEQUENTIAL, interpolation="nearest", origin="upper")
    ax.set(xlabel="b", ylabel="a")
    ax.set_title(title, loc="left")
    share = filled / modulus**2
    return describe(
        ax,
        f"Table of {modulus} × {modulus} cells, {title}: {filled} cells ({share:.0%}) are "
        f"filled, coloured by their value from {colours.min():g} to {colours.max():g}.",
    )


def grokking_curves(
    history: Sequence[Mapping[str, float]], quantity: str = "accuracy", ax: Axes | None = None
) -> Axes:
    """Training and test `quantity` ("accuracy" or "loss") over the iterations.

    Parameters
    ----------
    history : the records of one run with `iteration`, `train_accuracy` and so on, as in
        `RFM.history_`. Without validation data there is no test curve
    """
    if quantity not in ("accuracy", "loss"):
        raise ValueError(f"quantity must be 'accuracy' or 'loss', got {quantity!r}")
    keys = {"iteration", f"train_{quantity}"}
    if (
        not isinstance(history, Sequence)
        or not history
        or not all(isinstance(record, Mapping) and keys <= record.keys() for record in history)
    ):
        raise ValueError(
            f"history must be records with iteration and train_{quantity}, as in RFM.history_, "
            f"got {reprlib.repr(history)}"
        )
    iterations = _array("iteration", [record["iteration"] for record in history], 1)
    if (np.diff(iterations) <= 0).any():
        raise ValueError(
            f"history must be one run, its iterations rising, got {reprlib.repr(history)}"
        )
    ax = ax or plt.gca()
    parts = []
    for name in ("train", "test"):
        # None is what a table of a sweep has where there is no value.
        values = np.array([record.get(f"{name}_{quantity}") for record in history], dtype=float)
        if name == "test" and np.isnan(values).all():
            continue
        _line(ax, iterations, values, name)
        digits = 3 if quantity == "accuracy" else 4
        parts.append(
            f"{LINES[name][3]} {quantity} is {values[0]:.{digits}f} throughout"
            if quantity == "accuracy" and (values == values[0]).all()
            else f"{LINES[name][3]} {quantity} {_path(iterations, values, digits)}"
        )
    ax.set(xlabel="iteration", ylabel="accuracy" if quantity == "accuracy" else "mean squared loss")
    if quantity == "accuracy":
        _show_unit_interval(ax)
    else:
        ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
    ax.legend(loc="center right" if quantity == "accuracy" else "best", frameon=False)
    count = f"{len(history)} iterations" if len(history) > 1 else "one iteration"
    return describe(ax, f"Line plot over {count}: {'; '.join(parts)}.")


def progress_measures(
    iterations: Sequence[float],
    *,
    deviation: Sequence[float],
    alignment: Sequence[float],
    test_accuracy: Sequence[float],
    ax: Axes | None = None,
) -> Axes:
    """Circulant deviation and AGOP alignment beside the test accuracy that they foretell.

    Each has one value for each iteration; nan is a gap.
    """
    steps = _array("iterations", iterations, 1)
    ax = ax or plt.gca()
    measures = {"deviation": deviation, "alignment": alignment, "test_accuracy": test_accuracy}
    parts = []
    for name, measure in measures.items():
        values = _array(name, measure, 1, gaps=True)
        if len(values) != len(steps):
            raise ValueError(
                f"{name} must have a value for each of {len(steps)} iterations, got {len(values)}"
            )
        line = name.removesuffix("_accuracy")
        label = "test accuracy" if line == "test" else LINES[line][3]
        _line(ax, steps, values, line, label)
        parts.append(f"{label} {_path(steps, values, 2)}")
    ax.set(xlabel="iteration", ylabel="value")
    _show_unit_interval(ax)
    _legend_below(ax)
    return describe(ax, f"Line plot of three measures: {'; '.join(parts)}.")


def feature_matrix(
    M: Float[Tensor, "d d"],
    ax: Axes | None = None,
    title: str = "feature matrix",
    modulus: int | None = None,
) -> Axes:
    """A feature matrix as a heat map.

    The colours are scaled to the off-diagonal entries, which carry the story; the diagonal is
    much larger and runs into the darkest red.

    Parameters
    ----------
    modulus : p, where the first 2p inputs are the digits a and b of modular arithmetic; they are
        marked, and the sentence tells of the block that joins them
    """
    values = _array("M", M, 2)
    d = len(values)
    if values.shape != (d, d):
        raise ValueError(f"M must be square, got shape {values.shape}")
    if modulus is not None and 2 * check_integer("modulus", modulus, at_least=1) > d:
        raise ValueError(f"modulus must be at most {d // 2}, half the rows of M, got {modulus}")
    ax = ax or plt.gca()
    strength = np.abs(values)
    limit = float(strength[~np.eye(d, dtype=bool)].max(initial=0))
    form = _decimals(values)
    words = f"the diagonal averages {np.diag(values).mean():{_decimals(np.diag(values), 2)}}"
    if d > 1:
        words += f"; the largest entry off the diagonal is {limit:{form}} in size"
    _heat_map(ax, values, DIVERGING, -limit or -1.0, limit or 1.0, title)
    if modulus is None:
        ax.set(xlabel="input", ylabel="input")
    else:
        across = strength[:modulus, modulus : 2 * modulus].max()
        words += f", and {across:{form}} in the block that joins digit a to digit b"
        for border in {modulus, 2 * modulus} - {d}:
            ax.axhline(border - 0.5, color="#444444", linewidth=0.6)
            ax.axvline(border - 0.5, color="#444444", linewidth=0.6)
        middles = [modulus / 2, modulus * 3 / 2]
        ax.set_xticks(middles, ["digit a", "digit b"])
        ax.set_yticks(middles, ["digit a", "digit b"], rotation=90, va="center")
        ax.tick_params(length=0)
    return describe(ax, f"Heat map of a {d} × {d} feature matrix, {title}: {words}.")


def block(A: Float[Tensor, "n m"], ax: Axes | None = None, title: str = "block") -> Axes:
    """One block of a feature matrix as a heat map."""
    values = _array("A", A, 2)
    ax = ax or plt.gca()
    limit = float(np.abs(values).max()) or 1.0
    _heat_map(ax, values, DIVERGING, -limit, limit, title)
    ax.set(xlabel="column", ylabel="row")
    form = _decimals(values)
    return describe(
        ax,
        f"Heat map of a {values.shape[0]} × {values.shape[1]} block, {title}: entries from "
        f"{values.min():{form}} to {values.max():{form}} with standard deviation "
        f"{values.std():{form}}.",
    )


def crossing(
    A: Float[Tensor, "m m"],
    first: tuple[int, int],
    second: tuple[int, int],
    ax: Axes | None = None,
) -> Axes:
    """The two entries of a block, C[a, b′] and C[a′, b], that two cells (a, b), (a′, b′) meet."""
    ax = block(A, ax=ax, title=f"{first} and {second}")
    places = {"C[a, b′]": (first[0], second[1]), "C[a′, b]": (second[0], first[1])}
    values = [float(A[place]) for place in places.values()]
    same = abs(values[0] - values[1]) <= 1e-6 * float(A.abs().max())
    for name, (row, column) in places.items():
        ax.plot(column, row, "s", markersize=15, fillstyle="none", color="#000000", mew=2)
        card = {"boxstyle": "round,pad=0.15", "facecolor": "#fcfcfa", "edgecolor": "none"}
        ax.annotate(
            name, (column, row), (0, 14), textcoords="offset points", ha="center", bbox=card
        )
    ax.set(xlabel="b", ylabel="a")
    return describe(
        ax,
        f"A block in which the cells {first} and {second} meet two entries, {values[0]:.2f} and "
        f"{values[1]:.2f}: they {'coincide' if same else 'differ'}.",
    )


def spectrum(
    energy: Float[Tensor, " frequencies"], ax: Axes | None = None, title: str = "spectrum"
) -> Axes:
    """Share of a block's energy at each frequency, as bars. The shares sum to 1."""
    values = _array("energy", energy, 1)
    if values.min() < 0 or abs(values.sum() - 1) > 1e-3:
        raise ValueError(
            f"energy must be shares, none below 0 and 1 in total, got {values.min():.3g} to "
            f"{values.max():.3g} and {values.sum():.3g} in total; energy / energy.sum() makes "
            f"shares of energies"
        )
    ax = ax or plt.gca()
    ax.bar(np.arange(len(values)), values, color=LINES["test"][0], width=0.8)
    ax.set(xlabel="frequency", ylabel="share of energy")
    ax.set_title(title, loc="left")
    order = np.argsort(values)[::-1]
    top = ", ".join(f"{index} ({values[index]:.2f})" for index in order[:3])
    needed = int(np.searchsorted(np.cumsum(values[order]) / values.sum(), 0.9 - 1e-6)) + 1
    return describe(
        ax,
        f"Bar chart of the energy at {len(values)} frequencies, {title}: the strongest are {top}; "
        f"{needed} {'frequency carries' if needed == 1 else 'frequencies carry'} 90 % of the "
        f"energy.",
    )


def phase(
    values: Any,
    *,
    row_labels: Sequence[object] | None = None,
    column_labels: Sequence[object] | None = None,
    row_name: str | None = None,
    column_name: str | None = None,
    value_name: str = "values",
    ax: Axes | None = None,
) -> Axes:
    """A grid of runs as a heat map, one cell a run; NaN (it never happened) is hatched.

    Parameters
    ----------
    values : (rows, columns), or a data frame such as that of `store.jump_table`, which brings
        labels and names of its rows and columns along
    row_labels, column_labels : one for each row and column; by default those of the data frame,
        else numbers from 0 on
    row_name, column_name, value_name : what they are
    """
    if hasattr(values, "columns"):
        row_labels = values.index if row_labels is None else row_labels
        column_labels = values.columns if column_labels is None else column_labels
        row_name, column_name = row_name or values.index.name, column_name or values.columns.name
    table = _array("values", values, 2, gaps=True)
    table[np.isinf(table)] = np.nan
    row_labels = range(table.shape[0]) if row_labels is None else row_labels
    column_labels = range(table.shape[1]) if column_labels is None else column_labels
    if (len(row_labels), len(column_labels)) != table.shape:
        raise ValueError(
            f"row_labels and column_labels must be one for each of {table.shape[0]} rows and "
            f"{table.shape[1]} columns, got {len(row_labels)} and {len(column_labels)}"
        )
    row_name, column_name = row_name or "row", column_name or "column"
    ax = ax or plt.gca()
    ax.set_facecolor("#dddddd")
    ax.patch.set_hatch("///")
    ax.patch.set_edgecolor("#999999")
    finite = table[np.isfinite(table)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    ax.imshow(table, cmap=SEQUENTIAL, aspect="auto", origin="lower", vmin=low, vmax=high)
    for row, column in np.argwhere(np.isfinite(table)):
        number = table[row, column]
        dark = number <= low + 0.55 * (high - low)
        ink = "#ffffff" if dark else "#111111"
        ax.text(column, row, f"{number:.3g}", ha="center", va="center", color=ink, fontsize=9)
    ax.set_xticks(range(len(column_labels)), [str(label) for label in column_labels])
    ax.set_yticks(range(len(row_labels)), [str(label) for label in row_labels])
    ax.set(xlabel=column_name, ylabel=row_name)
    ax.set_title(value_name, loc="left")
    missing = table.size - len(finite)
    span = f"values from {low:.3g} to {high:.3g}; " if len(finite) else ""
    return describe(
        ax,
        f"Grid of {value_name} over {row_name} (rows) and {column_name} (columns): {span}in "
        f"{missing} of {table.size} cells it never happened.",
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
    if not isinstance(curves, Mapping):
        raise TypeError(f"curves must be a dict of names and runs, got {type(curves).__name__}")
    if not 1 <= len(curves) <= len(CURVES):
        raise ValueError(f"curves must be 1 to {len(CURVES)} to be told apart, got {len(curves)}")
    arrays = {
        name: _array(f"curves[{name!r}]", runs, 2, gaps=True) for name, runs in curves.items()
    }
    ax = ax or plt.gca()
    parts = []
    for (name, values), (colour, style, marker) in zip(arrays.items(), CURVES, strict=False):
        steps = np.flatnonzero(~np.isnan(values).any(axis=0))
        values = values[:, steps]
        low, middle, high = values.min(axis=0), np.median(values, axis=0), values.max(axis=0)
        ax.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(
            steps, middle, color=colour, linestyle=style, marker=marker, markersize=4, label=name
        )
        runs = f"{len(values)} runs" if len(values) > 1 else "one run"
        text = f"{name}, {runs}, {_path(steps, middle, 2)}"
        if len(steps) and len(values) > 1:
            text += f" (runs end between {low[-1]:.2f} and {high[-1]:.2f})"
        parts.append(text)
    ax.set(xlabel="iteration", ylabel=quantity)
    _legend_below(ax)
    return describe(
        ax, f"Line plot of the median {quantity} over runs, with its range: {'; '.join(parts)}."
    )


def _array(name: str, values: Any, dimensions: int, gaps: bool = False) -> np.ndarray:
    """Real numbers from wherever they come, a copy; nan and infinity only if `gaps` are allowed."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    array = np.asarray(values)
    kind = "one row" if dimensions == 1 else "a matrix"
    if array.dtype.kind not in "biuf" or array.ndim != dimensions or array.size == 0:
        raise ValueError(
            f"{name} must be {kind} of real numbers, at least one, got shape {array.shape} of "
            f"{array.dtype}"
        )
    array = array.astype(float)
    if not gaps and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(f"{name} must be finite, got nan or infinity in {bad} entries")
    return array


def _line(ax: Axes, x: np.ndarray, y: np.ndarray, name: str, label: str = "") -> None:
    colour, style, marker, default = LINES[name]
    ax.plot(
        x, y, color=colour, linestyle=style, marker=marker, markersize=4, label=label or default
    )


def _legend_below(ax: Axes) -> None:
    """Beside the axes, long names would leave them no room in a panel."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=3.4, frameon=False)


def _show_unit_interval(ax: Axes) -> None:
    """All that lies from 0 to 1, and all that is drawn."""
    low, high = ax.get_ylim()
    ax.set_ylim(min(-0.05, low), max(1.08, high))


def _heat_map(ax: Axes, values: np.ndarray, colours: str, low: float, high: float, title: str):
    ax.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    ax.set_title(title, loc="left")
    for side in ("top", "right"):
        ax.spines[side].set_visible(True)


def _decimals(values: np.ndarray, digits: int = 3) -> str:
    """How to write them: with so many decimals, unless all that is there would read as 0."""
    largest = np.abs(values).max()
    return f".{digits}f" if largest == 0 or largest >= 10**-digits else ".1e"


def _path(x: np.ndarray, y: np.ndarray, digits: int) -> str:
    """In words: where a curve starts and ends, and where it covers the middle of its way."""
    x, y = x[~np.isnan(y)], y[~np.isnan(y)]
    if len(y) == 0:
        return "has no value"
    start, end = y[0], y[-1]
    if len(y) == 1:
        return f"is {end:.{digits}f} at iteration {x[0]:g}"
    text = f"goes from {start:.{digits}f} to {end:.{digits}f}"
    if 0.5 < abs(end - start) < math.inf:
        middle = (start + end) / 2
        crossing = next(i for i, v in enumerate(y) if (v >= middle) == (end >= middle))
        text += f", half of the way by iteration {x[crossing]:g}"
    return text
