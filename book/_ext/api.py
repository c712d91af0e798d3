"""Sphinx extension: module docstrings may hold tables set in plain text.

autodoc reads docstrings as reStructuredText. Those of functions and classes
are written so that they are; some paragraphs of a module's are laid out by
hand, and are shown as they stand.
"""

import itertools
import re
from typing import Any

from sphinx.application import Sphinx

LAID_OUT = re.compile(r"^\s|\S {2,}\S")
"""Indented, or with columns."""


def keep_layout(_app: Sphinx, what: str, *rest: Any) -> None:
    """Turn the paragraphs of a module's text that need it into blocks."""
    if what != "module":
        return
    lines: list[str] = rest[-1]
    shown = []
    for empty, group in itertools.groupby(
        lines, lambda line: not line.strip()
    ):
        paragraph = list(group)
        if not empty and any(LAID_OUT.search(line) for line in paragraph):
            paragraph = [f"   {line}" for line in paragraph]
            paragraph[:0] = [".. code-block:: text", ""]
        shown += paragraph
    lines[:] = [*shown, ""]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the change."""
    app.connect("autodoc-process-docstring", keep_layout)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
