"""All pages of the real website, opened one after another."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from handouts import SAMPLE_OR_WHOLE
from test_explorables import KINDS, by_keyboard, works
from website import Visit, pages_of, serve, silence, violations, wait_until_shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def addresses(site: Path) -> list[str]:
    return [path.relative_to(site).as_posix() for path in pages_of(site)]


# Between them they have all that style sheets and scripts make of a page: explorables, figures,
# formulas, code, boxes, tables, an index of names, the front page.
SAMPLE = [
    f"book/{name}.html"
    for name in (
        *("05-grokking", "api", "api/sweeps", "bibliography", "glossary", "index"),
        *("number-theory", "status", "troubleshooting"),
    )
]


# The addresses of a page and of all that this website sends with it.
SENT = """() => ["navigation", "resource"].flatMap(kind => performance.getEntriesByType(kind))
  .map(entry => entry.name).filter(name => name.startsWith(location.origin))"""


LIMITS = {"code": 400_000, "data": 700_000, "all": 2_500_000}
"""Bytes of HTML, style sheets and scripts; of what explorables show; of all that a page loads."""


def weight(site: Path, address: str, sent: list[str]) -> dict[str, int]:
    """Bytes on their way to the reader, where a web server compresses text, as all do."""
    total = dict.fromkeys(LIMITS, 0)
    for name in set(sent):
        path = site / urlsplit(name.removeprefix(address)).path.lstrip("/")
        content = path.read_bytes()
        text = path.suffix in (".html", ".css", ".js")
        size = len(gzip.compress(content) if text else content)
        total["all"] += size
        if path.parent.name == "explorables" and b"export default" not in content:
            total["data"] += size
        elif text:
            total["code"] += size
    return total


# What loads a page is most of the time, so that everything is asked of it at once.
@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("contrast", SAMPLE_OR_WHOLE)
def test_every_page_is_light_accessible_without_a_fault_and_its_explorables_move(
    browser: Browser, site: Path, address: str, addresses: list[str], npm: Path, contrast: str
) -> None:
    assert set(SAMPLE) < set(addresses)
    with Visit(browser, address, reduced_motion="reduce", color_scheme="light") as visit:
        for path in addresses:
            visit.page.goto(f"{address}/{path}", wait_until="load")
            wait_until_shown(visit.page)
            sent = visit.page.evaluate(SENT)
            assert f"{address}/{path}" in sent
            weights = weight(site, address, sent)
            assert all(weights[kind] <= LIMITS[kind] for kind in LIMITS), (path, weights)
            in_colours = contrast == "whole" or path in SAMPLE
            assert violations(visit.page, npm, contrast=in_colours) == [], path
            for root in visit.page.locator(".rfm-explorable").all():
                sliders = root.locator("input[type=range]")
                controls = sliders if sliders.count() else root.locator(KINDS)
                if controls.count():  # the answer to a guess has none
                    assert works(root, controls.first, by_keyboard), path
        assert visit.faults == []
        assert visit.outside == set()


@pytest.mark.site
def test_each_widget_is_an_explorable_and_there_without_scripts(
    site: Path, addresses: list[str]
) -> None:
    for path in addresses:
        page = BeautifulSoup((site / path).read_text(encoding="utf-8"), "html.parser")
        states = page.select("script[type$='widget-state+json']")
        models = {k: v for text in states for k, v in json.loads(text.get_text())["state"].items()}
        for view in page.select("script[type$='widget-view+json']"):
            assert "_esm" in models[json.loads(view.get_text())["model_id"]]["state"], path
            still = view.find_next_sibling()
            assert isinstance(still, Tag)
            assert len(still.select_one(".rfm-explorable .rfm-sentence").get_text()) > 6, path
            assert not still.select(":is(button, input, select):not([disabled]), [tabindex]"), path


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("grok", {"05-grokking", "index"}),
        ("grokking", {"05-grokking", "index"}),
        ("circulant", {"07-circulant-blocks", "08-any-circulant"}),
        ("bandwidth", {"glossary"}),
    ],
)
def test_the_search_finds(browser: Browser, address: str, asked: str, found: set[str]) -> None:
    with Visit(browser, address) as visit:
        visit.page.goto(f"{address}/search.html?q={asked}")
        done = "() => document.querySelector('#search-results')?.textContent.includes('found')"
        visit.page.wait_for_function(done)
        links = visit.page.locator("#search-results li a:first-child").evaluate_all(
            "all => all.map(a => a.pathname.split('/').pop().replace('.html', ''))"
        )
        assert found <= set(links[:6]), links


# From 1.6 Mbit a second and a processor that is four times slower.
SLOW = {"offline": False, "latency": 0, "downloadThroughput": 2e5, "uploadThroughput": 2e5}
PAINT = """() => new Promise(done => {
  let shift = 0;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  const [first] = performance.getEntriesByName("first-contentful-paint");
  setTimeout(() => done([first.startTime / 1000, shift]), 300);
})"""


# Seconds on a clock: not on a machine that does other things, too.
@pytest.mark.nightly
@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1440])
def test_on_a_slow_line_the_first_paint_comes_soon_and_then_stays(
    browser: Browser, site: Path, addresses: list[str], width: int
) -> None:
    late = {}
    with serve(site, compressed=True) as address:
        with Visit(browser, address) as first_of_all:  # the browser itself wakes up
            first_of_all.page.goto(f"{address}/{addresses[0]}")
        for path in addresses:
            size = {"width": width, "height": 900}
            with Visit(browser, address, viewport=size) as visit:
                wire = visit.context.new_cdp_session(visit.page)
                wire.send("Network.enable")
                wire.send("Network.emulateNetworkConditions", SLOW)
                wire.send("Emulation.setCPUThrottlingRate", {"rate": 4})
                visit.page.goto(f"{address}/{path}")
                wait_until_shown(visit.page)
                first, shift = visit.page.evaluate(PAINT)
                print(f"{path:40s} {width:5d} px: {first:.2f} s, layout shift {shift:.3f}")
                if first > 2.0 or shift > 0.02:
                    late[path] = first, shift
    assert late == {}


# All that somebody reads or hears, and whether what waits for scripts has come.
SEEN = """() => ({
  words: document.body.innerText,
  parts: document.querySelectorAll("article *").length,
  open: document.querySelectorAll("details[open], .toggle-hidden").length,
  theme: document.documentElement.dataset.theme,
})"""


def seen(page: Page, url: str, network: Visit) -> dict[str, object]:
    page.goto(url, timeout=10_000)
    wait_until_shown(page)
    return page.evaluate(SEEN) | {"faults": network.faults}


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("pages", SAMPLE_OR_WHOLE)
def test_from_a_disk_a_page_is_the_same_with_a_network_that_hangs_as_with_none(
    browser: Browser, site: Path, addresses: list[str], pages: str
) -> None:
    few = [f"book/{name}.html" for name in ("05-grokking", "index", "number-theory")]
    start = site.as_uri()
    with (
        silence() as nobody,
        Visit(browser, start, reduced_motion="reduce") as none,
        Visit(browser, start, reduced_motion="reduce", proxy={"server": nobody}) as hangs,
    ):
        for path in addresses if pages == "whole" else few:
            first, second = (seen(visit.page, f"{start}/{path}", visit) for visit in (none, hangs))
            assert first == second, path
        assert none.faults == []
        assert none.outside == set()


@pytest.mark.browser
def test_a_page_that_waits_for_the_network_would_be_noticed(
    browser: Browser, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text('<script src="http://example.org/a.js"></script>A page', encoding="utf-8")
    with silence() as nobody, Visit(browser, "file:", proxy={"server": nobody}) as hangs:
        from playwright.sync_api import TimeoutError as NeverThere

        with pytest.raises(NeverThere):
            hangs.page.goto(page.as_uri(), timeout=2_000)
    with Visit(browser, "file:") as none:
        none.page.goto(page.as_uri())
        assert none.outside == {"http://example.org/a.js"}
