"""Sphinx extension: leave out sphinx-thebe, which Jupyter Book always loads.

It adds a script to every page twice, so that the browser reports an error,
and settings of a hosted service that this book does not use.
"""

from typing import Any

import sphinx_thebe
from sphinx.application import Sphinx
from sphinx.config import Config


def disconnect(app: Sphinx, _: Config) -> None:
    """Take what writes into pages off its events; the style sheet stays."""
    writers = (sphinx_thebe.init_thebe_core, sphinx_thebe.update_thebe_context)
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler in writers:
                app.disconnect(listener.id)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the event: later ones are not yet on their way."""
    app.connect("config-inited", disconnect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
