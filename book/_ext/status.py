"""Sphinx extension: a table of what each chapter took to run, as measured.

myst-nb knows how long a notebook took. Its memory is watched here, while
Sphinx reads the page: that is when the notebook is executed. A page from the
cache is not executed, and keeps what was measured when it was; the
measurements lie beside the cache and go with it.
"""

import json
import os
import threading
from pathlib import Path
from typing import Any, cast

import psutil
import torch
from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector, SphinxEnvType
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

SECONDS_BETWEEN_LOOKS = 0.1


class Watch:
    """The most memory that the processes below this one have at once."""

    def __init__(self) -> None:
        """Begin to look."""
        self.peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        here = psutil.Process()
        while not self._stop.wait(SECONDS_BETWEEN_LOOKS):
            total = 0
            for process in here.children(recursive=True):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:  # it has ended since
                    continue
            self.peak = max(self.peak, total)

    def end(self) -> int:
        """Stop looking; return bytes, 0 if there was no process."""
        self._stop.set()
        self._thread.join()
        return self.peak


watched: dict[str, Watch] = {}


def _measurements(app: Sphinx) -> Path:
    return Path(app.config["nb_execution_cache_path"]) / "memory.json"


def _read(path: Path) -> dict[str, int]:
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def begin(_app: Sphinx, docname: str, _source: list[str]) -> None:
    """Watch a page's execution, if it has any."""
    watched[docname] = Watch()


def end(app: Sphinx, _doctree: nodes.document) -> None:
    """Note what was seen, if the notebook was executed at all."""
    docname = app.env.docname
    if docname in watched:
        peak = watched.pop(docname).end()
        if peak:
            path = _measurements(app)
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(_read(path) | {docname: peak}, indent=1)
            path.write_text(text, "utf-8")


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
        memory = _read(_measurements(self.app))
        data = NbMetadataCollector.get_doc_data(cast(SphinxEnvType, self.env))
        rows: list[tuple[nodes.Node | str, str, str]] = []
        total = 0.0
        for docname in sorted(data):
            seconds = (data[docname].get("exec_data") or {}).get("runtime")
            if seconds is None:
                continue
            total += seconds
            uri = self.app.builder.get_relative_uri(self.env.docname, docname)
            title = self.env.titles[docname].astext()
            link = nodes.reference("", title, internal=True, refuri=uri)
            peak = f"{memory[docname] / 1e6:.0f}" if docname in memory else "—"
            rows.append((link, f"{seconds:.1f}", peak))
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
    """Register directive, watch and table."""
    app.add_node(StatusNode)
    app.add_directive("chapter-status", ChapterStatus)
    app.add_post_transform(FillStatus)
    app.connect("source-read", begin)
    app.connect("doctree-read", end)
    app.connect("env-updated", pages_with_a_table)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
