"""The website: it builds, a broken chapter stops it, its pages are whole and fit every screen."""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import formulas
import freshness
import pytest
from bs4 import BeautifulSoup, Tag
from handouts import SAMPLE_OR_WHOLE
from sphinx.errors import ExtensionError
from stills import stills
from website import ROOT, book_folder, build, pages_of, switch_theme, write_page

import rfm_tutorial

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def read(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def article(page: BeautifulSoup) -> Tag:
    """Return what the authors wrote, without the frame around it."""
    found = page.find("article")
    assert isinstance(found, Tag)
    return found


# A book of one page, with the project's own settings.


@pytest.fixture
def small_book(tmp_path: Path) -> Path:
    return book_folder(tmp_path)


@pytest.mark.slow
def test_a_broken_notebook_fails_the_build(small_book: Path) -> None:
    write_page(small_book, "1 / 0")
    run = build(small_book)
    assert run.returncode != 0
    assert "ZeroDivisionError" in run.stdout + run.stderr


@pytest.mark.slow
def test_noise_on_stderr_fails_the_build(small_book: Path) -> None:
    write_page(small_book, "import sys; print('careful', file=sys.stderr)")
    run = build(small_book)
    assert run.returncode != 0
    assert "stderr was found in the cell outputs" in run.stdout + run.stderr


FIGURE = """
import matplotlib.pyplot as plt
from io import BytesIO
from IPython.display import display
figure, axes = plt.subplots()
axes.plot([1, 2])
png = BytesIO()
figure.savefig(png)
plt.close(figure)
display({"image/png": png.getvalue(), "text/plain": f"A line from {1} to {2}."}, raw=True)
"""


@pytest.mark.slow
def test_a_sound_notebook_builds_and_again_when_what_it_needs_has_changed(small_book: Path) -> None:
    write_page(small_book, FIGURE, "open('../rfm_tutorial/part.js').read()")
    part, style = (
        small_book / name for name in ("rfm_tutorial/part.js", "book/_static/custom.css")
    )
    part.write_text("before", encoding="utf-8")
    style.write_text("/* before */", encoding="utf-8")
    # One at a time: a build that reads the page again copies style sheets, too.
    for path, content in ((None, ""), (part, "after"), (style, "/* after */")):
        if path is not None:
            path.write_text(content, encoding="utf-8")
        run = build(small_book)
        assert run.returncode == 0, run.stdout + run.stderr
        page = read(small_book / "_build/html/book/page.html")
        (caption,) = article(page).select("figcaption p")
        assert caption.get_text().startswith("Figure 1 A line from 1 to 2.")
        assert page.select(".cell_output")[-1].get_text().strip() == repr(part.read_text())
        assert (small_book / "_build/html/_static/custom.css").read_text() == style.read_text()


def test_fingerprint_follows_contents_and_names(tmp_path: Path) -> None:
    def current() -> str:
        return freshness.fingerprint(tmp_path, "package", "lock.txt")

    module = tmp_path / "package/sub/module.py"
    module.parent.mkdir(parents=True)
    seen = [current()]
    for change in (
        lambda: module.write_text("x = 1\n", encoding="utf-8"),
        lambda: module.write_text("x = 2\n", encoding="utf-8"),
        lambda: module.rename(module.with_name("other.py")),
        lambda: (tmp_path / "lock.txt").write_text("numpy==2\n", encoding="utf-8"),
    ):
        change()
        seen.append(current())
    assert len(set(seen)) == len(seen)

    (tmp_path / "package/__pycache__").mkdir()
    (tmp_path / "package/__pycache__/other.cpython-311.pyc").write_bytes(b"")
    (tmp_path / "elsewhere.py").touch()
    assert current() == seen[-1]


def test_a_formula_is_text_for_the_eye_and_mathml_for_the_ear() -> None:
    formulas.typeset([("x^2", False), ("x^2", True)], "a page")
    for display in (False, True):
        typeset = BeautifulSoup(formulas.TYPESET["x^2", display], "html.parser")
        assert bool(typeset.select(".katex-display")) == display
        assert typeset.select("math msup mi")[0].get_text() == "x"
        assert typeset.select("[aria-hidden=true]")[0].get_text() == "x2"


def test_a_formula_that_nobody_can_typeset_is_named_with_its_page() -> None:
    with pytest.raises(ExtensionError, match=r"chapter: a formula .*\\nosuch"):
        formulas.typeset([(r"\nosuch", False)], "chapter")


def test_an_explorable_that_cannot_be_drawn_fails_the_build() -> None:
    broken = "export default { render() { throw new Error('no pencil'); } };"
    with pytest.raises(ExtensionError, match="no pencil"):
        stills([{"state": {"_esm": broken}}])


# The real book.


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, BeautifulSoup]:
    return {path: read(path) for path in pages_of(site)}


@pytest.mark.site
def test_the_path_that_is_printed_leads_to_the_front_page(site: Path) -> None:
    assert 'url=book/index.html"' in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "book/index.html").is_file()


@pytest.mark.site
def test_no_page_shows_a_traceback(pages: dict[Path, BeautifulSoup]) -> None:
    sign = "Traceback (most recent call last)"
    assert not [path.name for path, page in pages.items() if sign in page.get_text()]


