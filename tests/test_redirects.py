"""A page that got another name is still found at its old address."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from website import book_folder, build, pages_of, write_page

pytestmark = pytest.mark.slow


def build_with(folder: Path, redirects: str) -> str:
    """Build a book of one page; return what the build says, if it fails."""
    book_folder(folder)
    config = folder / "_config.yml"
    text = config.read_text("utf-8").replace("redirects: {}", f"redirects: {redirects}")
    assert redirects in text
    config.write_text(text, "utf-8")
    write_page(folder)
    run = build(folder)
    return run.stdout + run.stderr if run.returncode else ""


def test_an_old_address_leads_to_the_page(tmp_path: Path) -> None:
    assert build_with(tmp_path, "{book/old/name: book/page}") == ""
    site = tmp_path / "_build/html"
    old = BeautifulSoup((site / "book/old/name.html").read_text("utf-8"), "html.parser")
    (link,) = old.select("a")
    assert link["href"] == "../page.html"
    assert 'location.replace("../page.html" + location.hash)' in old.select("script")[0].text
    assert pages_of(site) == [site / "book/page.html"]


def test_a_redirect_to_nowhere_fails_the_build(tmp_path: Path) -> None:
    said = build_with(tmp_path, "{book/old: book/nowhere}")
    assert "book/old must be gone and book/nowhere must be there" in said
