"""Sphinx extension: a figure's alt text is the output's own text/plain form.

`rfm_tutorial.plots.show` puts a sentence computed from the data there. myst-nb
itself takes alt text from cell metadata only, which cannot know what the run
gave.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

WIDGET = "application/vnd.jupyter.widget-view+json"


def prefer_picture_to_controls(bundle: nodes.container) -> None:
    """Drop controls that come with a picture: they need a kernel.

    An explorable, which does not, comes without a picture.
    """
    forms = list(bundle.findall(nodes.container))
    if any(form.get("mime_type") == "image/png" for form in forms):
        for form in forms:
            if form.get("mime_type") == WIDGET:
                bundle.remove(form)


class FigureAltText(SphinxPostTransform):
    """Copy the text of each output that holds an image to the image."""

    # myst-nb picks one form of each output at priority 4; until then, all of
    # them stand side by side.
    default_priority = 3

    def run(self, **_: Any) -> None:
        """Visit every output that exists in several forms."""
        for bundle in self.document.findall(nodes.container):
            if bundle.get("nb_element") != "mime_bundle":
                continue
            prefer_picture_to_controls(bundle)
            for form in bundle.findall(nodes.container):
                if form.get("mime_type") == "text/plain":
                    for image in bundle.findall(nodes.image):
                        image.setdefault("alt", form.astext())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform."""
    app.add_post_transform(FigureAltText)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
