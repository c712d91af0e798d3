"""The explorables that compute in the page say what Python says, and their controls work.

Each runs in Chromium, on a page without Python, moved by mouse and by keyboard. The functions that
they are made of are tested in test_numerics_js.py.
"""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import traitlets
from helpers import difference
from ipywidgets.embed import dependency_state
from test_explorables_scripts import EXAMPLES, example
from website import ROOT

from rfm_tutorial import RFM
from rfm_tutorial.circulant import circulant_block, circulant_deviation
from rfm_tutorial.explorables import in_page, paint, rfm_in_page, trap, which_tables
from rfm_tutorial.explorables.base import Explorable
from rfm_tutorial.explorables.fourier_clocks import FourierClocks
from rfm_tutorial.explorables.grok import WatchItGrok
from rfm_tutorial.explorables.paint import PaintCirculant
from rfm_tutorial.explorables.rfm_in_page import RFMInPage
from rfm_tutorial.explorables.trap import SymmetryTrap
from rfm_tutorial.explorables.which_tables import WhichTables
from rfm_tutorial.features import random_circulant_features
from rfm_tutorial.linalg import SingularKernelError
from rfm_tutorial.operations import GROUP_OPERATIONS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page


def page_of(*widgets: Explorable) -> str:
    """A bare page that shows explorables with the website's own script."""
    mime = "application/vnd.jupyter.widget"
    models = dependency_state(widgets, drop_defaults=False)
    state = json.dumps({"state": models}).replace("</", "<\\/")
    views = [json.dumps({"model_id": widget.model_id}) for widget in widgets]
    show = (ROOT / "book/_static/widgets.js").read_text(encoding="utf-8")
    return (
        f'<!doctype html><html lang="en"><title>A page</title>'
        f'<meta name="viewport" content="width=device-width"><body><main>'
        f'<script type="{mime}-state+json">{state}</script>'
        + "".join(f'<script type="{mime}-view+json">{view}</script>' for view in views)
        + f"</main><script>{show}</script>"
    )


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
        self.page.set_content(page_of(widget), wait_until="load")
        self.root = self.page.locator(".rfm-explorable")
        self.root.wait_for()
        self.settle()

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
    "row a": "a",
    "column b": "b",
    "group": "group",
    "rows and columns": "order",
    "update": "moment",
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
    return {
        "operation": GROUP_OPERATIONS,
        "modulus p": in_page.MODULI,
        "group": tuple(which_tables.GROUPS),
        "rows and columns": which_tables.ORDERS,
    }[label]


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


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
def test_a_smaller_clock_keeps_what_it_has_room_for(open_page: Callable[..., Shown]) -> None:
    page = open_page(FourierClocks(31, 30, 20, [2, 15]))
    move(page, "hours p", 7)
    assert (page.widget.a, page.widget.b, page.widget.frequencies) == (6, 6, [2])
    assert page.sentence() == page.widget.sentence
    assert page.root.get_by_role("checkbox").count() == 4
    assert (read(page, "digit a"), read(page, "digit b")) == (6, 6)


@pytest.mark.browser
def test_hands_turn_as_the_package_multiplies_phases(open_page: Callable[..., Shown]) -> None:
    page = open_page(FourierClocks(13, 3, 5, [4]))
    source = "hands => hands.map(hand => hand.getAttribute('transform').match(/[\\d.]+/)[0])"
    for name, digit in (("a", 3), ("b", 5), ("product", 8)):
        turns = page.root.locator(f".rfm-hand-{name}").evaluate_all(source)
        # F e_digit turns backwards, as the sign in the transform has it; a clock turns forwards.
        phases = np.fft.fft(np.eye(13)[digit])[:7]
        assert np.exp(-2j * np.pi * np.array(turns, float) / 360) == pytest.approx(phases, abs=1e-9)


# Which tables


@pytest.mark.browser
def test_tables_answer_to_every_control(open_page: Callable[..., Shown]) -> None:
    page = open_page(WhichTables(moment=2))
    assert page.sentence() == page.widget.sentence
    check_slider(page, "update")
    for label in ("rows and columns", "group"):  # of the first group, all is one coset
        check_choice(page, label)