@pytest.mark.site
def test_the_reference_has_every_public_name(pages: dict[Path, BeautifulSoup]) -> None:
    documented = {
        str(tag["id"]).rpartition(".")[2]
        for path, page in pages.items()
        if path.parent.name == "api"
        for tag in page.select("dt[id^=rfm_tutorial]")
    }
    assert set(rfm_tutorial.__all__) <= documented
    assert {"run_sweep", "Grid", "read_sweep", "claim", "check"} <= documented


@pytest.mark.site
def test_the_status_page_has_time_and_memory_of_every_notebook(
    pages: dict[Path, BeautifulSoup], site: Path
) -> None:
    table = pages[site / "book/status.html"].select_one("table")
    assert table is not None
    measured = {}
    for link in table.select("a"):
        row = link.find_parent("tr")
        assert row is not None
        _, seconds, megabytes = (cell.get_text() for cell in row.select("td"))
        measured[Path(str(link["href"])).stem] = float(seconds), float(megabytes)
    notebooks = {path.stem for path in (ROOT / "book").glob("*.ipynb")}
    assert measured.keys() == notebooks | {"index"}
    assert all(seconds > 0.5 for seconds, _ in measured.values())
    assert all(50 < megabytes < 8000 for _, megabytes in measured.values())


@pytest.mark.site
def test_every_internal_link_and_image_leads_somewhere(pages: dict[Path, BeautifulSoup]) -> None:
    ids = {path: {str(tag["id"]) for tag in page.find_all(id=True)} for path, page in pages.items()}
    broken = []
    for path, page in pages.items():
        links = [tag["href"] for tag in page.find_all(["a", "link"], href=True)]
        links += [tag["src"] for tag in page.find_all(["img", "script"], src=True)]
        for link in map(str, links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            missing_anchor = target in ids and parts.fragment and parts.fragment not in ids[target]
            if not target.is_file() or missing_anchor:
                broken.append(f"{path.name}: {link}")
    assert not broken


# What a browser fetches when it opens a page.
FETCHED = "[src], link[rel~=stylesheet], link[rel~=icon], link[rel$=preload]"


@pytest.mark.site
def test_no_page_fetches_from_elsewhere_and_only_those_with_formulas_their_style(
    pages: dict[Path, BeautifulSoup],
) -> None:
    for path, page in pages.items():
        asked = [str(tag.get("src") or tag.get("href")) for tag in page.select(FETCHED)]
        assert not [url for url in asked if re.match("(https?:)?//", url)], path
        styled = any("katex.min.css" in url for url in asked)
        assert styled == bool(page.select(".katex")), path
        assert len(page.select(".katex math")) == len(page.select(".katex")), path


@pytest.mark.site
def test_every_image_says_what_it_shows(pages: dict[Path, BeautifulSoup]) -> None:
    silent = []
    for path, page in pages.items():
        for image in article(page).find_all("img"):
            caption = image.find_next_sibling("figcaption")
            alt = caption.get_text() if caption else str(image.get("alt") or "")
            if len(alt.split()) < 8 or alt.startswith("<") or re.search(r"\.(png|svg|jpe?g)$", alt):
                silent.append(f"{path.name}: {alt!r}")
    assert not silent


# The real book in a browser.


# Everything that a page may get wrong on one screen, measured in one go.
MEASURE = """async () => {
  const root = document.documentElement;
  const images = [...document.querySelectorAll("article img")];
  for (const image of images) image.loading = "eager";
  await Promise.allSettled(images.map(image => image.decode()));
  const name = image => image.alt || image.src;
  return {
    scrolls_sideways_by: Math.max(0, root.scrollWidth - root.clientWidth),
    broken: images.filter(i => !i.complete || i.naturalWidth === 0).map(name),
    cut_off: images.filter(i => i.getBoundingClientRect().right > root.clientWidth).map(name),
    filtered: images.filter(i => getComputedStyle(i).filter !== "none").map(name),
  };
}"""


@pytest.mark.site
@pytest.mark.browser
@pytest.mark.parametrize("pages", SAMPLE_OR_WHOLE)
def test_pages_fit_the_screen_in_both_themes(
    browser: "Browser", address: str, site: Path, pages: str
) -> None:
    """All pages in light; in dark, which changes colours and hardly ever sizes, a part of them."""
    context = browser.new_context(color_scheme="light")
    # Nothing from outside, such as the formula renderer: a page must hold without it.
    context.route(lambda url: not url.startswith(address), lambda route: route.abort())
    page = context.new_page()
    wrong = {}
    for number, path in enumerate(pages_of(site)):
        page.goto(f"{address}/{path.relative_to(site)}")
        for theme in ("light", "dark") if pages == "whole" or number % 4 == 0 else ("light",):
            switch_theme(page, theme)
            for width in (390, 1280):
                page.set_viewport_size({"width": width, "height": 844})
                faults = {what: found for what, found in page.evaluate(MEASURE).items() if found}
                if faults:
                    wrong[path.name, theme, width] = faults
    context.close()
    assert wrong == {}
