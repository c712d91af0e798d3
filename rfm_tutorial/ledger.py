"""The reproduction ledger: what a paper says, row by row, and what pages of a book have printed.

A row names claims by a piece of their text, so that no measured number is written twice:

    [[row]]
    id = "F2A"
    about = "the kernel machine"
    title = "still, then sharp"
    source = "Fig. 2A"
    says = "Accuracy and loss stand still for eight iterations."
    paper = "quadratic kernel, p = 61"       # the setting
    ours = "the same, five splits"
    holds = [["05-grokking", "up to step 8 the loss moves by {}%", "<= 5"]]

`holds` and `fails` list claims for and against the row, `differs` and `shared` those about a
control that has nothing to learn and comes out otherwise, or the same. A pair of braces stands for
the number that a limit, the last entry, is about. `open` says in words what nobody has measured;
`proved` marks what needs no control; `why` is due where something fails or is open. A row without a
source is a finding of the book's own: `refuted_by` says what would speak against it.
"""

import html
import json
import operator
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NUMBER = r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)"
LIMITS = {"<=": operator.le, ">=": operator.ge}
OUTCOMES = ("yes", "yes, with gaps", "in part", "no", "not run")
EVIDENCE = (
    "no control shares it",
    "a control shares a part",
    "a control shares it",
    "an identity",
    "no control was run",
)

STYLE = """
.ledger summary, .ledger .head { display: grid; gap: 0 0.75rem;
  grid-template-columns: 8rem 1fr 7rem 10rem;
  border-top: 1px solid; padding: 0.15rem 0; font-size: 0.85rem; cursor: pointer; }
.ledger summary span:nth-child(3), .ledger .head { font-weight: 600; }
.ledger .head { border-top: 0; cursor: auto; margin: 0; }
.ledger summary span:first-child::before { content: "▸ "; }
.ledger details[open] summary span:first-child::before { content: "▾ "; }
.ledger details > :not(summary) { font-size: 0.85rem; margin: 0.3rem 1rem; }
.ledger dd { margin-left: 1rem; }
@media (max-width: 600px) {
  .ledger summary, .ledger .head { grid-template-columns: 6rem 1fr; } }
"""


@dataclass(frozen=True)
class Claim:
    """A line that a page has printed with a tick, and the section in which it stands."""

    page: str
    section: str
    text: str


@dataclass(frozen=True)
class Row:
    """A claim of the paper, and what we have to say to it."""

    id: str
    about: str
    title: str
    says: str
    ours: str
    source: str = "ours"
    paper: str = ""
    holds: tuple[Claim, ...] = ()
    fails: tuple[Claim, ...] = ()
    differs: tuple[Claim, ...] = ()
    shared: tuple[Claim, ...] = ()
    open: tuple[str, ...] = ()
    proved: bool = False
    why: str = ""
    refuted_by: str = ""

    @property
    def comes_out(self) -> str:
        """One of `OUTCOMES`: is what the paper saw seen here, whatever it may prove?"""
        if not self.holds:
            return "no" if self.fails else "not run"
        if self.fails:
            return "in part"
        return "yes, with gaps" if self.open else "yes"

    @property
    def evidence(self) -> str:
        """One of `EVIDENCE`: is it also seen where there is nothing to learn?"""
        if self.shared:
            return "a control shares a part" if self.differs else "a control shares it"
        if self.differs:
            return "no control shares it"
        return "an identity" if self.proved else "no control was run"


class Ledger(list[Row]):
    """Rows in the order of the paper; a notebook shows a line for each, which unfolds."""

    def __repr__(self) -> str:
        rows = [f"{row.id:5s} {row.title:50s} {row.comes_out:14s} {row.evidence}" for row in self]
        return "\n".join(rows)

    def _repr_html_(self) -> str:
        names = ("where", "what", "comes out", "evidence")
        head = "".join(f"<span>{name}</span>" for name in names)
        rows = f'<p class="head" aria-hidden="true">{head}</p>'
        rows += "".join(_as_html(row) for row in self)
        return f'<style>{STYLE}</style><div class="ledger">{rows}</div>'


