"""All pages of the real website, opened one after another."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from handouts import SAMPLE_OR_WHOLE
from test_explorables import KINDS, by_keyboard, works
from website import Visit, pages_of, silence, violations, wait_until_shown

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


def weight(site: Path, address: str, sent: list[str]) -> int:
    """Bytes on their way to the reader, where a web server compresses text, as all do."""
    total = 0
    for name in set(sent):
        if name.endswith("/favicon.ico"):  # browsers ask for it, and there is none
            continue
        content = (site / urlsplit(name.removeprefix(address)).path.lstrip("/")).read_bytes()
        text = urlsplit(name).path.endswith((".html", ".css", ".js"))
        total += len(gzip.compress(content) if text else content)
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
            assert weight(site, address, sent) < 2_500_000, path
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
def test_each_widget_on_the_website_is_an_explorable(site: Path, addresses: list[str]) -> None:
    for path in addresses:
        page = (site / path).read_text(encoding="utf-8")
        states = re.findall(r'widget-state\+json">(.*?)</script>', page, re.DOTALL)
        models = {k: v for text in states for k, v in json.loads(text)["state"].items()}
        for view in re.findall(r'widget-view\+json">(.*?)</script>', page, re.DOTALL):
            assert "_esm" in models[json.loads(view)["model_id"]]["state"], path


# All that somebody reads or hears, and whether what waits for scripts has come.
SEEN = """() => ({
  words: document.body.innerText,
  tree: document.querySelector("article")?.innerHTML.length,
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
        Visit(browser, start) as none,
        Visit(browser, start, proxy={"server": nobody}) as hangs,
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
