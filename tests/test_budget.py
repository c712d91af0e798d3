"""How much of a reader's time each chapter takes, counted on its built page.

`make counts` prints the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bs4 import BeautifulSoup, Tag
from prose import visible, words
from website import Visit, wait_until_shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CONTRACT = {
    "words": 3000,  # of prose in view
    "lines": 250,  # of code in view
    "screens": 20,  # of 1280 × 800
    "words a figure": 250,
    "first figure": 1,  # its middle, in screens from the top
    "claims": 8,  # in view
}
"""At most, for a chapter."""

CEILINGS: dict[str, tuple[float, ...]] = {
    # words, lines, screens, words a figure, first figure, claims
    "01-clock-arithmetic": (3000, 250, 23.2, 250, 1, 8),
    "02-kernel-machines": (3000, 250, 24, 250, 1, 8),
    "03-agop": (3000, 250, 24.2, 250, 1, 8),
    "04-rfm-loop": (3000, 250, 27.7, 250, 1, 8),
    "05-grokking": (3000, 250, 20.5, 250, 1, 8),
    "06-feature-emergence": (3000, 250, 22.9, 250, 1, 8),
    "07-circulant-blocks": (3000, 250, 26.6, 250, 1, 8),
    "08-any-circulant": (3000, 250, 26.1, 250, 1, 8),
    "09-neural-networks": (3000, 250, 22.3, 250, 1, 8),
    "10-fourier-multiplication": (3000, 250, 26.1, 250, 1, 8),
    "11-where-it-fails": (3250, 250, 26.6, 250, 1, 8),
    "12-ledger": (3000, 250, 20, 950, 1, 8),
    "13-symmetry-trap": (2500, 200, 20, 250, 1, 8),
    "14-which-tables": (2700, 200, 21.5, 250, 1, 8),
    "15-how-much": (2400, 200, 20, 250, 1, 8),
    "16-other-laws": (2700, 220, 22, 250, 1, 8),
}
"""Chapters above the contract, with what they may take; to be lowered until none is left."""

SLACK = {"screens": 0.5}  # how a line breaks is the machine's fonts

FIGURES = "figure, script[type='application/vnd.jupyter.widget-view+json']"


def chapters(site: Path) -> dict[str, Tag]:
    """The articles of the numbered pages, by name."""
    found = {}
    for path in sorted((site / "book").glob("*.html")):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        if page.select_one("article h1 > .section-number"):
            article = page.find("article")
            assert isinstance(article, Tag)
            found[path.stem] = article
    return found


def lines_of(article: Tag, blocks: str) -> list[str]:
    """The lines in view of what is set in typewriter, without empty ones."""
    text = "\n".join(block.get_text() for block in visible(article).select(blocks))
    return [line for line in text.split("\n") if line.strip()]


def counted(article: Tag) -> dict[str, float]:
    """What can be counted without a browser."""
    outputs = lines_of(article, ".cell_output pre")
    code = len(lines_of(article, "pre")) - len(outputs)
    figures, prose = len(visible(article).select(FIGURES)), words(article)
    return {
        "words": prose,
        "lines": code,
        "figures": figures,
        "words a figure": round(prose / max(1, figures)),
        "claims": sum(line.startswith("✓") for line in outputs),
    }


# Measured with the fonts of its formulas: the page, and how far down its first figure stands.
MEASURE = """async () => {
  await document.fonts.ready;
  const first = document.querySelector("article figure, article .rfm-explorable");
  const box = first?.getBoundingClientRect();
  return [document.documentElement.scrollHeight, box ? box.top + box.height / 2 : Infinity];
}"""


def measured(page: Page, url: str) -> dict[str, float]:
    """What the browser has to lay out first."""
    page.goto(url, wait_until="load")
    wait_until_shown(page)
    names = "screens", "first figure"
    return {
        name: round(pixels / 800, 1)
        for name, pixels in zip(names, page.evaluate(MEASURE), strict=True)
    }


@pytest.fixture(scope="module")
def counts(browser: Browser, site: Path, address: str) -> dict[str, dict[str, float]]:
    screen = {"width": 1280, "height": 800}
    with Visit(browser, address, viewport=screen, reduced_motion="reduce") as visit:
        return {
            name: counted(article) | measured(visit.page, f"{address}/book/{name}.html")
            for name, article in chapters(site).items()
        }


def table(counts: dict[str, dict[str, float]]) -> str:
    """A row a chapter and their sums; ! marks what is above the contract."""
    columns = list(next(iter(counts.values())))
    rows = [" " * 26 + "".join(f"{column:>14s} " for column in columns)]
    for name, row in counts.items():
        cells = [
            f"{value:14g}{'!' if value > CONTRACT.get(column, value) else ' '}"
            for column, value in row.items()
        ]
        rows.append(f"{name:26s}" + "".join(cells))
    sums = {column: sum(row[column] for row in counts.values()) for column in columns}
    sums["words a figure"] = round(sums["words"] / sums["figures"])
    del sums["first figure"]
    rows.append(f"{'all':26s}" + "".join(f"{value:14g} " for value in sums.values()))
    return "\n".join(rows)


@pytest.mark.site
@pytest.mark.browser
def test_each_chapter_keeps_to_its_budget(counts: dict[str, dict[str, float]]) -> None:
    print("\n" + table(counts))
    above = []
    for name, row in counts.items():
        limits = CEILINGS.get(name, CONTRACT.values())
        for what, limit in zip(CONTRACT, limits, strict=True):
            if row[what] > limit + SLACK.get(what, 0):
                above.append(f"{name}: {what} {row[what]:g}, at most {limit:g}")
    assert not above


@pytest.mark.site
def test_each_figure_has_a_numbered_caption(site: Path) -> None:
    silent = [
        f"{name}: {figure.get_text()!r}"
        for name, article in chapters(site).items()
        for figure in article.select("figure")
        if figure.select_one(".caption-number") is None
        or len(figure.select("figcaption")[0].get_text().split()) < 8
    ]
    assert not silent


def test_what_is_counted() -> None:
    page = """<article><h1>One two</h1>
    <p>three <span class="math">x+y</span></p><div class="dropdown admonition">nor this</div>
    <div class="highlight-python"><pre>code\nin the prose\n</pre></div>
    <details><div class="cell"><pre>folded</pre></div></details>
    <div class="cell"><div class="cell_input"><pre>a\n\nb\n</pre></div>
    <div class="cell_output"><pre>0.5\n✓ a claim\n</pre><figure>Not prose</figure></div></div>
    </article>"""
    assert counted(BeautifulSoup(page, "html.parser").select("article")[0]) == {
        "words": 4,
        "lines": 4,
        "figures": 1,
        "words a figure": 4,
        "claims": 1,
    }
