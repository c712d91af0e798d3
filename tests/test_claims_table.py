"""`make claims`: every claim of a chapter in a table, with its value and a verdict from a run."""

from pathlib import Path

import claims
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CELLS = [
    "from rfm_tutorial.claims import claim",
    'x = 2\nclaim(f"x is {x} and x | 3 is {x | 3}", x == 2)\nclaim("a plain one", True)',
    'for n in (1, 2):\n    claim(f"{n:.1f} is small", n < 5)',
    'claim(f"x is {x} but not 3", x == 3)\nclaim("never seen", True)\nclaim(f"nor {x}", True)',
    'print("✓ said, not claimed")\nclaim("after a failure the page goes on", True)',
]


@pytest.mark.slow
def test_every_claim_gets_its_value_and_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [new_markdown_cell("# A page"), *map(new_code_cell, CELLS)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "page.ipynb")
    assert claims.main([str(tmp_path / "page.ipynb")]) == 1
    head, _, *rows, empty, summary = capsys.readouterr().out.splitlines()
    assert head == "| chapter | claim | value | verdict |"
    assert rows == [
        r"| page | x is 2 and x \| 3 is 3 | 2, 3 | holds |",
        "| page | a plain one | — | holds |",
        "| page | 1.0 is small | 1.0 | holds |",
        "| page | 2.0 is small | 2.0 | holds |",
        "| page | x is 2 but not 3 | 2 | FAILS |",
        "| page | never seen | — | not reached |",
        "| page | nor … | — | not reached |",
        "| page | after a failure the page goes on | — | holds |",
    ]
    assert (empty, summary) == ("", "8 claims: 5 holds, 1 FAILS, 2 not reached")


@pytest.mark.slow
def test_a_page_that_breaks_is_not_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [new_code_cell(CELLS[0]), new_code_cell('1 / 0\nclaim("never seen", True)')]
    nbformat.write(new_notebook(cells=cells), tmp_path / "page.ipynb")
    assert claims.main([str(tmp_path / "page.ipynb")]) == 1
    out = capsys.readouterr().out
    assert "| page | never seen | — | not reached |" in out
    assert "| page | cell 1 ran: ZeroDivisionError | — | FAILS |" in out
