"""Sphinx extension: a map of what needs what, drawn from book/map.toml.

The directive `map` is a list of links, each with its question and its times,
and beside it an arc from each page to those that it needs. A list can be read
aloud and walked with the Tab key; the arcs are said in words, too.
"""

import tomllib
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

ROW, WIDTH = 84, 110  # of a line of the map, and of the arcs beside it, in px


def arcs(needs: list[list[int]]) -> str:
    """An SVG with a dot for each page, and an arc to each that it needs."""
    middle = [ROW * place + ROW / 2 for place in range(len(needs))]
    lines = []
    for place, others in enumerate(needs):
        for other in others:
            top, bottom = middle[other], middle[place]
            out = WIDTH - 12 - min(WIDTH - 16, 14 * (place - other))
            x = WIDTH - 8
            curve = f"M{x} {top} C{out} {top} {out} {bottom} {x} {bottom}"
            lines.append(f'<path d="{curve}"/>')
    dots = [f'<circle cx="{WIDTH - 8}" cy="{y}" r="4"/>' for y in middle]
    height = ROW * len(needs)
    return (
        f'<svg aria-hidden="true" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}">{"".join(lines + dots)}</svg>'
    )


class Map(SphinxDirective):
    """`map`: the list with its arcs; times are written when all pages are."""

    def run(self) -> list[nodes.Node]:
        """Read the file and write the list."""
        source = Path(self.env.srcdir, "book/map.toml")
        self.env.note_dependency(str(source))
        pages = tomllib.loads(source.read_text("utf-8"))["page"]
        order = [page["file"] for page in pages]
        needs = [[order.index(o) for o in page["needs"]] for page in pages]
        if any(o >= place for place, row in enumerate(needs) for o in row):
            raise ExtensionError(
                "map.toml: a page stands before what it needs"
            )
        items = "".join(
            f'<li><a data-page="{page["file"]}"></a> '
            f"<em>{page['asks']}</em>"
            f'<span class="times" data-page="{page["file"]}"></span>'
            f'<span class="visually-hidden" data-needs="'
            f'{" ".join(page["needs"])}"></span></li>'
            for page in pages
        )
        html = f'<div class="book-map">{arcs(needs)}<ul>{items}</ul></div>'
        return [nodes.raw("", html, format="html")]


def fill(app: Sphinx, problem: Exception | None) -> None:
    """Write titles, addresses and times into the map, from the pages."""
    if problem or app.builder.format != "html":
        return
    root = app.config["root_doc"]
    page = Path(app.outdir, f"{root}.html")
    soup = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    if not soup.select(".book-map"):
        return

    def title(name: str) -> str:
        if name not in app.env.titles:
            raise ExtensionError(f"map.toml: there is no page {name}")
        numbers = app.env.toc_secnumbers.get(name, {}).get("", ())
        return " ".join([*map(str, numbers), app.env.titles[name].astext()])

    for link in soup.select(".book-map a"):
        name = str(link["data-page"])
        link.string = title(name)
        link["href"] = app.builder.get_relative_uri(root, name)
    for span in soup.select(".book-map .times"):
        text = Path(app.outdir, f"{span['data-page']}.html").read_text("utf-8")
        times = BeautifulSoup(text, "html.parser").select_one(".page-times")
        span.string = times.get_text() if times else ""
    for span in soup.select(".book-map [data-needs]"):
        names = str(span["data-needs"]).split()
        span.string = f"Needs {', '.join(map(title, names))}." if names else ""
    page.write_text(str(soup), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive and the last step of a build."""
    app.add_directive("map", Map)
    app.connect("build-finished", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