@pytest.mark.browser
def test_tables_say_what_python_says_at_shuffled_states(open_page: Callable[..., Shown]) -> None:
    page = open_page(WhichTables())
    states = [
        (group, order, moment)
        for group in which_tables.GROUPS
        for order in which_tables.ORDERS
        for moment in range(which_tables.MOMENTS + 1)
    ]
    random.Random(2).shuffle(states)
    found = set()
    for state in states[:40]:
        for label, value in zip(("group", "rows and columns", "update"), state, strict=True):
            move(page, label, value)
        assert page.sentence() == page.widget.sentence
        found.add(page.sentence())
    assert len(found) == 40


# Paint a circulant


@pytest.mark.browser
def test_painting_answers_to_every_control(open_page: Callable[..., Shown]) -> None:
    page = open_page(PaintCirculant("add", 11, noise=0.5))
    assert page.sentence() == page.widget.sentence
    for label in ("table to train on", "seed of the split", "noise"):
        check_slider(page, label)
    for label in ("operation", "modulus p"):
        check_choice(page, label)


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
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
    assert difference(page.widget.feature_matrix, M) < 1e-12


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
def test_a_change_of_settings_puts_another_run_in_its_place(
    open_page: Callable[..., Shown],
) -> None:
    page = open_page(RFMInPage("add", 23, 0.9))
    page.button("Run 30 updates").click()
    page.widget.step = rfm_in_page.LAST
    for label, value in (("table to train on", 0.8), ("modulus p", 11), ("operation", "mul")):
        move(page, label, value)  # while the run before is going on
    assert page.sentence() == page.widget.sentence


# The symmetry trap


@pytest.mark.browser
def test_the_trap_answers_to_every_control(open_page: Callable[..., Shown]) -> None:
    page = open_page(SymmetryTrap(11, step=8))
    assert page.sentence() == page.widget.sentence
    check_slider(page, "updates", share=0.2)
    for label in ("row a", "column b"):  # they move the frame, and say nothing
        for act in (
            partial(click_slider, page, label, 0.6),
            partial(press_slider, page, label, "ArrowUp"),
        ):
            drawn = page.pictures()
            act()
            assert page.pictures() != drawn
            setattr(page.widget, LABELS[label], int(read(page, label)))
    move(page, "row a", 2)
    move(page, "column b", 7)
    for name, cells in (
        ("Hide (2, 7)", {29}),
        ("Hide its mirror image", {29, 79}),
        ("Show (2, 7)", {79}),
        ("Hide the diagonal only", set()),
    ):
        page.button(name).focus()
        page.page.keyboard.press("Enter")
        page.widget.hidden = sorted({*trap.diagonal(11)} | cells)
        assert page.sentence() == page.widget.sentence
    assert page.button("Hide the diagonal only").is_disabled()
    move(page, "column b", 2)
    assert page.button("mirror image").is_disabled()
    check_choice(page, "modulus p")
    assert page.widget.hidden == trap.diagonal(page.widget.modulus)


@pytest.mark.browser
@pytest.mark.parametrize("touch", [False, True])
def test_a_cell_is_hidden_and_shown_by_a_click_or_a_tap(
    open_page: Callable[..., Shown], touch: bool
) -> None:
    page = open_page(SymmetryTrap(13), has_touch=touch)
    table = page.root.locator("canvas").first
    box = table.bounding_box()
    assert box is not None
    at = {"x": box["width"] * 9.5 / 13, "y": box["height"] * 2.5 / 13}
    for cells in ([*trap.diagonal(13), 2 * 13 + 9], trap.diagonal(13)):
        (table.tap if touch else table.click)(position=at)
        page.widget.hidden = sorted(cells)
        assert page.sentence() == page.widget.sentence
        assert (read(page, "row a"), read(page, "column b")) == (2, 9)


@pytest.mark.browser
def test_the_trap_agrees_with_python_at_shuffled_states(open_page: Callable[..., Shown]) -> None:
    page = open_page(SymmetryTrap(11))
    rng = random.Random(4)
    for p in (17, 11, 13):
        move(page, "modulus p", p)
        for step in rng.sample(range(trap.LAST + 1), 3):
            move(page, "updates", step)
            move(page, "row a", rng.randrange(p))
            move(page, "column b", rng.randrange(p))
            cell = page.widget.a * p + page.widget.b
            page.button(f"({page.widget.a}, {page.widget.b})").click()
            page.widget.hidden = sorted({*page.widget.hidden} ^ {cell})
            assert page.sentence() == page.widget.sentence
            _, share = trap.outcome(p, tuple(page.widget.hidden), step)
            assert page.number("even-share") == pytest.approx(share, abs=1e-6)


