"""Sphinx extension: a table of what each chapter took to run, as measured.

The cache of executed notebooks keeps it (see `execution`): a page that is not
executed again keeps what was measured when it was.
"""

import os
from pathlib import Path
from typing import Any

import torch
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective


def measured(app: Sphinx) -> dict[str, dict[str, float]]:
    """What running each page took, by the page's name."""
    cache = get_cache(app.config["nb_execution_cache_path"])
    pages = {
        str(Path(app.env.doc2path(page))): page for page in app.env.found_docs
    }
    return {
        pages[record.uri]: record.data  # pyright: ignore
        for record in cache.list_cache_records()
        if record.uri in pages
    }


class StatusNode(nodes.General, nodes.Element):
    """Where the table is to stand."""


class ChapterStatus(SphinxDirective):
    """`chapter-status`: the table."""

    def run(self) -> list[nodes.Node]:
        """Wait until all chapters have run."""
        self.env.metadata[self.env.docname]["has_status"] = True
        return [StatusNode()]


class FillStatus(SphinxPostTransform):
    """Put the table in its place, and what it was measured on."""

    default_priority = 8

    def run(self, **_: Any) -> None:
        """Visit every place."""
        for node in list(self.document.findall(StatusNode)):
            node.replace_self(self.table())

    def table(self) -> list[nodes.Node]:
        """Return the table, one row a page, and a sentence."""
        taken = measured(self.app)
        rows: list[tuple[nodes.Node | str, str, str]] = []
        total = 0.0
        for docname in sorted(self.env.found_docs):
            data = taken.get(docname)
            if data is None:
                continue
            seconds = data["execution_seconds"]
            total += seconds
            peak = data.get("peak_bytes")  # not if myst-nb had to execute it
            megabytes = "—" if peak is None else f"{peak / 1e6:.0f}"
            uri = self.app.builder.get_relative_uri(self.env.docname, docname)
            title = self.env.titles[docname].astext()
            link = nodes.reference("", title, internal=True, refuri=uri)
            rows.append((link, f"{seconds:.1f}", megabytes))
        rows.append(("all", f"{total:.0f}", ""))
        head = ("page", "seconds", "memory at the most, MB")
        sentence = (
            f"Measured with torch {torch.__version__.partition('+')[0]} on a "
            f"machine with {os.cpu_count()} processor cores."
        )
        return [_table(head, rows), nodes.paragraph(text=sentence)]


def _row(entries: tuple[nodes.Node | str, ...]) -> nodes.row:
    row = nodes.row()
    for entry in entries:
        content = nodes.Text(entry) if isinstance(entry, str) else entry
        row += nodes.entry("", nodes.paragraph("", "", content))
    return row


def _table(
    head: tuple[str, ...], rows: list[tuple[nodes.Node | str, str, str]]
) -> nodes.table:
    body = nodes.tbody("", *(_row(row) for row in rows))
    columns = [nodes.colspec(colwidth=width) for width in (60, 15, 25)]
    group = nodes.tgroup("", *columns, nodes.thead("", _row(head)), body)
    group["cols"] = len(columns)
    return nodes.table("", group)


def pages_with_a_table(_app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Have them written every time: what they show may have changed."""
    return [
        page for page, data in env.metadata.items() if "has_status" in data
    ]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register directive and table."""
    app.add_node(StatusNode)
    app.add_directive("chapter-status", ChapterStatus)
    app.add_post_transform(FillStatus)
    app.connect("env-updated", pages_with_a_table)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
