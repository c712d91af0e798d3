"""The explorables that compute in the page: their numbers are the package's, their controls work.

The scripts run in Chromium, as readers run them. First the arithmetic of numerics.js, function by
function, against the package or scipy; then each explorable, moved by mouse and by keyboard.
"""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
import traitlets
from ipywidgets.embed import dependency_state
from playwright.sync_api import Browser, Error, Locator, Page
from website import ROOT

from rfm_tutorial import RFM, GaussianKernel, KernelRidge, ModularTask, accuracy, predictor_agop
from rfm_tutorial.circulant import (
    GROUP_OPERATIONS,
    block_features,
    circulant_block,
    circulant_deviation,
    circulant_matrix,
    discrete_log_order,
    random_block_features,
    random_circulant_features,
)
from rfm_tutorial.explorables import in_page, paint, rfm_in_page
from rfm_tutorial.explorables.base import HERE, Explorable
from rfm_tutorial.explorables.fourier_clocks import FourierClocks
from rfm_tutorial.explorables.paint import PaintCirculant
from rfm_tutorial.explorables.rfm_in_page import RFMInPage
from rfm_tutorial.explorables.wording import listing, rounded
from rfm_tutorial.fourier import fourier_multiplication
from rfm_tutorial.linalg import SingularKernelError, psd_power, solve_positive_definite

pytestmark = pytest.mark.browser

# ---- numerics.js ----

PLAIN = """
const plain = value => ArrayBuffer.isView(value) || Array.isArray(value) ? Array.from(value, plain)
  : value && typeof value === "object"
    ? Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plain(part)]))
    : value;
"""

Compute = Callable[..., Any]


@pytest.fixture(scope="module")
def js(browser: Browser) -> Iterator[Compute]:
    """Call a function of the scripts: js("(n, seed) => randomPermutation(n, seed)", 5, 0)."""
    page = browser.new_page()
    for name in ("common", "numerics"):
        page.add_script_tag(content=(HERE / f"{name}.js").read_text(encoding="utf-8"))
    page.add_script_tag(content=PLAIN)

    def call(function: str, *arguments: object) -> Any:
        return page.evaluate(f"parts => plain(({function})(...parts))", list(arguments))

    yield call
    page.close()


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def matrix(numbers: list[float], rows: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64).view(rows, -1)


