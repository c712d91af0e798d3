"""The explorables as readers meet them on a page without a kernel."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pack_grok
import pack_tables
import pytest
import torch
from handouts import SAMPLE_OR_WHOLE
from matplotlib import colormaps
from test_explorables_scripts import EXAMPLES, EXPLORABLES
from website import Visit, book_folder, build, serve, violations, wait_until_shown, write_page

from rfm_tutorial import circulant_block, circulant_deviation, plots
from rfm_tutorial.explorables import (
    DiscreteLogShuffle,
    Laboratory,
    WatchItGrok,
    WhichTables,
    which_tables,
)
from rfm_tutorial.explorables.base import HERE
from rfm_tutorial.explorables.grok import (
    HELD,
    KERNELS,
    LAST,
    LEVELS,
    MEASURES,
    packed_runs,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

KINDS = (
    ", ".join(f"input[type={kind}]" for kind in ("range", "checkbox", "number", "radio", "text"))
    + ", select, button"
)

# Python alone.


@pytest.mark.slow
@pytest.mark.parametrize("whole_run", SAMPLE_OR_WHOLE)
def test_the_packed_runs_are_what_the_package_gives(whole_run: str) -> None:
    """The first steps of each, which cost little; or one to its end."""
    # What another processor may change: an accuracy by a cell or two, a loss of zero by rounding.
    absolute = dict(zip(MEASURES, (1e-3, 1e-3, 1e-20, 1e-9, 1e-6, 1e-6), strict=True))
    for name in (f"{operation} {kernel}" for operation in HELD for kernel in KERNELS):
        whole = whole_run == "whole" and name == "add Gaussian"
        blocks, measures = pack_grok.run(*name.split(), n_iterations=LAST if whole else 1)
        stored, steps = packed_runs(), len(blocks)
        values, scales = pack_grok.quantised(blocks)
        assert np.abs(values.astype(int) - stored[name][:steps]).max() <= 1
        np.testing.assert_allclose(scales, stored[f"{name} scales"][:steps], rtol=1e-4)
        for column, (measure, atol) in enumerate(absolute.items()):
            # The alignment is with the last matrix, which only a whole run has.
            if whole or measure != "alignment":
                expected = stored[f"{name} measures"][:steps, column]
                np.testing.assert_allclose(measures[:, column], expected, rtol=1e-4, atol=atol)


def test_the_packed_tables_are_what_the_package_gives() -> None:
    """The first blocks of two groups, one of them to its end; a cell or two may fall otherwise."""
    stored = which_tables.packed_runs()
    for title, n_iterations in (("S4", which_tables.LAST), ("D15", which_tables.EVERY)):
        found = pack_tables.run(title, n_iterations)
        blocks = found[title]
        assert np.abs(blocks.astype(int) - stored[title][: len(blocks)]).max() <= 2
        assert found[f"{title} hidden"].tolist() == stored[f"{title} hidden"].tolist()
        for name in ("scales", "accuracy", "left over"):
            values = found[f"{title} {name}"]
            expected = stored[f"{title} {name}"][: len(values)]
            np.testing.assert_allclose(values, expected, rtol=1e-3, atol=0.03)


def test_the_packed_tables_agree_with_themselves() -> None:
    stored = which_tables.packed_runs()
    for title, group in which_tables.GROUPS.items():
        right, accuracy = stored[f"{title} right"], stored[f"{title} accuracy"]
        np.testing.assert_allclose(right.mean(1), accuracy[:: which_tables.EVERY], atol=1e-12)
        assert stored[title].shape == (which_tables.MOMENTS, group.order, group.order)


def test_lines_have_the_colours_of_the_figures() -> None:
    style = (HERE / "common.css").read_text(encoding="utf-8")
    for name, (colour, *_) in plots.LINES.items():
        (found, *_) = re.findall(rf"--rfm-{name}: (#\w+);", style)
        assert found.lower() == colour.lower()


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (WatchItGrok, {"operation": "pow"}, "operation must be one of 'add'.*got 'pow'"),
        (WatchItGrok, {"kernel": "Laplace"}, "kernel must be one of 'Gaussian', 'quadratic'"),
        (WatchItGrok, {"iteration": 31}, "iteration must be an integer.*got 31"),
        (WhichTables, {"group": "Z9"}, "group must be one of 'Z24'.*got 'Z9'"),
        (WhichTables, {"order": "by size"}, "order must be one of 'as numbered', 'by cosets'"),
        (WhichTables, {"moment": 7}, "moment must be an integer.*got 7"),
        (DiscreteLogShuffle, {"operation": "add"}, "operation must be one of 'mul', 'div'"),
        (DiscreteLogShuffle, {"root": 3}, "root must be a primitive root of 61, got 3"),
        (DiscreteLogShuffle, {"placed": 61}, "placed must be an integer.*got 61"),
        (DiscreteLogShuffle, {"block": torch.eye(9)}, "the number of rows of block must be prime"),
        (DiscreteLogShuffle, {"block": torch.ones(2, 3)}, "block must be square"),
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_a_wrong_argument_is_named(kind: type, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


def test_the_shuffle_of_the_readers_own_block_ends_in_the_order_of_the_package() -> None:
    M = torch.randn(22, 22, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for operation in ("mul", "div"):
        for root in (2, 6, 7, 8):
            shown = DiscreteLogShuffle(M[:11, 11:].float(), operation, root, placed=10)
            arranged = circulant_block(M.float().double(), operation, root)
            assert shown.roots == [2, 6, 7, 8]
            assert shown.deviation == pytest.approx(circulant_deviation(arranged), abs=1e-12)
    assert shown.order.tolist() == [1, 8, 9, 6, 4, 10, 3, 2, 5, 7]
    shown.placed = 3
    assert shown.order.tolist() == [1, 8, 9, 2, 3, 4, 5, 6, 7, 10]


def test_the_laboratory_runs_stops_and_says_what_went_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    laboratory = Laboratory(modulus=13, iterations=60)
    original = laboratory._say

    def stop_at_three(text: str) -> None:
        if text.startswith("Step 3:"):
            laboratory.stop()
        original(text)

    laboratory._say = stop_at_three
    laboratory.start()
    laboratory.start()  # does nothing: one is under way
    laboratory.wait(60)
    assert laboratory.history[-1]["iteration"] == 3
    assert "Stopped by hand. Step 3: right on" in laboratory.status.value
    assert (laboratory.start_button.disabled, laboratory.stop_button.disabled) == (False, True)
    assert "data:image/png" in laboratory.picture.value

    for kernel in ("Laplace", "quadratic", "Gaussian"):
        laboratory.kernel.value, laboratory.iterations.value = kernel, 2
        assert laboratory.bandwidth.disabled == (kernel == "quadratic")
        laboratory.start()
        laboratory.wait(60)
        assert "Finished. Step 2: right on" in laboratory.status.value
        assert len(laboratory.history) == 3

    monkeypatch.setattr(laboratory, "_machine", lambda: 1 / 0)
    laboratory.start()
    laboratory.wait(60)
    assert "ended with an error. ZeroDivisionError: division by zero" in laboratory.status.value
    assert not laboratory.start_button.disabled


# The same on a page of the website, without a kernel.


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page, built with the project's settings, that shows all explorables."""
    book = book_folder(tmp_path_factory.mktemp("explorables"))
    codes = [*EXAMPLES.values(), "Laboratory()"]
    write_page(book, "from rfm_tutorial.explorables import *", *codes)
    run = build(book)
    assert run.returncode == 0, run.stdout + run.stderr
    with serve(book / "_build/html") as address:
        yield f"{address}/book/page.html"


