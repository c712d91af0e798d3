"""What a reader of a built page sees without unfolding anything: its prose.

Used by `times` and by the test of the chapters' budget.
"""

import copy

from bs4 import Tag

FOLDED = "details, .dropdown, .toggle, [hidden]"
NOT_PROSE = (
    ".cell",  # code, outputs, captions, explorables
    "div[class*=highlight-]",  # code in the prose
    ".headerlink",
    ".katex-html",  # a formula is counted once, as it was written
    ".katex-mathml mrow",
    ".page-times",  # what `times` adds
    "script",
    "style",
)


def visible(article: Tag) -> Tag:
    """A copy of an article without what is folded."""
    article = copy.copy(article)
    for part in article.select(FOLDED):
        part.decompose()
    return article


def words(article: Tag) -> int:
    """Count the visible words of prose; formulas are read, too."""
    article = visible(article)
    for part in article.select(", ".join(NOT_PROSE)):
        part.decompose()
    return len(article.get_text().split())
