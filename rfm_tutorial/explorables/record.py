"""A table to fill in: what a reader tried, and what came out."""

from collections.abc import Sequence
from typing import cast

import traitlets

from rfm_tutorial.checks import shown
from rfm_tutorial.explorables.base import Explorable, script, style
from rfm_tutorial.explorables.guesses import check_different, check_list, check_name, check_words


class Record(Explorable):
    """An empty table for an experiment. What is written into it stays in the reader's browser.

    Parameters
    ----------
    chapter : as for `Guesses`
    name : of letters, digits, "-" and "_"; the browser keeps the table under chapter and name
    columns : their heads; the first one stands above `rows`
    rows : what each line is about, such as a setting to try or "your own"

    Raises
    ------
    ValueError
        If there are fewer than two columns, no rows, or two with the same words.

    Examples
    --------
    >>> Record("05", "forecast", ("run", "deviation", "jump"), ("+ Gaussian", "+ quadratic"))
    Lines begun: 0 of 2.
    · to fill in: deviation, jump
    · run: + Gaussian, + quadratic
    """

    _esm, _css = script("record"), style("record")

    key = traitlets.Unicode().tag(sync=True)
    """What the table is kept under."""
    columns = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The heads."""
    rows = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """What each line is about."""

    def __init__(
        self, chapter: str, name: str, columns: Sequence[str], rows: Sequence[str]
    ) -> None:
        check_name("chapter", chapter)
        check_name("name", name)
        for what, words, least in (("columns", columns, 2), ("rows", rows, 1)):
            check_list(what, words)
            if len(words) < least:
                raise ValueError(f"{what} must be {least} or more, got {shown(words)}")
            for each in words:
                check_words(f"each of {what}", each)
            check_different(what, words)
        super().__init__(key=f"{chapter}/{name}", columns=[*columns], rows=[*rows])

    @property
    def sentence(self) -> str:
        """How many lines have been begun, as far as Python knows."""
        return f"Lines begun: 0 of {len(cast(list, self.rows))}."

    def __repr__(self) -> str:
        first, *others = cast(list[str], self.columns)
        asked = f"· to fill in: {', '.join(others)}"
        return "\n".join([self.sentence, asked, f"· {first}: {', '.join(cast(list, self.rows))}"])
