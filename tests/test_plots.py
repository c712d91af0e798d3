"""Figures: each panel takes and returns an Axes and says in words, from its data, what it shows."""

from collections.abc import Callable
from io import BytesIO

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

from rfm_tutorial import ModularTask, plots

mpl.use("agg")

HISTORY = [
    {"iteration": i, "train_accuracy": 1.0, "test_accuracy": a, "train_loss": 0.0, "test_loss": b}
    for i, (a, b) in enumerate(
        zip([0.0, 0.0, 0.25, 1.0], [0.018, 0.018, 0.015, 0.009], strict=True)
    )
]
TASK = ModularTask("add", 5)
M = torch.eye(6) + 0.1
RUNS = torch.tensor([[0.0, 0.1, 0.7], [0.1, 0.1, 0.9], [0.2, 0.3, 1.0]])
PHASE = torch.tensor([[12.0, 8.0], [float("nan"), 20.0]])

PANELS: dict[str, tuple[Callable[[Axes], Axes], tuple[str, ...]]] = {
    "table": (
        lambda ax: plots.table(TASK.pairs[:10], TASK.labels[:10], 5, ax=ax),
        ("5 × 5", "10 cells", "40%"),
    ),
    "accuracy": (
        lambda ax: plots.grokking_curves(HISTORY, "accuracy", ax=ax),
        ("training accuracy is 1.000 throughout", "from 0.000 to 1.000", "by iteration 3"),
    ),
    "loss": (
        lambda ax: plots.grokking_curves(HISTORY, "loss", ax=ax),
        ("test loss goes from 0.0180 to 0.0090",),
    ),
    "measures": (
        lambda ax: plots.progress_measures(
            [0, 1, 2],
            deviation=[0.9, 0.4, 0.1],
            alignment=[0.7, 0.8, 1.0],
            test_accuracy=[0.0, 0.0, 1.0],
            ax=ax,
        ),
        ("circulant deviation goes from 0.90 to 0.10", "half of the way by iteration 1"),
    ),
    "feature matrix": (
        lambda ax: plots.feature_matrix(M, ax=ax, title="a test", modulus=3),
        ("6 × 6 feature matrix, a test", "averages 1.10", "0.100 in the block"),
    ),
    "feature matrix of other data": (
        lambda ax: plots.feature_matrix(-M, ax=ax),
        ("averages -1.10; the largest entry off the diagonal is 0.100 in size.",),
    ),
    "block": (
        lambda ax: plots.block(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), ax=ax),
        ("2 × 2 block", "from 0.000 to 3.000"),
    ),
    "crossing of equal entries": (
        lambda ax: plots.crossing(torch.tensor([[0.0, 1.0], [1.0, 3.0]]), (0, 0), (1, 1), ax=ax),
        ("the cells (0, 0) and (1, 1)", "1.00 and 1.00", "coincide"),
    ),
    "crossing": (
        lambda ax: plots.crossing(torch.tensor([[0.0, 1.0], [2.0, 3.0]]), (0, 0), (1, 1), ax=ax),
        ("1.00 and 2.00", "they differ"),
    ),
    "spectrum": (
        lambda ax: plots.spectrum(torch.tensor([0.0, 0.7, 0.1, 0.2]), ax=ax),
        ("4 frequencies", "1 (0.70), 3 (0.20), 2 (0.10)", "2 frequencies carry 90 %"),
    ),
    "phase": (
        lambda ax: plots.phase(
            PHASE,
            row_labels=[31, 61],
            column_labels=["30 %", "50 %"],
            row_name="modulus",
            column_name="fraction",
            value_name="iteration of the jump",
            ax=ax,
        ),
        ("from 8 to 20", "in 1 of 4 cells it never happened", "modulus (rows)"),
    ),
    "bands": (
        lambda ax: plots.bands({"30 %": RUNS, "50 %": 0.5 * RUNS[:2]}, "test accuracy", ax=ax),
        ("30 %, 3 runs, goes from 0.10 to 0.90", "by iteration 2", "between 0.35 and 0.45"),
    ),
}


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_returns_its_axes_and_says_what_it_shows(name: str) -> None:
    draw, words = PANELS[name]
    (ax,) = plots.panels()
    assert draw(ax) is ax
    sentence = plots.alt_text(ax.figure)
    assert len(sentence.split()) >= 8
    assert sentence.endswith(".")
    for word in words:
        assert word in sentence
    plt.close("all")


