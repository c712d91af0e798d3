"""Sphinx extension: a chapter begins with the time that it takes.

Reading time is counted from the prose in view, running time was measured (see
`status`), the minutes of the exercises are what each of them says. Only pages
that are notebooks have this line.
"""

import re
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from prose import words
from sphinx.application import Sphinx
from status import measured

WORDS_A_MINUTE = 230
MINUTES = re.compile(r"(\d+) minutes")


def minutes_of_exercises(page: BeautifulSoup) -> int:
    """Add up what the exercises of a page say, each at its beginning."""
    found = [
        MINUTES.search(task.get_text()) for task in page.select(".exercise")
    ]
    return sum(int(match[1]) for match in found if match)


def line(page: BeautifulSoup, seconds: float | None) -> str:
    """The times of a page, in words."""
    parts = [f"Reading {max(1, round(words(page) / WORDS_A_MINUTE))} min"]
    if seconds is not None:
        parts.append(f"runs in {max(1, round(seconds))} s")
    if exercises := minutes_of_exercises(page):
        parts.append(f"exercises {exercises} min")
    return " · ".join(parts)


def add_times(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], _: Any
) -> None:
    """Write the line below the title."""
    source = page in app.env.found_docs and Path(app.env.doc2path(page))
    if not source or source.suffix != ".ipynb":
        return
    body = context["body"]
    took = measured(app).get(page, {}).get("execution_seconds")
    times = line(BeautifulSoup(body, "html.parser"), took)
    context["body"] = body.replace(
        "</h1>", f'</h1>\n<p class="page-times">{times}</p>', 1
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the step before a page is written."""
    app.connect("html-page-context", add_times)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