@contextmanager
def opened(browser: Browser, shown: str) -> Iterator[Visit]:
    """The page, opened by a reader who wishes for little motion; nothing may go wrong on it."""
    with Visit(browser, shown.rsplit("/", 2)[0], reduced_motion="reduce") as visit:
        visit.page.goto(shown)
        wait_until_shown(visit.page)
        yield visit
        assert visit.faults == []
        assert visit.outside == set()


@pytest.fixture
def visit(browser: Browser, shown: str) -> Iterator[Visit]:
    with opened(browser, shown) as visit:
        yield visit


@pytest.fixture(scope="module")
def one_visit(browser: Browser, shown: str) -> Iterator[Visit]:
    """For tests that leave the page as good as new, or load it anew where they need it new."""
    with opened(browser, shown) as visit:
        yield visit


def sentence(root: Locator) -> str:
    return root.locator(".rfm-sentence").inner_text()


# Everything that a reader can see or hear of an explorable, when it has come to rest: when it looks
# the same a few frames later. If it is no longer as it was `before`, that need not be waited for.
AT_REST = """async (root, before) => {
  const state = () => [root.innerText,
    ...[...root.querySelectorAll("canvas")].map(c => c.toDataURL()),
    ...[...root.querySelectorAll("input")].map(i => `${i.value} ${i.checked}`)].join("|");
  const pause = () => new Promise(resolve => setTimeout(resolve, 60));
  for (let last = null, tries = 0; tries < 100; tries++) {
    const now = state();
    if (now === last || (before !== null && now !== before)) return now;
    last = now;
    await pause();
  }
  throw new Error("the picture does not come to rest");
}"""

