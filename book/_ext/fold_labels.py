"""Sphinx extension: a folded cell says what is in it.

myst-nb takes one label for all: "Show code cell {source, output, content}".
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

WITHIN = {
    # how myst-nb calls hide-input, hide-cell and hide-output: what is folded
    "input": "the code",
    "all": "the code and what it gives",
    "output": "what it gives",
}


class FoldLabels(SphinxPostTransform):
    """Label cells that are about to be folded."""

    # myst-nb folds at 199.
    default_priority = 198
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Visit every cell."""
        for cell in self.document.findall(nodes.container):
            within = WITHIN.get(cell.get("hide_mode"))
            if within:
                cell["prompt_show"] = f"Show {within}"
                cell["prompt_hide"] = f"Hide {within}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the labels."""
    app.add_post_transform(FoldLabels)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
