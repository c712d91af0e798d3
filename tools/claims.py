"""Run the chapters and print what they claim: chapter, claim, value, verdict.

    python tools/claims.py book/05-grokking.ipynb ...

The values are what the claim's f-string filled in. A claim that does not hold stops its cell, so
those after it in the cell are "not reached". Ends with 1 unless every claim holds.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbclient
import nbformat

HOLDS = re.compile(r"^✓ (.*)$", re.MULTILINE)
FAILS = re.compile(r"^this claim does not hold here: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Claim:
    """One claim as it came out, or as it stands in the code if it was not reached."""

    statement: str
    value: str
    verdict: str


@dataclass(frozen=True)
class Template:
    """A claim as it stands in the code."""

    pattern: re.Pattern[str]
    text: str


def templates(source: str) -> Iterator[Template]:
    """The statements of all calls of `claim` in a cell, as patterns with a group per value."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="claim"), args=[ast.JoinedStr(values=parts), *_]):
                words = [part.value if isinstance(part, ast.Constant) else None for part in parts]
            case ast.Call(func=ast.Name(id="claim"), args=[ast.Constant(value=text), *_]):
                words = [text]
            case _:
                continue
        pattern = "".join("(.*?)" if word is None else re.escape(str(word)) for word in words)
        text = "".join("…" if word is None else str(word) for word in words)
        yield Template(re.compile(pattern), text)


def cell_claims(cell: nbformat.NotebookNode, known: list[Template]) -> Iterator[Claim]:
    """The claims of one executed cell. `known` holds the templates of the cells before, too."""
    here = list(templates(cell.source))
    known[:0] = here
    reached = set()
    for output in cell.outputs:
        text = output.get("text") or output.get("evalue") or ""
        for verdict, sign in (("holds", HOLDS), ("FAILS", FAILS)):
            for statement in sign.findall(text):
                for template in known:
                    if match := template.pattern.fullmatch(statement):
                        reached.add(template)
                        yield Claim(statement, ", ".join(match.groups()) or "—", verdict)
                        break
    stopped = any(output.output_type == "error" for output in cell.outputs)
    for template in here if stopped else ():
        if template not in reached:
            yield Claim(template.text, "—", "not reached")


def chapter_claims(path: Path) -> Iterator[Claim]:
    """Execute a chapter, going on after errors, and give its claims."""
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=900,
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    known: list[Template] = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            yield from cell_claims(cell, known)
            for output in cell.outputs:
                if output.output_type == "error" and output.ename != "AssertionError":
                    yield Claim(f"cell {number} ran: {output.ename}", "—", "FAILS")


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Run chapters and print what they claim.")
    parser.add_argument("notebooks", nargs="+", type=Path)
    given = parser.parse_args(arguments)
    counts: dict[str, int] = {}
    print("| chapter | claim | value | verdict |\n|---|---|---|---|")
    for path in given.notebooks:
        for claim in chapter_claims(path):
            counts[claim.verdict] = counts.get(claim.verdict, 0) + 1
            cells = (path.stem, claim.statement, claim.value, claim.verdict)
            print("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |", flush=True)
    total = sum(counts.values())
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    print(f"\n{total} claims: {summary or 'none'}")
    return 0 if counts.get("holds", 0) == total else 1


if __name__ == "__main__":
    sys.exit(main())