# Set controls as a reader would, state after state, and collect the sentences.
SENTENCES = """(root, [labels, states]) => {
  const controls = labels.map(label => [...root.querySelectorAll("label")]
    .find(each => each.textContent.startsWith(label)).querySelector("input, select"));
  return states.map(state => {
    controls.forEach((control, i) => {
      if (control.tagName === "SELECT") {
        control.selectedIndex = [...control.options].findIndex(o => o.value === String(state[i]));
        control.dispatchEvent(new Event("change"));
      } else {
        control.value = state[i];
        control.dispatchEvent(new Event("input"));
      }
    });
    return root.querySelector(".rfm-sentence").textContent;
  });
}"""


def everything(root: Locator, unless: str | None = None) -> str:
    """What the explorable looks like at rest, or as soon as it no longer looks as given."""
    return root.evaluate(AT_REST, unless)


def shuffled(values: Any) -> list:
    values = list(values)
    random.Random(0).shuffle(values)
    return values


@pytest.mark.site
@pytest.mark.browser
def test_watch_it_grok_says_what_python_says_at_every_point(visit: Visit) -> None:
    states = shuffled((o, k, t) for o in HELD for k in KERNELS for t in range(LAST + 1))
    root = visit.page.locator(".rfm-grok")
    found = root.evaluate(SENTENCES, [["operation", "kernel", "iteration"], states])
    widget = WatchItGrok()
    for (operation, kernel, iteration), text in zip(states, found, strict=True):
        widget.operation, widget.kernel, widget.iteration = operation, kernel, iteration
        assert text == widget.sentence
    assert len(set(found)) == len(states) == 248


@pytest.mark.site
@pytest.mark.browser
def test_the_shuffle_says_what_python_says_in_shuffled_order(visit: Visit) -> None:
    widget = DiscreteLogShuffle()
    states = shuffled((root, placed) for root in widget.roots for placed in range(61))[:150]
    assert {root for root, _ in states} == set(widget.roots)
    root = visit.page.locator(".rfm-shuffle")
    found = root.evaluate(SENTENCES, [["primitive root g", "digits in place"], states])
    for (widget.root, widget.placed), text in zip(states, found, strict=True):
        assert text == widget.sentence


# The colour at the middle of each of n × n cells of the first picture.
CELLS = """(root, n) => {
  const canvas = root.querySelector("canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const middle = (i, size) => Math.floor((i + 0.5) * size / n);
  return Array.from({ length: n * n }, (_, cell) => {
    const row = middle(Math.floor(cell / n), canvas.height);
    const at = 4 * (row * canvas.width + middle(cell % n, canvas.width));
    return [...data.slice(at, at + 3)];
  });
}"""


def same_colours(root: Locator, values: np.ndarray) -> None:
    """The first picture has the colours that matplotlib gives these values."""
    limit = np.abs(values).max() or 1
    expected = colormaps[plots.DIVERGING]((values / limit + 1) / 2)[..., :3] * 255
    found = np.array(root.evaluate(CELLS, len(values))).reshape(*values.shape, 3)
    # matplotlib's map has 256 colours; the page's has no such steps.
    assert np.abs(found - expected).max() < 6


@pytest.mark.site
@pytest.mark.browser
def test_heat_maps_have_the_colours_of_the_numbers(visit: Visit) -> None:
    root = visit.page.locator(".rfm-grok")
    for operation, kernel, step in [
        ("add", "Gaussian", 1),
        ("sub", "quadratic", 9),
        ("div", "Gaussian", 30),
    ]:
        root.evaluate(
            SENTENCES, [["operation", "kernel", "iteration"], [[operation, kernel, step]]]
        )
        same_colours(root, packed_runs()[f"{operation} {kernel}"][step] / LEVELS)
    root = visit.page.locator(".rfm-shuffle")
    widget = DiscreteLogShuffle()
    for widget.root, widget.placed in [(2, 0), (2, 60), (6, 31)]:
        root.evaluate(
            SENTENCES, [["primitive root g", "digits in place"], [[widget.root, widget.placed]]]
        )
        rows = (widget.order - 1).numpy()
        block = np.frombuffer(widget.entries, np.float32).reshape(60, 60)
        same_colours(root, block[np.ix_(rows, rows)])


CONTROLLED = [name for name in EXPLORABLES if name != "answer"]