def read(path: str | Path) -> Ledger:
    """The rows of a TOML file; the pages that it names are notebooks beside it.

    Raises
    ------
    ValueError
        If a piece of text fits no claim of its page or several, if a number is not within its
        limit, or if a row that needs a reason has none.
    """
    path = Path(path)
    pages: dict[str, list[Claim]] = {}
    ledger = Ledger()
    for entry in tomllib.loads(path.read_text("utf-8"))["row"]:
        for kind in ("holds", "fails", "differs", "shared"):
            found = []
            for page, *words in entry.get(kind, []):
                if page not in pages:
                    pages[page] = claims_of(path.with_name(f"{page}.ipynb"))
                found.append(find(pages[page], *words))
            entry[kind] = tuple(found)
        row = Row(**entry | {"open": tuple(entry.get("open", ()))})
        if not row.why and (row.comes_out != "yes" or row.shared):
            raise ValueError(f"row {row.id} comes out as {row.comes_out!r}; say why")
        ledger.append(row)
    return ledger


def claims_of(notebook: str | Path) -> list[Claim]:
    """What a stored notebook has printed with a tick, each line once."""
    notebook = Path(notebook)
    section, found = "", []
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            section = (headings("".join(cell["source"])) or [section])[-1]
        for output in cell.get("outputs", []):
            lines = [line for line in output.get("text", []) if line.startswith("✓ ")]
            found += [Claim(notebook.stem, section, line[2:].strip()) for line in lines]
    return list(dict.fromkeys(found))


def headings(markdown: str) -> list[str]:
    """The headings in a cell of prose, code blocks left out."""
    prose = re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^#+ (.*)$", prose, flags=re.MULTILINE)


def find(claims: list[Claim], fragment: str, limit: str | None = None) -> Claim:
    """The only claim with the fragment in it; `{}` stands for a number, `limit` is "<= 0.05"."""
    pattern = re.escape(fragment).replace(r"\{\}", NUMBER)
    fits = [(claim, match) for claim in claims if (match := re.search(pattern, claim.text))]
    if len(fits) != 1:
        raise ValueError(f"{len(fits)} claims fit {fragment!r}, which should fit one")
    claim, match = fits[0]
    if limit is not None:
        sign, bound = limit.split()
        if not LIMITS[sign](float(match.group(1)), float(bound)):
            raise ValueError(f"{claim.text!r} is not {limit}")
    return claim


def _as_html(row: Row) -> str:
    kinds = (
        ("speaks for it", list(_linked(row.holds))),
        ("speaks against it", list(_linked(row.fails))),
        ("a control comes out otherwise", list(_linked(row.differs))),
        ("a control comes out the same", list(_linked(row.shared))),
        ("not measured", [html.escape(words) for words in row.open]),
        ("would be refuted by", [html.escape(row.refuted_by)] * bool(row.refuted_by)),
        ("the paper's setting", [html.escape(row.paper)] * bool(row.paper)),
        ("our setting", [html.escape(row.ours)]),
    )
    lines = "".join(
        f"<dt>{words}</dt>" + "".join(f"<dd>{line}</dd>" for line in found)
        for words, found in kinds
        if found
    )
    why = f"<p>{html.escape(row.why)}</p>" if row.why else ""
    cells = (row.source, row.title, row.comes_out, row.evidence)
    head = "".join(f"<span>{html.escape(cell)}</span>" for cell in cells)
    return (
        f'<details id="row-{row.id}"><summary>{head}</summary>'
        f"<p>{html.escape(row.says)}</p>{why}<dl>{lines}</dl></details>"
    )


def _linked(claims: tuple[Claim, ...]) -> Iterator[str]:
    """Each claim, and a link to where it is computed unless the next is from the same place."""
    places = [(claim.page, claim.section) for claim in claims]
    for number, claim in enumerate(claims):
        words = html.escape(claim.text)
        if places[number : number + 1] != places[number + 1 : number + 2]:
            anchor = re.sub(r"[^a-z0-9]+", "-", claim.section.lower()).strip("-")
            section = html.escape(claim.section)
            words += f' (<a href="{claim.page}.html#{anchor}">{section}</a>)'
        yield words
