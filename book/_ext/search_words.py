"""Sphinx extension: the search finds "grokking" and "grok" in one place.

The index is written with one stemmer, and the browser looks words up with
another: a verb that ends in two equal consonants keeps both in the one and
loses one in the other. Here both lose it.
"""

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

DOUBLED = r"([^aeiouylsz])\1$"


class English(SearchEnglish):
    """English whose two stemmers agree."""

    js_stemmer_code = f"""{SearchEnglish.js_stemmer_code}
const Porter = Stemmer;
Stemmer = function () {{
  const porter = new Porter();
  this.stemWord = word => porter.stemWord(word).replace(/{DOUBLED}/, "$1");
}};
"""

    def stem(self, word: str) -> str:
        """The stem of a word of a page."""
        return re.sub(DOUBLED, r"\1", super().stem(word))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the language."""
    app.add_search_language(English)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
