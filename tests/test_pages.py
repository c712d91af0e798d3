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
from offline_site import offline_site
from test_explorables import KINDS, by_keyboard, works
from website import Visit, violations, wait_until_shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def addresses(site: Path) -> list[str]:
    return [path.relative_to(site).as_posix() for path in sorted((site / "book").glob("**/*.html"))]


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
    with Visit(browser, address, npm, reduced_motion="reduce", color_scheme="light") as visit:
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
        assert visit.not_allowed() == []


@pytest.mark.site
def test_each_widget_on_the_website_is_an_explorable(site: Path, addresses: list[str]) -> None:
    for path in addresses:
        page = (site / path).read_text(encoding="utf-8")
        states = re.findall(r'widget-state\+json">(.*?)</script>', page, re.DOTALL)
        models = {k: v for text in states for k, v in json.loads(text)["state"].items()}
        for view in re.findall(r'widget-view\+json">(.*?)</script>', page, re.DOTALL):
            assert "_esm" in models[json.loads(view)["model_id"]]["state"], path


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("pages", SAMPLE_OR_WHOLE)
def test_the_offline_site_needs_no_network(
    browser: Browser, site: Path, addresses: list[str], npm: Path, tmp_path: Path, pages: str
) -> None:
    offline = offline_site(site, tmp_path / "offline", npm)
    with Visit(browser, offline.as_uri()) as visit:
        for path in addresses if pages == "whole" else SAMPLE:
            visit.page.goto(f"{offline.as_uri()}/{path}")
            wait_until_shown(visit.page)
            formulas = visit.page.locator("span.math, div.math").count()
            typeset = "n => document.querySelectorAll('mjx-container').length >= n"
            visit.page.wait_for_function(typeset, arg=formulas)
        assert visit.faults == []
        assert visit.outside == set()


def test_a_page_that_fetches_from_elsewhere_is_refused(tmp_path: Path, npm: Path) -> None:
    source = tmp_path / "html"
    (source / "_static").mkdir(parents=True)
    page = source / "page.html"
    for tag in (
        '<script src="https://example.org/a.js"></script>',
        '<link href="//example.org/a.css" rel="stylesheet">',
        '<img src="http://example.org/a.png">',
    ):
        page.write_text(tag, encoding="utf-8")
        with pytest.raises(ValueError, match=r"page.html fetches from elsewhere: .*example.org/a"):
            offline_site(source, tmp_path / "offline", npm)
    page.write_text('<a href="https://example.org">a link</a>', encoding="utf-8")
    offline_site(source, tmp_path / "offline", npm)
