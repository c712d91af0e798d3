"""The ledger: its rule, and how rows find what pages have printed."""

import json
from pathlib import Path

import pytest

from rfm_tutorial import ledger
from rfm_tutorial.ledger import Claim, Row

BOOK = Path(__file__).resolve().parents[1] / "book"
SEEN = (Claim("page", "A section", "seen"),)


def row(**parts) -> Row:
    return Row("F1", "networks", "a title", "it is so", "p = 5", **parts)


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        ({"holds": SEEN}, "yes"),
        ({"holds": SEEN, "open": ("p = 7",)}, "yes, with gaps"),
        ({"holds": SEEN, "fails": SEEN}, "in part"),
        ({"holds": SEEN, "fails": SEEN, "open": ("p = 7",)}, "in part"),
        ({"fails": SEEN}, "no"),
        ({"open": ("p = 7",)}, "not run"),
        ({"holds": SEEN, "shared": SEEN}, "yes"),
    ],
)
def test_a_control_does_not_change_whether_a_row_comes_out(parts, outcome) -> None:
    assert row(**parts).comes_out == outcome
    assert outcome in ledger.OUTCOMES


@pytest.mark.parametrize(
    ("parts", "evidence"),
    [
        ({"shared": SEEN}, "a control shares it"),
        ({"shared": SEEN, "differs": SEEN}, "a control shares a part"),
        ({"differs": SEEN}, "no control shares it"),
        ({"differs": SEEN, "proved": True}, "no control shares it"),
        ({"proved": True}, "an identity"),
        ({}, "no control was run"),
    ],
)
def test_controls_say_what_a_row_is_evidence_for(parts, evidence) -> None:
    assert row(holds=SEEN, **parts).evidence == evidence
    assert evidence in ledger.EVIDENCE


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "```\n", "# no heading\n", "```\n"]},
        {"cell_type": "code", "outputs": [{"text": ["✓ loss moves by 1.5%\n", "no claim\n"]}]},
        {"cell_type": "markdown", "source": "## Two & more\n"},
        {"cell_type": "code", "outputs": [{"text": ["✓ loss is 1e-20\n", "✓ loss is 1e-20\n"]}]},
    ]
    (tmp_path / "page.ipynb").write_text(json.dumps({"cells": cells}), "utf-8")
    return tmp_path


def test_claims_come_with_their_section_and_once(pages: Path) -> None:
    assert ledger.claims_of(pages / "page.ipynb") == [
        Claim("page", "Title", "loss moves by 1.5%"),
        Claim("page", "Two & more", "loss is 1e-20"),
    ]


def test_a_fragment_has_to_fit_one_claim_and_its_number_the_limit(pages: Path) -> None:
    claims = ledger.claims_of(pages / "page.ipynb")
    assert ledger.find(claims, "moves by {}%", "<= 1.5").section == "Title"
    assert ledger.find(claims, "loss is {}", "<= 1e-19").text == "loss is 1e-20"
    with pytest.raises(ValueError, match="2 claims fit 'loss'"):
        ledger.find(claims, "loss")
    with pytest.raises(ValueError, match="0 claims fit 'gain'"):
        ledger.find(claims, "gain")
    with pytest.raises(ValueError, match="is not >= 2"):
        ledger.find(claims, "moves by {}%", ">= 2")


ENTRY = """
[[row]]
id = "F1"
about = "networks"
title = "a title"
source = "Fig. 1"
says = "It is <b>so</b>."
ours = "p = 5"
holds = [["page", "loss is {}", "<= 1e-19"]]
"""


def test_a_row_that_needs_a_reason_has_to_give_one(pages: Path) -> None:
    path = pages / "ledger.toml"
    path.write_text(ENTRY, "utf-8")
    (only,) = ledger.read(path)
    assert (only.comes_out, only.evidence) == ("yes", "no control was run")
    for more in (
        'open = ["p = 7"]',
        'shared = [["page", "loss moves"]]',
        'fails = [["page", "loss moves"]]',
    ):
        path.write_text(ENTRY + more, "utf-8")
        with pytest.raises(ValueError, match=r"row F1 .* say why"):
            ledger.read(path)
        path.write_text(ENTRY + more + '\nwhy = "so"', "utf-8")
        assert len(ledger.read(path)) == 1


def test_the_page_escapes_words_and_links_to_the_section_of_a_claim(pages: Path) -> None:
    path = pages / "ledger.toml"
    path.write_text(ENTRY, "utf-8")
    rows = ledger.read(path)
    html = rows._repr_html_()
    assert "&lt;b&gt;so&lt;/b&gt;" in html
    assert '<a href="page.html#two-more">Two &amp; more</a>' in html
    assert repr(rows).split() == ["F1", "a", "title", "yes", "no", "control", "was", "run"]


@pytest.mark.parametrize("name", ["ledger", "findings", "sequels"])
def test_the_rows_of_the_book_are_read_and_named_apart(name: str) -> None:
    rows = ledger.read(BOOK / f"{name}.toml")
    assert len({row.id for row in rows}) == len(rows) > 7
    if name == "findings":
        assert all(row.refuted_by for row in rows)
    else:
        assert all(row.source != "ours" and row.paper for row in rows)
