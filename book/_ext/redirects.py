"""Sphinx extension: a page with a new name is still found at the old one.

`redirects` in _config.yml has a line for each: the old page and the new one,
as in the table of contents. The part after # goes along.
"""

import os
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>This page has moved</title>
<link rel="canonical" href="{to}">
<script>location.replace("{to}" + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={to}"></noscript>
<p>This page has moved to <a href="{to}">{to}</a>.</p>
</html>
"""


def write_redirects(app: Sphinx, problem: Exception | None) -> None:
    """Write a page at each old address; there must be one at the new."""
    if problem or app.builder.format != "html":
        return
    for old, new in app.config["redirects"].items():
        if old in app.env.found_docs or new not in app.env.found_docs:
            raise ExtensionError(
                f"redirects: {old} must be gone and {new} must be there"
            )
        page = Path(app.outdir, f"{old}.html")
        page.parent.mkdir(parents=True, exist_ok=True)
        to = Path(os.path.relpath(f"{new}.html", Path(old).parent)).as_posix()
        page.write_text(PAGE.format(to=to), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the last step of a build."""
    app.add_config_value("redirects", {}, "html")
    app.connect("build-finished", write_redirects)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