@pytest.mark.parametrize("name", PANELS)
def test_text_stands_out_from_the_card_it_is_on(name: str) -> None:
    draw, _ = PANELS[name]
    (ax,) = plots.panels()
    draw(ax)
    card = luminance(ax.figure.get_facecolor())
    assert ax.figure.get_facecolor()[3] == 1, "a see-through card would depend on the page"
    texts = [ax.xaxis.label, ax.yaxis.label, ax.title, *ax.get_xticklabels()]
    for text in texts:
        contrast = (card + 0.05) / (luminance(mpl.colors.to_rgba(text.get_color())) + 0.05)
        assert contrast >= 4.5, text.get_text()
    plt.close("all")


def luminance(rgba: tuple[float, ...]) -> float:
    """Relative luminance as the web's accessibility guidelines define it."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgba[:3]]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_show_displays_a_picture_with_its_text_and_closes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    displayed = []
    monkeypatch.setattr(plots, "display", lambda data, **options: displayed.append((data, options)))
    axes = plots.panels(2)
    for ax in axes:
        plots.feature_matrix(M, ax=ax)
    plots.show(*axes)
    assert len(displayed) == 2
    for data, options in displayed:
        text = data["text/plain"]
        assert text.startswith("Heat map of a 6 × 6 feature matrix")
        assert options["metadata"]["image/png"]["alt"] == text
        assert data["image/png"].startswith(b"\x89PNG")
    assert plt.get_fignums() == []


def test_show_refuses_a_figure_that_says_nothing() -> None:
    (ax,) = plots.panels()
    with pytest.raises(ValueError, match="eight words"):
        plots.show(ax)
    plots.describe(ax, "Too short.")
    with pytest.raises(ValueError, match=r"Too short\."):
        plots.show(ax)
    plt.close("all")


def test_a_style_of_the_book_does_not_leak_into_other_figures() -> None:
    before = dict(mpl.rcParams)
    plots.panels(2)
    assert dict(mpl.rcParams) == before
    plt.close("all")


def test_an_unknown_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="'accuracy' or 'loss', got 'error'"):
        plots.grokking_curves(HISTORY, "error")


# Odd, but honest: what is drawn and said is true all the same.

NAN, INF = float("nan"), float("inf")


def records(count: int, **more: list) -> list[dict[str, float]]:
    plain = [{"iteration": i, "train_accuracy": 1.0, "train_loss": 0.0} for i in range(count)]
    return [record | {k: v[i] for k, v in more.items()} for i, record in enumerate(plain)]


def measures(*rows: object) -> dict:
    return dict(zip(("deviation", "alignment", "test_accuracy"), rows, strict=True))


ODD: dict[str, tuple[Callable[[Axes], Axes], str]] = {
    "no validation": (
        lambda ax: plots.grokking_curves(records(3), ax=ax),
        "Line plot over 3 iterations: training accuracy is 1.000 throughout.",
    ),
    "no validation, loss": (
        lambda ax: plots.grokking_curves(records(3), "loss", ax=ax),
        "Line plot over 3 iterations: training loss goes from 0.0000 to 0.0000.",
    ),
    "one step": (
        lambda ax: plots.grokking_curves(records(1, test_loss=[0.5]), "loss", ax=ax),
        "Line plot over one iteration: training loss is 0.0000 at iteration 0; test loss is 0.5000 "
        "at iteration 0.",
    ),
    "no value": (
        lambda ax: plots.grokking_curves(records(2, test_accuracy=[None, NAN]), ax=ax),
        "Line plot over 2 iterations: training accuracy is 1.000 throughout.",
    ),
    "a gap": (
        lambda ax: plots.grokking_curves(records(3, test_accuracy=[None, 0.2, 0.9]), ax=ax),
        "throughout; test accuracy goes from 0.200 to 0.900, half of the way by iteration 2.",
    ),
    "a loss that runs away": (
        lambda ax: plots.grokking_curves(records(3, test_loss=[0.1, 1.0, INF]), "loss", ax=ax),
        "test loss goes from 0.1000 to inf.",
    ),
    "measures from iteration 1 on": (
        lambda ax: plots.progress_measures(
            [0, 1, 2], **measures([NAN, 0.5, 0.1], [0.7, 0.8, 1], [0, 0, 1]), ax=ax
        ),
        "circulant deviation goes from 0.50 to 0.10; alignment",
    ),
    "no measure": (
        lambda ax: plots.progress_measures([0], **measures([NAN], [1.0], [0.0]), ax=ax),
        "circulant deviation has no value; alignment with the last matrix is 1.00 at iteration 0",
    ),
    "a matrix of zeros": (
        lambda ax: plots.feature_matrix(torch.zeros(3, 3), ax=ax),
        "the diagonal averages 0.00; the largest entry off the diagonal is 0.000 in size.",
    ),
    "one input": (
        lambda ax: plots.feature_matrix(torch.eye(1), ax=ax),
        "1 × 1 feature matrix, feature matrix: the diagonal averages 1.00.",
    ),
    "two digits and a task": (
        lambda ax: plots.feature_matrix(torch.eye(8) + 0.1, ax=ax, modulus=3),
        "8 × 8 feature matrix, feature matrix: the diagonal averages 1.10; the largest entry off "
        "the diagonal is 0.100 in size, and 0.100 in the block that joins digit a to digit b.",
    ),
    "tiny entries": (
        lambda ax: plots.feature_matrix(1e-9 * (torch.ones(3, 3) + torch.eye(3)), ax=ax),
        "the diagonal averages 2.0e-09; the largest entry off the diagonal is 1.0e-09 in size.",
    ),
    "half precision": (
        lambda ax: plots.block(torch.ones(2, 2, dtype=torch.bfloat16), ax=ax),
        "entries from 1.000 to 1.000 with standard deviation 0.000.",
    ),
    "a block that is not square": (
        lambda ax: plots.block(torch.tensor([[0.0, -1.0, 1.0]]), ax=ax),
        "Heat map of a 1 × 3 block, block: entries from -1.000 to 1.000",
    ),
    "with a gradient": (
        lambda ax: plots.spectrum(torch.ones(1, requires_grad=True), ax=ax),
        "the strongest are 0 (1.00); 1 frequency carries 90 % of the energy.",
    ),
    "it never happened": (
        lambda ax: plots.phase(torch.full((2, 2), NAN), ax=ax),
        "Grid of values over row (rows) and column (columns): in 4 of 4 cells it never happened.",
    ),
    "infinity is never, too": (
        lambda ax: plots.phase(torch.tensor([[1.0, INF]]), ax=ax),
        "values from 1 to 1; in 1 of 2 cells it never happened.",
    ),
    "one run": (
        lambda ax: plots.bands({"a": RUNS[:1]}, ax=ax),
        "a, one run, goes from 0.00 to 0.70, half of the way by iteration 2.",
    ),
    "runs without a common step": (
        lambda ax: plots.bands({"a": RUNS * NAN}, ax=ax),
        "a, 3 runs, has no value.",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_data_are_drawn_and_described_as_they_are(name: str) -> None:
    draw, words = ODD[name]
    (ax,) = plots.panels()
    draw(ax)
    assert words in plots.alt_text(ax.figure)
    ax.figure.savefig(BytesIO())  # a warning would be an error here
    plt.close("all")


@pytest.mark.usefixtures("no_type_checks")
def test_arrays_and_lists_are_drawn_like_tensors() -> None:
    for draw, values in ((plots.feature_matrix, M), (plots.block, M), (plots.phase, PHASE)):
        sentences = set()
        for same in (values, values.numpy(), values.tolist(), values.clone().requires_grad_()):
            (ax,) = plots.panels()
            sentences.add(plots.alt_text(draw(same, ax=ax).figure))
        assert len(sentences) == 1
    plt.close("all")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.grokking_curves([]), r"history must be records with iteration and .* \[\]"),
        (lambda: plots.grokking_curves(records(2) * 2), "one run, its iterations rising, got"),
        (
            lambda: plots.grokking_curves([{"iteration": 0, "train_loss": 1.0}]),
            "iteration and train_accuracy, as in RFM.history_, got .*train_loss",
        ),
        (
            lambda: plots.progress_measures([0, 1], **measures([1], [1, 1], [0, 0])),
            "deviation must have a value for each of 2 iterations, got 1",
        ),
        (
            lambda: plots.progress_measures([], **measures([], [], [])),
            r"iterations must be one row of real numbers, at least one, got shape \(0,\)",
        ),
        (lambda: plots.feature_matrix(torch.ones(2, 3)), r"M must be square, got shape \(2, 3\)"),
        (lambda: plots.feature_matrix(M * NAN), "M must be finite, got nan .* in 36 entries"),
        (lambda: plots.feature_matrix(M, modulus=4), "modulus must be at most 3, half the rows"),
        (lambda: plots.block(torch.ones(0, 3)), "A must be a matrix of real numbers, at least one"),
        (lambda: plots.block(1j * M), "A must be a matrix of real numbers.* got .* complex"),
        (lambda: plots.spectrum(torch.tensor([3.0, 4.0])), "energy must be shares.* 7 in total"),
        (lambda: plots.spectrum(torch.tensor([-1.0, 2.0])), "energy must be shares.* got -1 to 2"),
        (lambda: plots.spectrum(torch.zeros(3)), "energy must be shares, .* 0 in total"),
        (
            lambda: plots.phase(torch.ones(2, 3), row_labels=[1]),
            "must be one for each of 2 rows and 3 columns, got 1 and 3",
        ),
        (lambda: plots.phase([["a"]]), "values must be a matrix of real numbers.* got .* <U1"),
        (lambda: plots.bands(RUNS), "curves must be a dict of names and runs, got Tensor"),
        (
            lambda: plots.bands({"a": RUNS[0]}),
            r"curves\['a'\] must be a matrix .* shape \(3,\)",
        ),
        (
            lambda: plots.table(TASK.pairs, TASK.labels, 4),
            "pairs must be digits in 0 … 3, got 0 to 4",
        ),
        (
            lambda: plots.table(TASK.pairs - 1, TASK.labels, 5),
            "pairs must be digits in 0 … 4, got -1 to 3",
        ),
        (
            lambda: plots.table(TASK.pairs, TASK.labels[:1], 5),
            r"two digits for each of the 1 labels, got shape \(25, 2\)",
        ),
        (
            lambda: plots.table(TASK.pairs[[0, 0]], TASK.labels[:2], 5),
            "pairs must be different, got 2 pairs for 1 cells",
        ),
        (lambda: plots.table(TASK.pairs, TASK.labels, 5.0), "modulus must be an integer ≥ 1"),
        (lambda: plots.panels(0), "count must be an integer ≥ 1, got 0"),
        (lambda: plots.panels(1, width=0), "width must be a positive number, got 0"),
        (lambda: plots.describe(plots.panels()[0], None), "sentence must be a str, got NoneType"),
        (
            lambda: plots.show(plots.panels(2)),
            r"axes must be panels, .*right\), got \[",
        ),
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_what_cannot_be_drawn_is_refused_and_leaves_no_figure(
    draw: Callable[[], object], message: str
) -> None:
    plt.close("all")
    with pytest.raises((TypeError, ValueError), match=message):
        draw()
    # Only those that the test itself has made.
    assert all(not plt.figure(number).axes[0].has_data() for number in plt.get_fignums())
    plt.close("all")


def test_digits_are_marked_only_where_there_are_digits() -> None:
    left, right = plots.panels(2)
    plots.feature_matrix(M, ax=left)
    plots.feature_matrix(M, ax=right, modulus=3)
    assert "digit a" not in [label.get_text() for label in left.get_xticklabels()]
    assert [label.get_text() for label in right.get_xticklabels()] == ["digit a", "digit b"]
    assert (len(left.lines), len(right.lines)) == (0, 2)
    plt.close("all")


def test_what_lies_outside_of_0_and_1_is_seen() -> None:
    left, right = plots.panels(2)
    plots.grokking_curves(records(3, test_accuracy=[0.0, 50.0, 100.0]), ax=left)
    rows = measures([1.8, 0.4, 0.1], [-0.6, 0.8, 1.0], [0.0, 0.0, 1.0])
    plots.progress_measures([0, 1, 2], **rows, ax=right)
    assert left.get_ylim()[1] > 100
    low, high = right.get_ylim()
    assert low < -0.6
    assert high > 1.8
    plt.close("all")


def test_a_legend_leaves_room_for_the_curves() -> None:
    left, right = plots.panels(2)
    plots.progress_measures([0, 1], **measures([0.9, 0.1], [0.7, 1.0], [0.0, 1.0]), ax=left)
    plots.bands({f"a rather long name, number {i}": RUNS for i in range(5)}, ax=right)
    for ax in (left, right):
        ax.figure.canvas.draw()
        assert ax.get_position().width > 0.6
        assert ax.get_position().height > 0.4
    plt.close("all")


def test_numbers_stand_out_from_cells_that_are_all_equal() -> None:
    (ax,) = plots.panels()
    plots.phase(torch.full((1, 2), 3.0), ax=ax)
    (image,) = ax.images
    cell = luminance(image.cmap(image.norm(3.0)))
    for text in ax.texts:
        ink = luminance(mpl.colors.to_rgba(text.get_color()))
        assert (max(cell, ink) + 0.05) / (min(cell, ink) + 0.05) >= 4.5
    plt.close("all")


def test_panels_of_one_figure_are_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed = []
    monkeypatch.setattr(plots, "display", lambda data, **_: displayed.append(data["text/plain"]))
    figure, axes = plt.subplots(1, 2)
    for ax in axes:
        plots.block(M, ax=ax)
    text = plots.alt_text(figure)
    plots.show(*axes)
    assert displayed == [text]
    assert text.count("Heat map") == 2


def test_bands_leave_out_steps_without_a_value_and_refuse_too_many_curves() -> None:
    (ax,) = plots.panels()
    runs = torch.tensor([[float("nan"), 0.9, 0.5], [float("nan"), 0.7, 0.1]])
    plots.bands({"add": runs}, "circulant deviation", ax=ax)
    assert ax.lines[0].get_xydata().tolist() == pytest.approx(np.array([[1, 0.8], [2, 0.3]]))
    with pytest.raises(ValueError, match="1 to 5 to be told apart, got 6"):
        plots.bands({str(number): runs for number in range(6)})
    plt.close("all")
