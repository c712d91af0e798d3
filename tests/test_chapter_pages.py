"""What the build makes of a chapter: captions, folded claims and cells, times."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell
from times import line, minutes_of_exercises
from website import book_folder, build, write_page

pytestmark = pytest.mark.slow

PNG = """
import base64
from IPython.display import display
def show(*sentences):
    png = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4"
        "nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
    )
    for sentence in sentences:
        forms = {"image/png": base64.b64decode(png), "text/plain": sentence}
        display(forms, raw=True, metadata={"image/png": {"alt": sentence, "width": 340}})
check = claim = print
"""


def code(source: str, *tags: str):
    return new_code_cell(source, metadata={"tags": list(tags)})


CELLS = [
    PNG,
    "claim('✓ before the first section')",
    new_markdown_cell("## First\n\nAs {numref}`fig-two` says."),
    "show('A first sentence.')\nprint('0.5')\nclaim('✓ 0 < 1')",
    code("show('Of two, one.', 'Of two, the other.')", "fig-two", "hide-input"),
    new_markdown_cell("### Below\n\n"),
    code("claim('✓ in a folded cell')", "hide-cell"),
    code("claim('✓ in view')", "claim-in-view"),
    "claim('✓ held')\nclaim('✗ failed')",
    new_markdown_cell(
        "## Exercises\n\n:::{exercise} One\n:label: one\n\n★☆☆ · 10 minutes\n\nDo.\n:::"
    ),
    "check('✗ a.b, rung 1 of 3\\n  go on')",
    "check('not yet: write down your guess')",
    "check('✓ a.c: right')",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = book_folder(tmp_path_factory.mktemp("book"))
    write_page(folder, *CELLS)
    run = build(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> BeautifulSoup:
    return BeautifulSoup((folder / "_build/html/book/page.html").read_text("utf-8"), "html.parser")


def test_each_figure_has_its_sentence_as_a_numbered_caption(page: BeautifulSoup) -> None:
    figures = page.select("article figure")
    captions = [figure.select("figcaption p")[0].get_text() for figure in figures]
    assert [caption.removesuffix("#") for caption in captions] == [
        "Figure 1 A first sentence.",
        "Figure 2 Of two, one.",
        "Figure 3 Of two, the other.",
    ]
    assert [figure["id"] for figure in figures] == ["figure-1", "fig-two", "figure-3"]
    assert {figure.select("img")[0]["alt"] for figure in figures} == {
        "Picture, described in its caption"
    }
    assert all(figure["style"] == "width: 340px" for figure in figures)
    (reference,) = page.select("article a[href='#fig-two'] .std-numref")
    assert reference.get_text() == "Figure 2"


def test_claims_are_folded_at_the_end_of_their_section(page: BeautifulSoup) -> None:
    folds = {
        fold.select("summary")[0].get_text(): [item.get_text() for item in fold.select("li")]
        for fold in page.select("details.claims")
    }
    assert folds == {
        "1 claim checked so far": ["before the first section"],
        "2 claims checked in this section": ["0 < 1", "in a folded cell"],
        "1 claim checked in this section": ["a.c: right"],
    }
    first = page.select("#first > details.claims")
    assert len(first) == 1
    assert first[0].find_next_sibling("section") is None
    assert page.select("details.claims")[0].find_next_sibling("section")["id"] == "first"
    assert not page.select("details.claims[open]")


def test_what_stays_in_view_and_what_is_left_out(page: BeautifulSoup) -> None:
    outputs = [block.get_text().strip() for block in page.select(".cell_output pre")]
    assert outputs == ["0.5", "✓ in view", "✓ held\n✗ failed"]


def test_a_folded_cell_says_what_is_in_it(page: BeautifulSoup) -> None:
    labels = [
        [part.get_text() for part in fold.select("summary p")]
        for fold in page.select("details.hide")
    ]
    assert labels == [
        ["Show the code", "Hide the code"],
        ["Show the code and what it gives", "Hide the code and what it gives"],
    ]


def test_a_chapter_begins_with_its_times(page: BeautifulSoup) -> None:
    (times,) = page.select("h1 + .page-times")
    parts = times.get_text().split(" · ")
    assert parts[0] == "Reading 1 min"
    assert parts[1].startswith("runs in ")
    assert parts[2] == "exercises 10 min"


def test_times_are_counted_from_what_is_in_view() -> None:
    fold = '<div class="dropdown">' + "word " * 999 + "</div>"
    task = '<div class="exercise">★☆☆ · {} minutes. Not 99 minutes.</div>'
    text = "word " * 2300 + fold + task.format(10) + task.format(25)
    page = BeautifulSoup(text, "html.parser")
    assert minutes_of_exercises(page) == 35
    assert line(page, 26.4) == "Reading 10 min · runs in 26 s · exercises 35 min"
    assert line(BeautifulSoup("word", "html.parser"), None) == "Reading 1 min"