def gap(got: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, relative to the largest expected number."""
    assert got.shape == expected.shape
    return float((got - expected).abs().max() / expected.abs().max())


def test_permutations_are_those_of_torch(js: Compute) -> None:
    cases = [(n, seed) for n in (1, 2, 6, 9, 42, 506, 529) for seed in (0, 1, 50, 2**32 - 1)]
    got = js("cases => cases.map(([n, seed]) => randomPermutation(n, seed))", cases)
    for (n, seed), order in zip(cases, got, strict=True):
        assert order == torch.randperm(n, generator=generator(seed)).tolist()


def test_normal_numbers_are_those_of_torch(js: Compute) -> None:
    # Below 16 torch draws in one way, from 16 on in another, and at no multiple of 16 in a third.
    cases = [(n, seed) for n in (*range(1, 34), 484, 529) for seed in (0, 7)]
    got = js("cases => cases.map(([n, seed]) => randomNormals(n, seed))", cases)
    for (n, seed), numbers in zip(cases, got, strict=True):
        expected = torch.randn(n, dtype=torch.float64, generator=generator(seed))
        assert numbers == pytest.approx(expected.tolist(), abs=1e-12)


@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_splits_are_those_of_the_package(js: Compute, operation: str) -> None:
    cases = [(p, f, seed) for p in (3, 7, 23) for f in (0.2, 0.35, 0.7, 0.99) for seed in (0, 11)]
    source = "(operation, cases) => cases.map(([p, f, seed]) => splitTable(operation, p, f, seed))"
    for (p, fraction, seed), got in zip(cases, js(source, operation, cases), strict=True):
        split = ModularTask(operation, p).split(fraction, seed)
        for part, pairs, labels in (
            (got["train"], split.pairs_train, split.y_train),
            (got["test"], split.pairs_test, split.y_test),
        ):
            assert part["n"] == len(labels)
            assert [part["a"], part["b"]] == pairs.T.tolist()
            assert part["labels"] == labels.tolist()


@pytest.mark.parametrize("fraction", [0.1, 1.0])
def test_a_split_with_an_empty_part_is_refused(js: Compute, fraction: float) -> None:
    with pytest.raises(ValueError, match="train_fraction"):
        ModularTask("add", 3).split(fraction)
    with pytest.raises(Error, match=f"leaves a part empty, got {fraction:g} of 9 pairs"):
        js("fraction => splitTable('add', 3, fraction, 0)", fraction)


def test_discrete_logarithms(js: Compute) -> None:
    for p in (2, 3, 5, 7, 23, 61):
        assert js("p => discreteLogOrder(p)", p) == discrete_log_order(p).tolist()


SOLVE = """(A, n, B, c, ridge) => {
  try { return choleskySolve(cholesky(A, n, ridge), B, n, c); }
  catch (error) { return [error instanceof SingularKernelError, error.message]; }
}"""


@pytest.mark.parametrize(("n", "c", "ridge"), [(1, 1, 0.0), (4, 3, 0.5), (46, 23, 0.0)])
def test_solve(js: Compute, n: int, c: int, ridge: float) -> None:
    rng = np.random.default_rng(n)
    A, B = rng.normal(size=(n, n + 5)), rng.normal(size=(n, c))
    A = A @ A.T
    got = js(SOLVE, A.ravel().tolist(), n, B.ravel().tolist(), c, ridge)
    expected = scipy.linalg.solve(A + ridge * np.eye(n), B)
    assert np.reshape(got, (n, c)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("factor", "row"), [([[1.0], [1.0]], 1), ([[0.0], [1.0]], 0)])
def test_a_singular_system_is_an_error_and_a_ridge_cures_it(
    js: Compute, factor: list[list[float]], row: int
) -> None:
    A = (np.array(factor) @ np.array(factor).T).ravel().tolist()
    is_singular, message = js(SOLVE, A, 2, [1.0, 1.0], 1, 0)
    assert is_singular is True
    assert f"pivot of row {row}" in message
    expected = np.linalg.solve(np.reshape(A, (2, 2)) + np.eye(2), np.ones(2))
    assert js(SOLVE, A, 2, [1.0, 1.0], 1, 1) == pytest.approx(expected.tolist())


@pytest.mark.parametrize(("pivot", "is_singular"), [(20, True), (100, False)])
def test_a_pivot_of_rounding_size_is_singular_as_in_the_package(
    js: Compute, pivot: int, is_singular: bool
) -> None:
    A = torch.ones(2, 2, dtype=torch.float64)
    A[1, 1] += pivot * torch.finfo(A.dtype).eps
    got = js(SOLVE, A.reshape(-1).tolist(), 2, [1.0, 1.0], 1, 0)
    if is_singular:
        with pytest.raises(SingularKernelError):
            solve_positive_definite(A, torch.ones(2, 1).double())
        assert got[0] is True
    else:
        expected = solve_positive_definite(A, torch.ones(2, 1).double())
        assert got == pytest.approx(expected[:, 0].tolist())


def symmetric_matrices() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    A = rng.normal(size=(46, 46))
    circulant = scipy.linalg.circulant(rng.normal(size=11))
    return {
        "one number": np.array([[-2.0]]),
        "zero": np.zeros((4, 4)),
        "diagonal": np.diag([3.0, 1.0, 1.0, -2.0]),
        "two equal": np.array([[1.0, 1.0], [1.0, 1.0]]),
        "random": A + A.T,
        "low rank": A[:, :3] @ A[:, :3].T,
        "every eigenvalue twice": circulant + circulant.T,
        "tiny": 1e-12 * (A + A.T),
    }


@pytest.mark.parametrize("kind", symmetric_matrices())
def test_eigenvalues_and_eigenvectors(js: Compute, kind: str) -> None:
    A = symmetric_matrices()[kind]
    n, size = len(A), max(1e-300, np.abs(A).max())
    got = js("(A, n) => symmetricEigen(A, n)", A.ravel().tolist(), n)
    values, vectors = np.array(got["values"]), np.reshape(got["vectors"], (n, n))
    assert np.sort(values) / size == pytest.approx(scipy.linalg.eigvalsh(A) / size, abs=1e-12)
    assert vectors @ vectors.T == pytest.approx(np.eye(n), abs=1e-12)
    assert (vectors.T * values) @ vectors / size == pytest.approx(A / size, abs=1e-12)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_powers_of_psd_matrices(js: Compute, power: float) -> None:
    A = torch.randn(9, 9, dtype=torch.float64, generator=generator(3))
    for G in (A @ A.T, A[:, :2] @ A[:, :2].T, torch.zeros(9, 9, dtype=torch.float64)):
        got = js("(G, n, power) => psdPower(G, n, power)", G.reshape(-1).tolist(), 9, power)
        # The root of a rounding error of 1e-16 in an eigenvalue that is 0 is 1e-8.
        assert float((matrix(got, 9) - psd_power(G, power)).abs().max()) < 1e-6


def test_a_matrix_with_a_negative_eigenvalue_has_no_root(js: Compute) -> None:
    source = "G => psdPower(G, 2, 0.5)"
    with pytest.raises(Error, match="positive semidefinite"):
        js(source, [1.0, 0.0, 0.0, -1.0])
    assert js(source, [1.0, 0.0, 0.0, -1e-18]) == pytest.approx([1.0, 0.0, 0.0, 0.0])


MACHINE = """(operation, p, fraction, seed, M, bandwidth) => {
  const { train, test } = splitTable(operation, p, fraction, seed);
  const model = fitKernelRidge(train, Float64Array.from(M), p, bandwidth);
  const scores = predict(model, test);
  return {
    K: model.K, alpha: model.alpha, scores, agop: predictorAgop(model),
    accuracy: accuracy(scores, test.labels, p), loss: meanSquaredError(scores, test.labels, p),
  };
}"""


@pytest.mark.parametrize(
    ("operation", "p", "fraction", "bandwidth", "features"),
    [
        ("add", 3, 0.2, 2.5, "identity"),  # one training pair
        ("div", 3, 0.9, 2.5, "identity"),  # one test pair
        ("sub", 7, 0.6, 0.5, "identity"),
        ("add", 11, 0.3, 10.0, "circulant"),
        ("mul", 13, 0.7, 2.5, "circulant"),
        ("div", 17, 0.5, 2.5, "noise"),
        ("add", 23, 0.5, 2.5, "circulant"),
    ],
)
def test_kernel_machine_and_agop(
    js: Compute, operation: str, p: int, fraction: float, bandwidth: float, features: str
) -> None:
    M = {
        "identity": lambda *_: torch.eye(2 * p, dtype=torch.float64),
        "circulant": random_circulant_features,
        "noise": random_block_features,
    }[features](operation, p)
    got = js(MACHINE, operation, p, fraction, 2, M.reshape(-1).tolist(), bandwidth)
    split = ModularTask(operation, p).split(fraction, 2)
    kernel = GaussianKernel(bandwidth)
    model = KernelRidge(kernel).fit(split.X_train, split.Y_train, M)
    scores = model.predict(split.X_test)
    n = len(split.y_train)
    assert gap(matrix(got["K"], n), kernel(split.X_train, split.X_train, M)) < 1e-12
    assert gap(matrix(got["alpha"], n), model.dual_coef_) < 1e-8
    assert gap(matrix(got["scores"], len(scores)), scores) < 1e-9
    expected = predictor_agop(model)
    if n > 1:  # the gradients of one row are their own mean: the AGOP is 0
        assert gap(matrix(got["agop"], 2 * p), expected) < 1e-8
    assert max(map(abs, got["agop"])) < 1e-12 if n == 1 else True
    assert got["accuracy"] == accuracy(scores, split.y_test)
    assert got["loss"] == pytest.approx(float((scores - split.Y_test).square().mean()), abs=1e-9)


@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_blocks_and_what_is_made_of_them(js: Compute, operation: str) -> None:
    source = """(operation, p, block) => {
      const M = blockFeatures(Float64Array.from(block), p, operation);
      const arranged = circulantBlock(M, p, operation);
      return { M, arranged, deviation: circulantDeviation(arranged) };
    }"""
    for p in (3, 7, 23):
        n = p - (operation in ("mul", "div"))
        row = torch.randn(n, dtype=torch.float64, generator=generator(p))
        noise = torch.randn(n, n, dtype=torch.float64, generator=generator(0))
        blocks = [circulant_matrix(row), circulant_matrix(torch.ones_like(row)), noise]
        for block in [*blocks, circulant_matrix(row) + 0.3 * noise]:
            got = js(source, operation, p, block.reshape(-1).tolist())
            M = block_features(block, operation)
            arranged = circulant_block(M, operation)
            assert gap(matrix(got["M"], 2 * p), M) < 1e-10
            assert gap(matrix(got["arranged"], n), arranged) < 1e-10
            assert got["deviation"] == pytest.approx(circulant_deviation(arranged), abs=1e-12)
    with pytest.raises(Error, match="must not be zero"):
        js("() => blockFeatures(new Float64Array(9), 3, 'add')")


def test_circulant_matrix_and_deviation_of_an_empty_block(js: Compute) -> None:
    row = [1.0, 2.0, 3.0, 5.0]
    assert matrix(js("row => circulantMatrix(row)", row), 4).equal(
        circulant_matrix(torch.tensor(row, dtype=torch.float64))
    )
    assert np.isnan(js("() => circulantDeviation(new Float64Array(9))"))


STEPS = """(operation, p, fraction, seed, bandwidth, last) => {
  const records = [];
  for (const record of rfmSteps(splitTable(operation, p, fraction, seed), operation, bandwidth)) {
    if (!record) continue;
    records.push(record);
    if (record.iteration === last) return records;
  }
}"""


@pytest.mark.parametrize(
    ("operation", "p", "fraction", "seed", "bandwidth", "last"),
    [
        ("add", 3, 0.5, 0, 2.5, 5),
        ("div", 3, 0.9, 1, 2.5, 5),
        ("mul", 7, 0.3, 4, 1.0, 10),
        ("sub", 11, 0.9, 2, 10.0, 20),
        ("add", 13, 0.7, 0, 2.5, 30),
        ("mul", 13, 0.7, 3, 2.5, 30),
        ("div", 17, 0.5, 1, 5.0, 15),
        ("add", 23, 0.7, 0, 2.5, 12),
    ],
)
def test_rfm_steps_agree_with_the_package(
    js: Compute, operation: str, p: int, fraction: float, seed: int, bandwidth: float, last: int
) -> None:
    records = js(STEPS, operation, p, fraction, seed, bandwidth, last)
    split = ModularTask(operation, p).split(fraction, seed)
    steps = RFM(GaussianKernel(bandwidth), last).iterate(split.X_train, split.Y_train)
    for record, step in zip(records, steps, strict=True):
        M = step.feature_matrix
        scores = step.predict(split.X_test)
        assert gap(matrix(record["featureMatrix"], 2 * p), M) < 1e-6
        assert record["trainAccuracy"] == accuracy(step.predict(split.X_train), split.y_train)
        assert record["testAccuracy"] == accuracy(scores, split.y_test)
        assert record["right"] == (scores.argmax(1) == split.y_test).tolist()
        loss = float((scores - split.Y_test).square().mean())
        assert record["testLoss"] == pytest.approx(loss, abs=1e-6)
        deviation = circulant_deviation(circulant_block(M, operation))
        assert record["deviation"] == pytest.approx(deviation, abs=1e-6, nan_ok=True)


def test_fourier_scores_agree_with_the_package(js: Compute) -> None:
    rng = random.Random(0)
    cases = []
    for p in [3, 4, 12, 13, 31, 60, 61] * 3:
        a, b = rng.randrange(p), rng.randrange(p)
        every = list(range(p // 2 + 1))
        cases.append((p, a, b, sorted(rng.sample(every, rng.randint(1, len(every))))))
    cases += [(p, 1, p - 1, list(range(p // 2 + 1))) for p in (3, 4, 61)]
    source = "cases => cases.map(([p, a, b, ks]) => fourierScores(p, (a + b) % p, ks))"
    for (p, a, b, frequencies), scores in zip(cases, js(source, cases), strict=True):
        expected = fourier_multiplication(torch.tensor([[a, b]]), p, frequencies=frequencies)
        assert scores == pytest.approx(expected[0].tolist(), abs=1e-12)


def test_numbers_in_words(js: Compute) -> None:
    numbers = (0.0625, 0.5, 12.5, 2 / 3, -1e-17, 0.0)
    cases = [(value, digits) for value in numbers for digits in (0, 1, 3)]
    got = js("cases => cases.map(([value, digits]) => rounded(value, digits))", cases)
    assert got == [rounded(value, digits) for value, digits in cases]
    for items in ([2], [2, 8], [2, 5, 8]):
        assert js("items => listing(items)", items) == listing(items)


# ---- The explorables, on a page without Python ----


class Shown:
    """An explorable in a bare page, with the website's own script to show it."""

    def __init__(self, browser: Browser, widget: Explorable, **options: Any) -> None:
        self.widget = widget
        self.faults: list[str] = []
        self.context = browser.new_context(**{"viewport": {"width": 1000, "height": 900}} | options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.set_content(self._html(), wait_until="load")
        self.root = self.page.locator(".rfm-explorable")
        self.root.wait_for()
        self.settle()

    def _html(self) -> str:
        mime = "application/vnd.jupyter.widget"
        models = dependency_state([self.widget], drop_defaults=False)
        state = json.dumps({"state": models}).replace("</", "<\\/")
        view = json.dumps({"model_id": self.widget.model_id})
        show = (ROOT / "book/_static/widgets.js").read_text(encoding="utf-8")
        return (
            f'<!doctype html><meta name="viewport" content="width=device-width"><body>'
            f'<script type="{mime}-state+json">{state}</script>'
            f'<script type="{mime}-view+json">{view}</script><script>{show}</script>'
        )

    def settle(self) -> None:
        """Wait until nothing is being computed."""
        self.page.wait_for_function(
            "() => document.querySelector('.rfm-explorable').ariaBusy !== 'true'"
        )

    def sentence(self) -> str:
        self.settle()
        return self.root.locator(".rfm-sentence").inner_text()

    def pictures(self) -> list[str]:
        """Everything that is drawn: canvases, clocks and bars."""
        self.settle()
        return self.root.evaluate(
            """root => [
              ...[...root.querySelectorAll("canvas")].map(canvas => canvas.toDataURL()),
              ...[...root.querySelectorAll(".rfm-clocks, .rfm-bars")].map(part => part.innerHTML),
            ]"""
        )

    def control(self, label: str) -> Locator:
        named = self.root.locator("label", has=self.page.get_by_text(label, exact=True))
        return named.locator("input, select")

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name)

    def number(self, name: str) -> float:
        self.settle()
        return float(str(self.root.get_attribute(f"data-{name}")))


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Shown]]:
    opened: list[Shown] = []

    def show(widget: Explorable, **options: Any) -> Shown:
        opened.append(Shown(browser, widget, **options))
        return opened[-1]

    yield show
    for page in opened:
        page.context.close()
        page.widget.close()
    assert not [fault for page in opened for fault in page.faults]