def guess_something(visit: Visit) -> None:
    """For the button that forgets it."""
    visit.page.locator(".rfm-guesses input[type=text]").fill("7")


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("name", CONTROLLED)
def test_each_control_works_by_keyboard(one_visit: Visit, name: str) -> None:
    page, root = one_visit.page, one_visit.page.locator(f".rfm-{name}")
    guess_something(one_visit)
    assert root.locator(KINDS).count() > 0
    # Reached in order by Tab alone, each with a ring around it.
    page.evaluate("root => { root.tabIndex = -1; root.focus(); }", root.element_handle())
    for control in enabled(root):
        page.keyboard.press("Tab")
        assert control.evaluate("c => c === document.activeElement"), describe(control)
        assert control.evaluate("c => getComputedStyle(c).outlineStyle") == "solid"
    for control in root.locator(KINDS).all():
        assert works(root, control, by_keyboard), f"nothing happens: {describe(control)}"


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("name", CONTROLLED)
def test_each_control_works_by_mouse(one_visit: Visit, name: str) -> None:
    root = one_visit.page.locator(f".rfm-{name}")
    guess_something(one_visit)
    for control in root.locator(KINDS).all():
        assert works(root, control, by_mouse), f"nothing happens: {describe(control)}"


def enabled(root: Locator) -> list[Locator]:
    """What Tab leads to: of radio buttons, the first of a group in which none is chosen."""
    skipped = "c => c.type === 'radio' && c !== c.closest('fieldset').querySelector('input')"
    return [
        control
        for control in root.locator(KINDS).all()
        if control.is_enabled() and not control.evaluate(skipped)
    ]


def describe(control: Locator) -> str:
    return control.evaluate("c => (c.labels?.[0] ?? c).innerText")


def works(root: Locator, control: Locator, act: Callable[[Locator, bool], None]) -> bool:
    """Whether something changes.

    A control at the end of its way is moved the other way; if that is no way out either, such as
    for a button "one more" after the last, it is tried on a fresh page.
    """
    for fresh in (False, True):
        if fresh:
            root.page.reload()
            wait_until_shown(root.page)
        for forward in (True, False):
            before = everything(root)
            if control.is_enabled():
                act(control, forward)
            if everything(root, unless=before) != before:
                return True
    return False


def by_keyboard(control: Locator, forward: bool) -> None:
    kind = control.evaluate("c => c.type")
    if kind == "button":
        control.press("Enter" if forward else "Space")
    elif kind == "checkbox":
        control.press("Space")
    elif kind == "text":
        control.press("1")
    else:
        control.press("ArrowUp" if (kind in ("range", "number")) == forward else "ArrowDown")


def by_mouse(control: Locator, forward: bool) -> None:
    kind = control.evaluate("c => c.type")
    if kind == "range":
        box = control.bounding_box()
        assert box is not None
        share = 0.8 if forward else 0.2
        control.click(position={"x": share * box["width"], "y": box["height"] / 2})
    elif kind == "select-one":
        # The list that drops down belongs to the system, not to the page.
        control.click()
        control.page.keyboard.press("Escape")
        chosen = control.evaluate("c => c.selectedIndex")
        control.select_option(index=1 if chosen == 0 else 0)
    elif kind in ("number", "text"):
        control.fill("2" if forward else "1")
    else:
        control.click()


@pytest.mark.site
@pytest.mark.browser
def test_the_charts_can_be_scrubbed_with_the_mouse(visit: Visit) -> None:
    mouse = visit.page.mouse
    for name, chart, last, at in (
        ("grok", 1, WatchItGrok(iteration=30), WatchItGrok(iteration=20)),
        ("shuffle", 1, DiscreteLogShuffle(placed=60), DiscreteLogShuffle(placed=40)),
        ("which-tables", 2, WhichTables(moment=6), WhichTables(moment=4)),
    ):
        root = visit.page.locator(f".rfm-{name}").first
        canvas = root.locator("canvas").nth(chart)
        assert canvas.evaluate("c => getComputedStyle(c).touchAction") == "pan-y"
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        mouse.move(box["x"] + 42 + (box["width"] - 54) * 2 / 3, middle)
        mouse.down()
        assert sentence(root) == at.sentence
        mouse.move(box["x"] + box["width"] + 30, middle + box["height"])  # beyond its edge
        mouse.up()
        assert sentence(root) == last.sentence


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_what_stands_there_before_a_script_has_come_takes_the_same_place(
    browser: Browser, shown: str, width: int
) -> None:
    boxes = """() => [...document.querySelectorAll(".rfm-explorable")].map(
      root => Math.round(root.getBoundingClientRect().height))"""
    heights = []
    for scripts in (False, True):
        options = {"java_script_enabled": scripts, "viewport": {"width": width, "height": 900}}
        with Visit(browser, shown.rsplit("/", 2)[0], **options) as visit:
            visit.page.goto(shown)
            if scripts:
                wait_until_shown(visit.page)
            heights.append(visit.page.evaluate(boxes))
    before, after = heights
    assert len(before) == len(after) > 10
    assert before == pytest.approx(after, abs=2)


