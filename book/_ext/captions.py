"""Sphinx extension: the sentence of a figure is its numbered caption.

`rfm_tutorial.plots.show` computes the sentence and leaves it as the text/plain
form of the output. A tag of the cell that begins with `fig-` is the label of
its first figure, for {numref}; Sphinx counts the figures of a chapter.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

WIDGET = "application/vnd.jupyter.widget-view+json"
# A caption is read as the name of its figure: the image does not repeat it.
ALT = "Picture, described in its caption"


def forms_of(bundle: nodes.container) -> dict[str, nodes.container]:
    """The forms of an output, by type."""
    return {
        form["mime_type"]: form
        for form in bundle.findall(nodes.container)
        if "mime_type" in form
    }


def add_caption(
    bundle: nodes.container, image: nodes.image, text: str
) -> nodes.figure:
    """Put the output into a figure with the text below."""
    figure = nodes.figure()
    # As wide as the image, so that the caption does not make it wider.
    width = str(image.get("width", ""))
    if width:
        figure["width"] = f"{width}px" if width.isdigit() else width
        del image["width"]
    image["alt"] = ALT
    bundle.replace_self(figure)
    figure += [bundle, nodes.caption(text, text)]
    return figure


def label_of(cell: nodes.container) -> str | None:
    """The label that the cell's tags give to its first figure."""
    tags = cell["cell_metadata"].get("tags", [])
    return next((tag for tag in tags if tag.startswith("fig-")), None)


class Captions(SphinxTransform):
    """Make figures of the outputs that are an image with a sentence."""

    default_priority = 500

    def apply(self, **_: Any) -> None:
        """Visit every output of every cell."""
        count = 0
        for cell in list(self.document.findall(nodes.container)):
            if cell.get("nb_element") != "cell_code":
                continue
            label = label_of(cell)
            for bundle in list(cell.findall(nodes.container)):
                forms = forms_of(bundle)
                if (
                    bundle.get("nb_element") != "mime_bundle"
                    or "image/png" not in forms
                ):
                    continue
                if (
                    WIDGET in forms
                ):  # controls that come with a picture need a kernel
                    bundle.remove(forms[WIDGET])
                (image,) = forms["image/png"].findall(nodes.image)
                text = (
                    forms["text/plain"].astext()
                    if "text/plain" in forms
                    else ""
                )
                if not text or text.startswith("<"):
                    continue
                figure = add_caption(bundle, image, text)
                count += 1
                if label is None:
                    figure["ids"] = [f"figure-{count}"]
                else:
                    figure["names"] = [label]
                    self.document.note_explicit_target(figure)
                    label = None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform."""
    app.add_transform(Captions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