LABELS = {
    "hours p": "modulus",
    "digit a": "a",
    "digit b": "b",
    "operation": "operation",
    "modulus p": "modulus",
    "table to train on": "train_fraction",
    "seed of the split": "seed",
    "noise": "noise",
    "bandwidth L": "bandwidth",
    "updates": "step",
}


def move(page: Shown, label: str, value: Any) -> None:
    """Set a control, and the same in Python."""
    control = page.control(label)
    if control.evaluate("node => node.tagName") == "SELECT":
        control.select_option(index=options_of(label).index(value))
    else:
        control.fill(str(value))
    setattr(page.widget, LABELS[label], value)


def options_of(label: str) -> tuple:
    return {"operation": GROUP_OPERATIONS, "modulus p": in_page.MODULI}[label]


def click_slider(page: Shown, label: str, share: float) -> None:
    box = page.control(label).bounding_box()
    assert box is not None
    page.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


def press_slider(page: Shown, label: str, key: str) -> None:
    page.control(label).focus()
    page.page.keyboard.press(key)


def read(page: Shown, label: str) -> float:
    return float(page.control(label).input_value())


def check_slider(page: Shown, label: str, share: float = 0.85, key: str = "ArrowRight") -> None:
    """By mouse and by keyboard, pictures and sentence go to Python's state."""
    trait = LABELS[label]
    kind = type(getattr(page.widget, trait))
    for act in (lambda: click_slider(page, label, share), lambda: press_slider(page, label, key)):
        before, drawn = getattr(page.widget, trait), page.pictures()
        act()
        value = kind(read(page, label))
        assert value != before, label
        setattr(page.widget, trait, value)
        assert page.sentence() == page.widget.sentence, label
        assert page.pictures() != drawn, label


