"""Sphinx extension: what a page need not wait for comes later.

Scripts run when the page has been read, and an image is fetched when a reader
comes near it. It says how large it is, so that nothing moves when it arrives.
"""

import re
from pathlib import Path
from typing import Any

from PIL import Image
from sphinx.application import Sphinx

PICTURE = re.compile(r'<img ([^>]*src="[^"]*_images/([^"]+\.png)")')
NEEDED_AT_ONCE = ("documentation_options", "doctools", "sphinx_highlight")
"""What the search and lines in the page itself use; five kilobytes."""


def lighten(
    app: Sphinx, _page: str, _template: str, context: dict[str, Any], _: Any
) -> None:
    """Defer the scripts of a page and its images."""
    for script in context.get("script_files", []):
        name = str(getattr(script, "filename", None) or "")
        if name and Path(name).stem not in NEEDED_AT_ONCE:
            script.attributes["defer"] = "defer"
    names = {name: source for source, name in app.builder.images.items()}

    def later(tag: re.Match[str]) -> str:
        source = names.get(tag[2])
        if not source:
            return tag[0]
        width, height = Image.open(Path(app.srcdir, source)).size
        size = f'width="{width}" height="{height}"'
        return f'<img loading="lazy" decoding="async" {size} {tag[1]}'

    context["body"] = PICTURE.sub(later, context.get("body", ""))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the step, after those that add scripts."""
    app.connect("html-page-context", lighten, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
