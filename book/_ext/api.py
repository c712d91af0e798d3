"""Sphinx extension: module docstrings may hold tables set in plain text.

autodoc reads docstrings as reStructuredText. Those of functions and classes
are written so that they are; some paragraphs of a module's are laid out by
hand, and are shown as they stand. The source of a formula, "Source: ..." in a
docstring, is a section of its own: else it would be one more of the errors
above it. What a parameter is stands after its name, where others write types.
"""

import itertools
import re
from typing import Any

from sphinx.application import Sphinx

LAID_OUT = re.compile(r"^\s|\S {2,}\S")
"""Indented, or with columns."""

ENTRY = re.compile(r"^(\w+(?:, \w+)*) : (.+)$")
"""A parameter and what it is, which napoleon would take for its type."""


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


def read_as_written(_app: Sphinx, what: str, *rest: Any) -> None:
    """Give the source a section, and parameters descriptions, not types."""
    lines: list[str] = rest[-1]
    if what == "module":
        return
    shown = []
    for line in lines:
        if line.startswith("Source: "):
            shown += ["Source", "------", line.removeprefix("Source: ")]
        elif line == "Attributes (after `fit`)":
            shown.append("Attributes after fit")  # no markup in such names
        elif entry := ENTRY.match(line):
            shown += [entry[1], f"    {entry[2]}"]
        else:
            shown.append(line)
    lines[:] = shown


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the changes, the second before napoleon reads sections."""
    app.connect("autodoc-process-docstring", keep_layout)
    app.connect("autodoc-process-docstring", read_as_written, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