def check_choice(page: Shown, label: str) -> None:
    """A native list: the mouse opens the system's own menu, so only its result is chosen here."""
    for by_keyboard in (False, True):
        before, drawn = getattr(page.widget, LABELS[label]), page.pictures()
        options = options_of(label)
        if by_keyboard:
            press_slider(page, label, "Home" if before != options[0] else "End")
        else:
            page.control(label).select_option(index=(options.index(before) + 1) % len(options))
        value = options[int(page.control(label).evaluate("node => node.selectedIndex"))]
        assert value != before, label
        setattr(page.widget, LABELS[label], value)
        assert page.sentence() == page.widget.sentence, label
        assert page.pictures() != drawn, label


# Fourier clocks


def test_clocks_answer_to_every_control(open_page: Callable[..., Shown]) -> None:
    page = open_page(FourierClocks(13, 3, 5, [1, 4]))
    assert page.sentence() == page.widget.sentence
    for label in ("digit a", "digit b", "hours p"):
        check_slider(page, label)
    clock = page.root.get_by_role("checkbox", name="k = 3:")
    for act in (clock.click, lambda: (clock.focus(), page.page.keyboard.press("Space"))):
        drawn = page.pictures()
        act()
        page.widget.frequencies = sorted({3} ^ set(page.widget.frequencies))
        assert page.sentence() == page.widget.sentence
        assert page.pictures() != drawn
    for name, chosen in (("All on", range(page.widget.modulus // 2 + 1)), ("All off", ())):
        page.button(name).focus()
        page.page.keyboard.press("Enter")
        page.widget.frequencies = list(chosen)
        assert page.sentence() == page.widget.sentence


def test_clocks_agree_with_python_at_shuffled_states(open_page: Callable[..., Shown]) -> None:
    page = open_page(FourierClocks())
    rng = random.Random(1)
    for p in rng.sample(range(3, 62), 12):
        move(page, "hours p", p)
        for _ in range(2):
            move(page, "digit a", rng.randrange(p))
            move(page, "digit b", rng.randrange(p))
            k = rng.randrange(p // 2 + 1)
            page.root.get_by_role("checkbox", name=f"k = {k}:").set_checked(
                k not in page.widget.frequencies
            )
            page.widget.frequencies = sorted({k} ^ set(page.widget.frequencies))
            assert page.sentence() == page.widget.sentence
            scores = json.loads(str(page.root.get_attribute("data-scores")))
            assert scores == pytest.approx(page.widget.scores.tolist(), abs=1e-12)


def test_a_smaller_clock_keeps_what_it_has_room_for(open_page: Callable[..., Shown]) -> None:
    page = open_page(FourierClocks(31, 30, 20, [2, 15]))
    move(page, "hours p", 7)
    assert (page.widget.a, page.widget.b, page.widget.frequencies) == (6, 6, [2])
    assert page.sentence() == page.widget.sentence
    assert page.root.get_by_role("checkbox").count() == 4
    assert (read(page, "digit a"), read(page, "digit b")) == (6, 6)


def test_hands_turn_as_the_package_multiplies_phases(open_page: Callable[..., Shown]) -> None:
    page = open_page(FourierClocks(13, 3, 5, [4]))
    source = "hands => hands.map(hand => hand.getAttribute('transform').match(/[\\d.]+/)[0])"
    for name, digit in (("a", 3), ("b", 5), ("product", 8)):
        turns = page.root.locator(f".rfm-hand-{name}").evaluate_all(source)
        # F e_digit turns backwards, as the sign in the transform has it; a clock turns forwards.
        phases = np.fft.fft(np.eye(13)[digit])[:7]
        assert np.exp(-2j * np.pi * np.array(turns, float) / 360) == pytest.approx(phases, abs=1e-9)


# Paint a circulant


def test_painting_answers_to_every_control(open_page: Callable[..., Shown]) -> None:
    page = open_page(PaintCirculant("add", 11, noise=0.5))
    assert page.sentence() == page.widget.sentence
    for label in ("table to train on", "seed of the split", "noise"):
        check_slider(page, label)
    for label in ("operation", "modulus p"):
        check_choice(page, label)


def test_bars_are_drawn_with_the_mouse(open_page: Callable[..., Shown]) -> None:
    page = open_page(PaintCirculant("add", 11))
    bars = page.root.get_by_role("slider", name="bar ")
    first, last = bars.nth(2).bounding_box(), bars.nth(4).bounding_box()
    assert first is not None
    assert last is not None
    drawn = page.pictures()
    page.page.mouse.move(first["x"] + first["width"] / 2, first["y"] + 0.25 * first["height"])
    page.page.mouse.down()
    page.page.mouse.move(last["x"] + last["width"] / 2, last["y"] + 0.75 * last["height"])
    page.page.mouse.up()
    row = values_of(bars)
    assert row[2:5] == [1.5, 0.0, -1.5]  # a fast stroke leaves nothing out
    assert page.root.locator(".rfm-readout").inner_text() == "bar 4 stands at −1.50"
    page.widget.row = row
    assert page.sentence() == page.widget.sentence
    assert page.pictures() != drawn
    page.page.mouse.move(first["x"], first["y"])  # nothing is drawn with no button down
    assert values_of(bars) == row


def values_of(bars: Locator) -> list[float]:
    source = "bars => bars.map(bar => Number(bar.getAttribute('aria-valuenow')))"
    return bars.evaluate_all(source)


def test_bars_are_moved_with_the_keyboard(open_page: Callable[..., Shown]) -> None:
    page = open_page(PaintCirculant("add", 11, row=[0.0] * 11))
    assert page.sentence() == page.widget.sentence
    assert "there is no block" in page.widget.sentence
    bars = page.root.get_by_role("slider", name="bar ")
    page.button("Clear").focus()
    page.page.keyboard.press("Tab")
    expected = [0.0] * 11
    for keys, place, value in (
        (["ArrowUp", "ArrowUp", "ArrowDown"], 0, 0.25),
        (["ArrowRight", "End"], 1, 3.0),
        (["ArrowRight", "Home", "PageUp"], 2, -2.0),
        (["ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowDown"], 10, -0.25),
        (["ArrowRight", "ArrowRight", "Delete"], 1, 0.0),
    ):
        for key in keys:
            page.page.keyboard.press(key)
        expected[place] = value
        assert values_of(bars) == expected
        assert page.page.evaluate("document.activeElement.ariaLabel") == f"bar {place}"
        readout = page.root.locator(".rfm-readout").inner_text()
        assert readout == f"bar {place} stands at {value:.2f}".replace("-", "−")
        page.widget.row = expected[:]
        assert page.sentence() == page.widget.sentence


def test_shapes_and_random_rows(open_page: Callable[..., Shown]) -> None:
    page = open_page(PaintCirculant("mul", 13, row_seed=8))
    angle = 2 * torch.pi * torch.arange(12, dtype=torch.float64) / 12
    shapes = {
        "One bar": [2.0] + [0.0] * 11,
        "One wave": (2 * torch.cos(angle)).tolist(),
        "All equal": [1.0] * 12,
        "Clear": [0.0] * 12,
    }
    for name, row in shapes.items():
        page.button(name).click()
        page.widget.row = row
        assert page.sentence() == page.widget.sentence
    page.button("Random row").click()
    page.widget.row_seed = 9
    assert page.sentence() == page.widget.sentence
    M = random_circulant_features("mul", 13, seed=9)
    assert gap(page.widget.feature_matrix, M) < 1e-12


def test_painting_agrees_with_python_at_shuffled_states(open_page: Callable[..., Shown]) -> None:
    page = open_page(PaintCirculant("add", 11))
    rng = random.Random(2)
    states = [(o, p) for o in GROUP_OPERATIONS for p in (11, 13, 17, 23)]
    rng.shuffle(states)
    for operation, p in states:
        move(page, "operation", operation)
        move(page, "modulus p", p)
        move(page, "table to train on", rng.choice([0.3, 0.55, 0.8]))
        move(page, "seed of the split", rng.randrange(51))
        move(page, "noise", rng.choice([0.0, 0.3, 1.7]))
        page.button("Random row").click()
        page.widget.row_seed += 1
        assert page.sentence() == page.widget.sentence
        M = page.widget.feature_matrix
        deviation = circulant_deviation(circulant_block(M, operation))
        assert page.number("deviation") == pytest.approx(deviation, abs=1e-6)
        share = page.widget.right_answers(M) / len(page.widget.split.y_test)
        assert page.number("test-accuracy") == pytest.approx(share, abs=1e-6)


# RFM in the page


def test_the_run_answers_to_every_control(open_page: Callable[..., Shown]) -> None:
    page = open_page(RFMInPage("add", 11, 0.7, step=4))
    assert page.sentence() == page.widget.sentence
    for label in ("table to train on", "seed of the split", "bandwidth L", "updates"):
        check_slider(page, label)
    for label in ("operation", "modulus p"):
        check_choice(page, label)
    page.button("One update").focus()
    page.page.keyboard.press("Enter")
    page.widget.step += 1
    assert page.sentence() == page.widget.sentence
    page.button("Run 30 updates").click()
    page.widget.step = rfm_in_page.LAST
    assert page.sentence() == page.widget.sentence
    # Nothing is left to do: no button that could be pressed in vain.
    assert page.button("One update").is_disabled()
    page.button("Back to the start").click()
    page.widget.step = 0
    assert page.sentence() == page.widget.sentence
    assert page.button("One update").is_enabled()
    assert page.button("Run 30 updates").is_enabled()


def test_the_run_agrees_with_python_at_shuffled_states(open_page: Callable[..., Shown]) -> None:
    page = open_page(RFMInPage("add", 11))
    rng = random.Random(3)
    states = [(o, p) for o in GROUP_OPERATIONS for p in (11, 13)]
    rng.shuffle(states)
    for operation, p in states:
        move(page, "operation", operation)
        move(page, "modulus p", p)
        move(page, "table to train on", rng.choice([0.35, 0.6, 0.8]))
        move(page, "seed of the split", rng.randrange(51))
        move(page, "bandwidth L", rng.choice([1.0, 2.5, 6.0]))
        for step in rng.sample(range(31), 3):
            move(page, "updates", step)
            assert page.sentence() == page.widget.sentence


def test_a_run_at_the_largest_modulus_can_be_stopped(open_page: Callable[..., Shown]) -> None:
    page = open_page(RFMInPage("add", 23, 0.9))
    page.button("Run 30 updates").click()
    words = page.root.locator(".rfm-sentence")
    assert words.inner_text().startswith("Computing: ")
    assert words.get_attribute("aria-live") == "off"
    page.page.wait_for_function(
        "() => /^Computing: [1-9]/.test(document.querySelector('.rfm-sentence').textContent)"
    )
    page.button("Stop").click()
    stopped = page.sentence()
    done = int(read(page, "updates"))
    assert 1 <= done < rfm_in_page.LAST
    page.widget.step = done
    assert stopped == page.widget.sentence
    assert words.get_attribute("aria-live") == "polite"


def test_a_change_of_settings_puts_another_run_in_its_place(
    open_page: Callable[..., Shown],
) -> None:
    page = open_page(RFMInPage("add", 23, 0.9))
    page.button("Run 30 updates").click()
    page.widget.step = rfm_in_page.LAST
    for label, value in (("table to train on", 0.8), ("modulus p", 11), ("operation", "mul")):
        move(page, label, value)  # while the run before is going on
    assert page.sentence() == page.widget.sentence


# All three


WIDGETS = {
    "clocks": lambda: FourierClocks(61, 30, 50, [1, 9, 20]),
    "paint": lambda: PaintCirculant("sub", 23),
    "run": lambda: RFMInPage("add", 13, 0.7, step=10),
}


@pytest.mark.parametrize("name", WIDGETS)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen_in_both_themes(
    open_page: Callable[..., Shown], name: str, theme: str, width: int
) -> None:
    page = open_page(WIDGETS[name](), viewport={"width": width, "height": 844})
    drawn = page.pictures()
    page.page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    found = page.root.evaluate(
        """root => {
          const { right } = root.getBoundingClientRect();
          const shown = [...root.querySelectorAll("*")].filter(e => e.getClientRects().length);
          const canvases = [...root.querySelectorAll("canvas")];
          const page = document.documentElement;
          return {
            sideways: page.scrollWidth - page.clientWidth,
            cut: shown.filter(part => part.getBoundingClientRect().right > right + 1).length,
            blank: canvases.filter(canvas => canvas.width < 100).length,
            silent: canvases.filter(canvas => canvas.ariaLabel.split(" ").length < 4).length,
          };
        }"""
    )
    assert found == {"sideways": 0, "cut": 0, "blank": 0, "silent": 0}
    if theme == "dark":
        # Heat maps look the same in both themes; curves, bars and tables do not.
        page.page.wait_for_timeout(100)
        assert page.pictures() != drawn


@pytest.mark.parametrize(
    ("name", "label", "value", "changed"),
    [
        ("clocks", "digit a", 31, [True, True, True]),  # waves, scores, clocks
        ("paint", "noise", 0.5, [True, True, False]),  # block, table, bars
        ("paint", "seed of the split", 3, [False, True, False]),
        ("run", "updates", 11, [True, True, True]),  # curves, block, table
    ],
)
def test_every_picture_follows_the_state(
    open_page: Callable[..., Shown], name: str, label: str, value: float, changed: list[bool]
) -> None:
    page = open_page(WIDGETS[name]())
    before = page.pictures()
    move(page, label, value)
    pictures = zip(before, page.pictures(), strict=True)
    assert [old != new for old, new in pictures] == changed


@pytest.mark.parametrize("name", WIDGETS)
def test_leaving_the_page_takes_everything_along(
    open_page: Callable[..., Shown], name: str
) -> None:
    """JupyterLab calls what `render` returned when an output is cleared."""
    page = open_page(WIDGETS[name]())
    left = page.page.evaluate(
        """async ([script, state]) => {
          const listeners = {};
          let reads = 0;
          const all = event => (listeners[event] ??= []);
          const model = {
            get(name) { reads++; return state[name]; },
            set(name, value) {
              state[name] = value;
              for (const f of all(`change:${name}`)) f();
            },
            on: (event, f) => all(event).push(f),
            off: (event, f) => { listeners[event] = all(event).filter(other => other !== f); },
            save_changes() {},
          };
          const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
          const el = document.createElement("div");
          document.body.append(el);
          const leave = (await import(url)).default.render({ model, el });
          const count = () => Object.values(listeners).flat().length;
          const during = count();
          leave();
          reads = 0;
          await new Promise(resolve => setTimeout(resolve, 200));
          return { during, after: count(), children: el.children.length, reads };
        }""",
        [page.widget._esm, page.widget.get_state()],
    )
    assert left["during"] > 5
    # Nothing is left: no listener, no element, no work that waits for its turn.
    assert (left["after"], left["children"], left["reads"]) == (0, 0, 0)


# What needs no browser, but belongs to these classes.


def test_python_refuses_what_the_page_does_not_offer() -> None:
    for make, message in (
        (lambda: FourierClocks(2), "modulus"),
        (lambda: FourierClocks(13, a=13), "a must"),
        (lambda: FourierClocks(13, frequencies=[7]), "frequencies"),
        (lambda: PaintCirculant("pow"), "operation"),
        (lambda: PaintCirculant("add", 29), "modulus must be one of 11, 13"),
        (lambda: PaintCirculant("add", 11, 0.95), "train_fraction"),
        (lambda: PaintCirculant("add", 11, row=[1.0]), "row must have 11 numbers"),
        (lambda: PaintCirculant("mul", 11, row=[1.0] * 11), "row must have 10 numbers"),
        (lambda: PaintCirculant("add", 11, noise=2.5), "noise"),
        (lambda: RFMInPage("add", 11, seed=51), "seed"),
        (lambda: RFMInPage("add", 11, bandwidth=0.0), "bandwidth"),
        (lambda: RFMInPage("add", 11, step=31), "step"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_python_refuses_a_state_that_does_not_fit() -> None:
    clocks, painted = FourierClocks(13, frequencies=[4, 1, 4]), PaintCirculant("add", 11)
    assert clocks.frequencies == [1, 4]
    with pytest.raises(traitlets.TraitError, match="a must be at most 12"):
        clocks.a = 13
    with pytest.raises(traitlets.TraitError, match="frequencies must be at most 6"):
        clocks.frequencies = [7]
    with pytest.raises(traitlets.TraitError, match="row must have 11 numbers"):
        painted.row = [1.0]


def test_a_run_that_ends_in_a_singular_matrix_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def iterate(self: RFM, X: torch.Tensor, Y: torch.Tensor) -> Iterator[Any]:
        for step in real(self, X, Y):
            if step.iteration == 3:
                raise SingularKernelError
            yield step

    real = RFM.iterate
    monkeypatch.setattr(RFM, "iterate", iterate)
    rfm_in_page._run.cache_clear()
    words = RFMInPage("add", 11, step=5).sentence
    rfm_in_page._run.cache_clear()
    assert "the run ends after 2 updates. After 2 updates the machine" in words


def test_a_block_that_makes_the_matrix_singular_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    widget = PaintCirculant("add", 11)
    plain = widget.right_answers(torch.eye(22, dtype=torch.float64))

    def right_answers(self: PaintCirculant, M: torch.Tensor) -> int:
        if M.equal(torch.eye(22, dtype=torch.float64)):
            return plain
        raise SingularKernelError

    monkeypatch.setattr(paint.PaintCirculant, "right_answers", right_answers)
    assert widget.sentence.endswith("the kernel matrix is singular, and there is no answer.")