@pytest.mark.site
@pytest.mark.browser
def test_the_button_of_the_shuffle_leads_to_both_orders(visit: Visit) -> None:
    root = visit.page.locator(".rfm-shuffle")
    root.get_by_role("button", name="Discrete-log order").click()
    assert sentence(root) == DiscreteLogShuffle(placed=60).sentence
    root.get_by_role("button", name="Natural order").click()
    assert sentence(root) == DiscreteLogShuffle(placed=0).sentence


@pytest.mark.site
@pytest.mark.browser
def test_play_plays_pauses_ends_and_respects_the_wish_for_less_motion(
    browser: Browser, shown: str
) -> None:
    with Visit(browser, shown.rsplit("/", 2)[0]) as visit:
        page = visit.page
        page.goto(shown)
        wait_until_shown(page)
        root = page.locator(".rfm-grok")
        slider = root.get_by_role("slider", name="iteration")
        play = root.locator(".rfm-play")

        play.click()
        assert play.inner_text() == "Pause"
        # Not a word for each frame to who listens.
        assert root.locator(".rfm-sentence").get_attribute("aria-live") == "off"
        page.wait_for_function("s => Number(s.value) >= 2", arg=slider.element_handle())
        play.click()
        paused = slider.input_value()
        page.wait_for_timeout(800)
        assert (slider.input_value(), play.inner_text()) == (paused, "Play")

        play.click()
        slider.press("End")  # the reader's hand stops it
        assert play.inner_text() == "Play"
        assert sentence(root) == WatchItGrok(iteration=LAST).sentence
        assert root.locator(".rfm-sentence").get_attribute("aria-live") == "polite"
        play.click()  # at the end, from the start again
        assert slider.input_value() == "0"
        play.click()

        page.emulate_media(reduced_motion="reduce")
        root.get_by_role("button", name="Next step").click()
        page.wait_for_timeout(800)
        assert slider.input_value() == "1"
        assert visit.faults == []


@pytest.mark.site
@pytest.mark.browser
def test_the_laboratory_is_a_picture_where_there_is_no_kernel(visit: Visit) -> None:
    figure = visit.page.locator("article figure:has(img)")
    assert figure.count() == 1
    assert figure.locator(".caption-text").inner_text() == repr(Laboratory())
    assert visit.page.get_by_role("button", name="Start", exact=True).count() == 0
    assert "needs Python" not in visit.page.locator("article").inner_text()


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_explorables_fit_the_screen_in_the_colours_of_the_theme(
    browser: Browser, shown: str, theme: Any
) -> None:
    options = {"viewport": {"width": 390, "height": 844}, "color_scheme": theme}
    with Visit(browser, shown.rsplit("/", 2)[0], **options) as visit:
        visit.page.goto(shown)
        wait_until_shown(visit.page)
        for name in EXPLORABLES:
            root = visit.page.locator(f".rfm-{name}")
            wide = root.evaluate(
                "root => [...root.querySelectorAll('*')].filter(e => "
                "e.getBoundingClientRect().right > document.documentElement.clientWidth).length"
            )
            assert wide == 0, name
            paper = root.evaluate("root => getComputedStyle(root).backgroundColor")
            assert paper == {"light": "rgb(252, 252, 250)", "dark": "rgb(20, 24, 30)"}[theme]
        assert visit.faults == []


@pytest.mark.site
@pytest.mark.browser
def test_explorables_are_accessible_in_both_themes(visit: Visit, npm: Path) -> None:
    assert violations(visit.page, npm) == []


@pytest.mark.site
@pytest.mark.browser
def test_a_change_of_theme_redraws_the_pictures(visit: Visit) -> None:
    chart = visit.page.locator(".rfm-grok canvas").nth(1)
    before = chart.evaluate("c => c.toDataURL()")
    visit.page.evaluate("document.documentElement.dataset.theme = 'dark'")
    visit.page.wait_for_timeout(100)
    assert chart.evaluate("c => c.toDataURL()") != before
