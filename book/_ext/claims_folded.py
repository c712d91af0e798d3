"""Sphinx extension: a page shows what it claims in one line a section.

A notebook prints a line that begins with ✓ for every claim that holds (see
`rfm_tutorial.claims`). On the page these lines move to the end of their
section, folded. They stay where they are in a cell tagged `claim-in-view`, and
beside a line that begins with ✗: what failed is never folded.

What a check says to an exercise that is still to be done is left out.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator

HELD, FAILED = "✓ ", "✗"
CHECK = re.compile(r"^check\(", re.MULTILINE)
NOT_DONE = re.compile(rf"^({FAILED}|not yet)", re.IGNORECASE | re.MULTILINE)


class Claims(nodes.General, nodes.Element):
    """The folded claims of a section."""


def begin(writer: HTML5Translator, node: Claims) -> None:
    """Write the line that stays in view."""
    writer.body.append(
        f'<details class="claims"><summary>{node["line"]}</summary>\n'
    )


def end(writer: HTML5Translator, _: Claims) -> None:
    """Close the fold."""
    writer.body.append("</details>\n")


def replace_text(block: nodes.literal_block, lines: list[str]) -> None:
    """Leave these lines of an output; without any, nothing of it."""
    text = "\n".join(lines).strip("\n")
    if text:
        block.rawsource = text
        block.children = [nodes.Text(text)]
        return
    output = block.parent
    output.remove(block)
    if not output.children:
        output.parent.remove(output)


def take_claims(cell: nodes.container) -> list[str]:
    """Remove from a cell what the page folds or leaves out; return claims."""
    tags = cell["cell_metadata"].get("tags", [])
    found = []
    for block in list(cell.findall(nodes.literal_block)):
        if "stream" not in block["classes"]:
            continue
        text = block.astext()
        if NOT_DONE.search(text):
            if CHECK.search(cell.children[0].astext()):
                replace_text(block, [])
            continue
        lines = text.splitlines()
        held = [line for line in lines if line.startswith(HELD)]
        if held and "claim-in-view" not in tags:
            found += [line.removeprefix(HELD) for line in held]
            replace_text(block, [line for line in lines if line not in held])
    return found


def folded(claims: list[str], where: str) -> Claims:
    """The line and the list of claims below it."""
    number = "1 claim" if len(claims) == 1 else f"{len(claims)} claims"
    items = [
        nodes.list_item("", nodes.paragraph(text=claim)) for claim in claims
    ]
    line = f"{number} checked {where}"
    return Claims("", nodes.bullet_list("", *items), line=line)


def first_section(node: nodes.Element) -> int:
    """Where the first section within another one begins, or the end."""
    index = node.first_child_matching_class(nodes.section)
    return len(node) if index is None else index


class FoldClaims(SphinxPostTransform):
    """Fold the claims of each section at its end."""

    # After myst-nb has chosen a form of each output, before it hides cells.
    default_priority = 100
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Visit the sections below a title, then what stands before them."""
        for top in self.document.children:
            if not isinstance(top, nodes.section):
                continue
            for part in top.children[first_section(top) :]:
                if isinstance(part, nodes.section):
                    self.fold(part, len(part), "in this section")
            self.fold(top, first_section(top), "so far")

    def fold(self, section: nodes.section, index: int, where: str) -> None:
        """Gather what a section still shows; put it there."""
        cells = [
            node
            for node in section.findall(nodes.container)
            if node.get("nb_element") == "cell_code"
        ]
        claims = [claim for cell in cells for claim in take_claims(cell)]
        if claims:
            section.insert(index, folded(claims, where))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the fold."""
    app.add_node(Claims, html=(begin, end))
    app.add_post_transform(FoldClaims)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