@pytest.mark.browser
def test_no_more_than_half_of_the_table_can_be_hidden(open_page: Callable[..., Shown]) -> None:
    page = open_page(SymmetryTrap(11, range(60), step=1, a=9, b=9))
    before = page.sentence()
    page.button("Hide (9, 9)").click()
    assert page.sentence() == before == page.widget.sentence


def test_the_features_of_the_trap_are_even_and_odd() -> None:
    _, share = trap.outcome(11, tuple(trap.diagonal(11)), 0)
    assert share == 0.5
    identity = torch.eye(11, dtype=torch.float64)
    for sign in (1, -1):
        upper, lower = [identity, sign * identity], [sign * identity, identity]
        M = torch.cat([torch.cat(upper, 1), torch.cat(lower, 1)])
        assert trap.even_share(M) == (sign + 1) / 2
    assert SymmetryTrap(11, [], step=0).sentence.startswith("a + b mod 11, 0 cells are hidden")


# All explorables: as they come, or in a state with more to see.


WIDGETS: dict[str, Callable[[], Explorable]] = {
    **{name: partial(example, name) for name in EXAMPLES},
    "fourier-clocks": lambda: FourierClocks(61, 30, 50, [1, 9, 20]),
    "grok": lambda: WatchItGrok(iteration=12),
    "paint": lambda: PaintCirculant("sub", 23),
    "rfm-in-page": lambda: RFMInPage("add", 13, 0.7, step=10),
    "trap": lambda: SymmetryTrap(13, [*trap.diagonal(13), 34], step=12),
}


@pytest.mark.browser
@pytest.mark.parametrize("name", WIDGETS)
def test_it_says_what_python_says(open_page: Callable[..., Shown], name: str) -> None:
    page = open_page(WIDGETS[name]())
    assert page.root.evaluate("root => root.className") == f"rfm-explorable rfm-{name}"
    assert page.sentence() == page.widget.sentence


FIT = """root => {
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


@pytest.mark.browser
@pytest.mark.parametrize("name", WIDGETS)
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen_in_both_themes(
    open_page: Callable[..., Shown], name: str, width: int
) -> None:
    page = open_page(WIDGETS[name](), viewport={"width": width, "height": 844})
    drawn = page.pictures()
    for theme in ("light", "dark"):
        page.page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        found = page.root.evaluate(FIT)
        assert found == {"sideways": 0, "cut": 0, "blank": 0, "silent": 0}, theme
    if drawn:
        # Heat maps look the same in both themes; curves, bars and tables do not.
        page.page.wait_for_timeout(100)
        assert page.pictures() != drawn


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "label", "value", "changed"),
    [
        ("fourier-clocks", "digit a", 31, [True, True, True]),  # waves, scores, clocks
        ("paint", "noise", 0.5, [True, True, False]),  # block, table, bars
        ("paint", "seed of the split", 3, [False, True, False]),
        ("rfm-in-page", "updates", 11, [True, True, True]),  # curves, block, table
        ("trap", "updates", 6, [True, True, True]),  # table, block, curves
        ("trap", "row a", 1, [True, False, False]),
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


@pytest.mark.browser
@pytest.mark.parametrize("name", WIDGETS)
def test_leaving_the_page_takes_everything_along(
    open_page: Callable[..., Shown], name: str
) -> None:
    """JupyterLab calls what `render` returned when an output is cleared."""
    page = open_page(WIDGETS[name]())
    state = page.widget.get_state()
    buffers = {k: b64encode(state.pop(k)).decode() for k in [*state] if type(state[k]) is bytes}
    left = page.page.evaluate(
        """async ([script, state, buffers]) => {
          for (const [name, data] of Object.entries(buffers)) {
            state[name] = new DataView(Uint8Array.from(atob(data), c => c.charCodeAt(0)).buffer);
          }
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
        [page.widget._esm, state, buffers],
    )
    assert left["during"] > 0
    # Nothing is left: no listener, no element, no work that waits for its turn.
    assert (left["after"], left["children"], left["reads"]) == (0, 0, 0)


# What needs no browser, but belongs to those that compute in the page.


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
        (lambda: SymmetryTrap(29), "modulus must be one of 11, 13"),
        (lambda: SymmetryTrap(11, step=21), "step"),
        (lambda: SymmetryTrap(11, b=11), "b must"),
        (lambda: SymmetryTrap(11, [0, 121]), "hidden must be cells from 0 to 120"),
        (lambda: SymmetryTrap(11, range(61)), "hidden must be 60 cells at most"),
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
