"""Bring notebooks to the one form in which they are stored.

    python tools/normalise_notebooks.py [--check] [NOTEBOOK ...]

What the code and the prose say is kept, and the text that the code printed; what changes from run
to run or from machine to machine is not: images, widget state, timings, the kernel's version. Then
a diff shows what an author changed, and nbval compares what is left. Some faults only the author
can cure; those are reported and left alone.
"""

import argparse
import copy
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
KEPT_CELL_METADATA = {"tags", "mystnb"}
# CONTRIBUTING.md says what each does; one with a slip in it would do nothing, in silence.
TAGS = re.compile(
    r"hide-(input|output|cell)|remove-(input|output|cell)|claim-in-view|fig-[a-z0-9-]+"
)
MACHINE = re.compile(
    r"""/(?:home|root|tmp|Users)/\w   # somebody's files
      | \b[A-Z]:\\Users
      | /site-packages/
      | \b0x[0-9a-f]{8,}              # a memory address, as in <object at 0x7f...>
    """,
    re.VERBOSE,
)


def as_text(value: str | list[str]) -> str:
    """Return text that a notebook may store as one string or as a list of lines."""
    return value if isinstance(value, str) else "".join(value)


def normalised_outputs(outputs: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return outputs with their text only, pieces of a stream joined: where it breaks is chance."""
    kept: list[dict[str, Any]] = []
    streams: dict[str, dict[str, Any]] = {}
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            name, text = output["name"], as_text(output["text"])
            if name in streams:
                streams[name]["text"] += text
            else:
                streams[name] = {"name": name, "output_type": kind, "text": text}
                kept.append(streams[name])
        elif kind == "error":
            kept.append(output)
        elif "text/plain" in output["data"]:
            text = as_text(output["data"]["text/plain"]).splitlines(keepends=True)
            new = {"data": {"text/plain": text}, "metadata": {}, "output_type": kind}
            if kind == "execute_result":
                new["execution_count"] = count
            kept.append(new)
    for stream in streams.values():
        stream["text"] = stream["text"].splitlines(keepends=True)
    return kept


def normalised(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook in its stored form."""
    notebook = copy.deepcopy(notebook)
    notebook["metadata"] = copy.deepcopy(METADATA)
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    ids = {cell["id"] for cell in notebook["cells"] if "id" in cell}
    count = 0
    for position, cell in enumerate(notebook["cells"]):
        source = as_text(cell["source"])
        cell["source"] = source.splitlines(keepends=True)
        cell["metadata"] = {
            key: value
            for key, value in cell["metadata"].items()
            if key in KEPT_CELL_METADATA and value
        }
        if "id" not in cell:
            new = hashlib.sha256(source.encode()).hexdigest()[:8]
            cell["id"] = new if new not in ids else f"{new}-{position}"
            ids.add(cell["id"])
        if cell["cell_type"] == "code":
            # 1, 2, 3 … as after "restart and run all". nbval does not compare a cell without one.
            count += 1
            cell["execution_count"] = count
            cell["outputs"] = normalised_outputs(cell["outputs"], count)
    return notebook


def serialised(notebook: dict[str, Any]) -> str:
    """Return the text of the file, byte for byte what Jupyter itself writes."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Name what `normalised` changed, one line for each place."""
    for key in ("metadata", "nbformat", "nbformat_minor"):
        if old.get(key) != new[key]:
            yield f"notebook: {key} is not {json.dumps(new[key])}"
    for number, (before, after) in enumerate(zip(old["cells"], new["cells"], strict=True), start=1):
        if "id" not in before:
            yield f"cell {number}: no id"
        for key in before["metadata"].keys() - after["metadata"].keys():
            yield f"cell {number}: metadata {key!r}"
        if before.get("execution_count") != after.get("execution_count"):
            yield (
                f"cell {number}: execution_count is {before.get('execution_count')}, "
                f"restart and run all gives {after['execution_count']}"
            )
        for output in before.get("outputs", []):
            extra = [*(output.get("data", {}).keys() - {"text/plain"})]
            extra += [f"metadata {key!r}" for key in output.get("metadata", {})]
            for what in sorted(extra):
                yield f"cell {number}: output with {what}"


def faults(notebook: dict[str, Any]) -> Iterator[str]:
    """Name what only the author can cure."""
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell.get("attachments"):
            yield f"cell {number}: an attached image; make it a file in book/_static"
        if cell["cell_type"] != "code":
            continue
        for tag in cell["metadata"].get("tags", []):
            if not TAGS.fullmatch(tag):
                yield f"cell {number}: tag {tag!r}, which means nothing here"
        if re.search(r"^\s*#\s*(NBVAL_|PYTEST_VALIDATE_)", as_text(cell["source"]), re.MULTILINE):
            yield f"cell {number}: an nbval marker; all outputs are compared, print what is stable"
        for output in cell["outputs"]:
            text = as_text(output.get("text", output.get("data", {}).get("text/plain", "")))
            if output["output_type"] == "error":
                yield f"cell {number}: ends in {output['ename']}; catch and print an error"
            if output.get("name") == "stderr":
                yield f"cell {number}: writes to stderr: {text.strip()[:80]!r}; cure what causes it"
            if text.startswith("<Figure size"):
                yield f"cell {number}: a figure without a caption; use rfm_tutorial.plots.show"
            if found := MACHINE.search(text):
                yield f"cell {number}: prints {found.group()!r}, which belongs to one machine"


def main(arguments: list[str] | None = None) -> int:
    """Rewrite or check the named notebooks, or all chapters; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description="Bring notebooks to their stored form.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every chapter")
    parser.add_argument("--check", action="store_true", help="report only")
    options = parser.parse_args(arguments)
    chapters = Path(__file__).resolve().parents[1] / "book"
    messages = []
    for path in options.notebooks or sorted(chapters.glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        old = json.loads(text)
        new = normalised(old)
        result = serialised(new)
        messages += [f"{path}: {fault}" for fault in faults(new)]
        if result == text:
            continue
        if options.check:
            changes = list(differences(old, new)) or ["keys or line breaks in another order"]
            messages += [f"{path}: {change}" for change in changes]
            messages.append(f"{path}: python tools/normalise_notebooks.py puts this right")
        else:
            path.write_text(result, encoding="utf-8")
            print(f"{path}: normalised")
    print(*messages, sep="\n", end="\n" if messages else "", file=sys.stderr)
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
