"""Sphinx extension: what a page offers once the project has an address.

`repository_url` in _config.yml is the one setting; it is empty as long as no
address is known. With it pages get launch, edit and issue buttons, canonical
addresses, a sitemap and a 404 page; the site gets a wheel of the package, and
every downloaded notebook a first cell that installs it. A repository
of GitHub has its site at a known place; `website_url` names any other.
"""

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import numpy as np
from matplotlib import image
from nbformat.v4 import new_code_cell
from sphinx.application import Sphinx
from sphinx.config import Config

BRANCH = "main"
PUBLISHED = "gh-pages"
"""The branch that holds the site; Colab opens notebooks from it."""
FOLDER = "_static/run"
"""Of the wheel, and of the files that notebooks read."""
LOST = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>No such page</title>
<h1>There is no page at this address</h1>
<p>It may have moved: the <a href="{site}">front page</a> leads to all, and the
<a href="{site}search.html">search</a> finds what they say.</p>
</html>
"""
COLOURS = [
    *((0, 114, 178), (252, 252, 250), (240, 181, 138), (213, 94, 0)),
    *((240, 181, 138), (252, 252, 250), (156, 199, 227), (61, 143, 196)),
]
"""Of the stripes in the logo."""
READ_BY_NOTEBOOKS = ("runs/*", "*.json", "*.toml", "*.ipynb")
READS = re.compile(r"""["'](runs/|seconds\.json)|\bPath\(""")


def site_of(repository: str) -> str:
    """Where a repository of GitHub publishes its site; "" for any other."""
    parts = urlsplit(repository)
    owner, _, name = parts.path.strip("/").removesuffix(".git").partition("/")
    if parts.hostname != "github.com" or not name:
        return ""
    return f"https://{owner.lower()}.github.io/{name}/"


def turn_on(app: Sphinx, config: Config) -> None:
    """Derive all settings from the one."""
    repository = config["repository_url"].rstrip("/")
    site = config["website_url"] or site_of(repository)
    config["website_url"] = site and f"{site.rstrip('/')}/"
    config["html_baseurl"] = config["ogp_site_url"] = config["website_url"]
    if site:
        app.setup_extension("sphinx_sitemap")
        config["sitemap_url_scheme"] = "{link}"
    if repository:
        config["html_theme_options"] |= {
            "repository_url": repository,
            "repository_branch": BRANCH,
            "path_to_docs": "",
            "use_repository_button": True,
            "use_edit_page_button": True,
            "use_issues_button": True,
            "launch_buttons": {
                "binderhub_url": "https://mybinder.org",
                "colab_url": "https://colab.research.google.com",
                "notebook_interface": "jupyterlab",
            },
        }


def adapt(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], _: Any
) -> None:
    """Have Colab open the notebook that installs what it needs."""
    if page == app.config["root_doc"]:
        context["docstitle"] = ""  # the title of the page is that of the book
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("text") == "Colab":
                button["url"] = button["url"].replace(
                    f"/blob/{BRANCH}/", f"/blob/{PUBLISHED}/_sources/"
                )


def first_cell(notebook: nbformat.NotebookNode, site: str, wheel: str) -> str:
    """What a notebook has to run before its own first cell, elsewhere."""
    url = f"{site}{FOLDER}/"
    lines = [f'%pip install --quiet "rfm-tutorial[notebooks] @ {url}{wheel}"']
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    if READS.search(code):
        lines += [
            "import io, urllib.request, zipfile",
            f'files = urllib.request.urlopen("{url}files.zip").read()',
            "zipfile.ZipFile(io.BytesIO(files)).extractall()",
        ]
    return "\n".join(lines)


def draw_preview(path: Path) -> None:
    """Squares that turn into stripes from left to right, 1200 × 630 pixels."""
    rng, (rows, columns) = np.random.default_rng(0), np.mgrid[:21, :40]
    stripes = (columns - rows) % len(COLOURS)
    turned = rng.random(stripes.shape) < columns / columns.max()
    shown = np.where(turned, stripes, rng.permuted(stripes))
    image.imsave(
        path, np.array(COLOURS)[shown].repeat(30, 0).repeat(30, 1) / 255
    )


def offer(app: Sphinx, problem: Exception | None) -> None:
    """Put the wheel and the files into the site, and say so in notebooks."""
    if problem or app.builder.format != "html":
        return
    root, out = Path(app.srcdir), Path(app.outdir)
    draw_preview(out / "_static/preview.png")
    if not (site := app.config["website_url"]):
        return
    (out / "404.html").write_text(LOST.format(site=site), "utf-8")
    target = out / FOLDER
    command = ["hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run(
        [sys.executable, "-m", *command, target],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (wheel,) = target.glob("*.whl")
    book = root / "book"
    with zipfile.ZipFile(target / "files.zip", "w") as files:
        for pattern in READ_BY_NOTEBOOKS:
            for path in sorted(book.glob(pattern)):
                files.write(path, path.relative_to(book))
    for path in sorted((out / "_sources").rglob("*.ipynb")):
        source = root / path.relative_to(out / "_sources")
        if not source.is_file():
            continue
        notebook = nbformat.read(source, as_version=4)
        cell = new_code_cell(first_cell(notebook, site, wheel.name))
        notebook.cells.insert(0, cell)
        nbformat.write(notebook, path)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the settings and the last step of a build."""
    app.setup_extension("sphinxext.opengraph")
    app.add_config_value("repository_url", "", "html")
    app.add_config_value("website_url", "", "html")
    app.connect("config-inited", turn_on, priority=100)
    app.connect("html-page-context", adapt, priority=900)
    app.connect("build-finished", offer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
