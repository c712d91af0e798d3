"""Submissions to the first assignment: honest, odd and hostile, with what they deserve.

Trouble sits in the cell of question 4, before its function or in place of it. Who has no answer to
question 4 has none to question 6 either, and at most 13 points.
"""

import copy
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from handouts import AUTHOR, handed_out, packed, solution_of, variant
from wrong_answers import WRONG

QUESTION_4 = "def unordered(pairs, p):"
WITHOUT_4 = 13.0
TOKEN = "the-instructors-token"
# A number of its own, for machines on which several test at once.
SLEEPER = ["sleep", str(10**6 + os.getpid())]


class Deserved(NamedTuple):
    """What a submission should get: at least, at most; patterns for what is said."""

    least: float
    most: float
    note: str = ""
    stopped: str = ""


HONEST = Deserved(20, 20)
NOTHING = Deserved(0, 0)


def troubles() -> dict[str, tuple[str, bool, Deserved]]:
    """What is in trouble.txt, by name: code, whether it takes the place of question 4, deserts."""
    text = Path(__file__).with_name("trouble.txt").read_text(encoding="utf-8")
    found = {}
    for part in text.split("\n==== ")[1:]:
        head, _, code = part.partition("\n")
        name, where, least, most, *stopped = (word.strip() for word in head.split("|", 4))
        deserved = Deserved(float(least), float(most), stopped="".join(stopped))
        found[name] = code.replace("SLEEPER", str(SLEEPER)), where == "instead", deserved
    return found


def with_cell(notebook: dict, student: str, code: str, instead: bool = False) -> dict:
    """A notebook with this code in the cell of question 4."""
    result = variant(notebook, student, [])
    for cell in result["cells"]:
        if QUESTION_4 in cell["source"]:
            cell["source"] = code if instead else f"{code}\n\n{cell['source']}"
    return result


class Batch:
    """Writes submissions into a folder and remembers what each deserves."""

    def __init__(self, built: Path, folder: Path, only: set[str] | None) -> None:
        self.built, self.folder, self.only = built, folder, only
        self.solution = solution_of(built, "hw1")
        self.deserved: dict[str, Deserved] = {}

    def add(
        self, name: str, deserved: Deserved, write: Callable[[Path], Any], place: str = ""
    ) -> None:
        if self.only is None or name in self.only:
            write(self.folder / (place or f"{name}.ipynb"))
            self.deserved[name] = deserved

    def of(self, student: str) -> dict:
        return variant(self.solution, student, [])

    def notebook(self, name: str, deserved: Deserved, notebook: Any, place: str = "") -> None:
        text = notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode()
        self.add(name, deserved, lambda path: path.write_bytes(text), place)

    def zip(self, name: str, deserved: Deserved, files: dict[str, Any], place: str = "") -> None:
        def write(path: Path) -> None:
            with zipfile.ZipFile(path, "w") as archive:
                for number, (inside, content) in enumerate(files.items()):
                    data = content if isinstance(content, bytes) else json.dumps(content).encode()
                    archive.writestr(zipfile.ZipInfo(inside, (2026, 1, 1 + number, 0, 0, 0)), data)

        self.add(name, deserved, write, place or f"{name}.zip")

    def folder_of(self, name: str, deserved: Deserved, files: dict[str, bytes], place: str) -> None:
        def write(path: Path) -> None:
            for inside, content in files.items():
                (path / inside).parent.mkdir(parents=True, exist_ok=True)
                (path / inside).write_bytes(content)

        self.add(name, deserved, write, place)


def submissions(built: Path, folder: Path, only: set[str] | None = None) -> dict[str, Deserved]:
    """Write the batch, or some of it."""
    batch = Batch(built, folder, only)
    of, solution = batch.of, batch.solution
    for name, (code, instead, deserved) in troubles().items():
        batch.notebook(name, deserved, with_cell(solution, name, code, instead))
    for number, group in enumerate(packed(WRONG["hw1"])[:3]):
        points = 20 - sum(points for one in group for points in one.lost.values())
        changed = variant(solution, f"wrong-{number}", [(one.old, one.new) for one in group])
        batch.notebook(f"wrong-{number}", Deserved(points, points), changed)

    def bytes_of(student: str) -> bytes:
        return json.dumps(of(student)).encode()

    batch.notebook(AUTHOR, HONEST, solution)
    other = of("conda")
    other["metadata"]["kernelspec"] = {
        "name": "conda-env-rfm-py",
        "display_name": "R?",
        "language": "R",
    }
    batch.notebook("conda", HONEST, other)
    mac = {"__MACOSX/._hw1.ipynb": b"\0\5\26\7", "hw1.ipynb": bytes_of("mac"), ".DS_Store": b"\0"}
    batch.zip("mac", HONEST, mac)
    batch.zip(
        "checkpoints",
        HONEST,
        {"w/hw1.ipynb": of("checkpoints"), "w/.ipynb_checkpoints/hw1-checkpoint.ipynb": of("x")},
    )
    batch.notebook("bom", HONEST, b"\xef\xbb\xbf" + bytes_of("bom"))
    batch.notebook("utf-16", HONEST, json.dumps(of("utf-16")).encode("utf-16"))
    batch.notebook(
        "shouting", HONEST, of("shouting"), "SHOUTING.IPYNB".replace("SHOUTING", "shouting")
    )
    batch.notebook("browser", HONEST, of("browser"), "browser (1).ipynb.txt")
    batch.notebook(
        "lovelaceada", HONEST, of("ada.lovelace"), "lovelaceada_LATE_123_4567_hw1-2.ipynb"
    )
    moodle = {"hw1.ipynb": bytes_of("emmy.noether"), ".ipynb_checkpoints/hw1.ipynb": b"{"}
    batch.folder_of("Emmy Noether", HONEST, moodle, "Emmy Noether_12345_assignsubmission_file_")
    outputs = of("outputs")
    stream = {"output_type": "stream", "name": "stdout", "text": ["x" * 99 + "\n"] * 600_000}
    next(c for c in outputs["cells"] if c["cell_type"] == "code")["outputs"] = [stream]
    batch.notebook("outputs", HONEST, outputs)
    old = copy.deepcopy(of("old"))
    for cell in old["cells"]:
        if cell["cell_type"] == "code":
            cell["input"] = cell.pop("source")
    batch.notebook(
        "old", HONEST, {"nbformat": 3, "metadata": {}, "worksheets": [{"cells": old["cells"]}]}
    )
    untouched = handed_out(built, "hw1")
    batch.zip(
        "two",
        Deserved(20, 20, "2 different notebooks"),
        {"hw1.ipynb": untouched, "hw1-new.ipynb": of("two")},
    )
    batch.notebook("Twice", HONEST, untouched)
    batch.zip(
        "Twice",
        Deserved(20, 20, "2 different notebooks"),
        {"hw1.ipynb": of("twice")},
        "twice.zip",
    )
    bare = of("bare")
    bare["cells"] = [
        c for c in bare["cells"] if c["cell_type"] == "code" and "grader" not in c["source"]
    ]
    bare["metadata"] = {}
    batch.notebook("bare", HONEST, bare)

    missing = Deserved(0, 0, "not graded")
    batch.notebook("garbage", missing, b'{"cells": [')
    batch.notebook("nothing", missing, b"")
    batch.notebook("a-number", missing, b'{"nbformat": 4, "cells": 7}')
    batch.notebook("deep", missing, b"[" * 10**6)
    batch.notebook("a-report.pdf", missing, b"%PDF-1.7 ...", "a-report.pdf")
    batch.folder_of("empty-folder", missing, {".keep": b""}, "empty-folder")
    batch.notebook("no-zip", missing, b"PK\3\4no", "no-zip.zip")
    batch.add("link", missing, lambda path: path.symlink_to("/etc/passwd"))
    batch.notebook(
        "other-assignment", Deserved(0, 0, "assignment 'hw2'"), solution_of(built, "hw2")
    )
    batch.notebook("untouched", Deserved(0, 0, "STUDENT"), untouched)
    batch.notebook("empty", Deserved(0, 0, "STUDENT"), {**solution, "cells": []})
    batch.notebook(
        "first-cell",
        Deserved(0, 13),
        variant(solution, "first-cell", [("import torch\n", "import torhc\n")]),
    )

    states = Deserved(20, 20, "STUDENT = 'ada.lovelace'")
    batch.notebook("someone-else", states, solution)
    batch.notebook("marks.csv", states, solution)
    batch.notebook("results", states, solution, "results.json.ipynb")
    batch.notebook("'=cmd()|'", states, solution, "=cmd()|.ipynb".replace("|", "|'"))
    batch.notebook("x" * 200, states, solution)
    batch.notebook("a?b", states, solution, "a\nb.ipynb")
    batch.notebook("\N{REPLACEMENT CHARACTER}a", states, solution, os.fsdecode(b"\xffa.ipynb"))
    sly = (
        "class S(str):\n    __eq__ = lambda *a: True\n    __hash__ = str.__hash__\n\n\n"
        'STUDENT = S("sly")'
    )
    batch.notebook("sly", Deserved(0, 20), variant(of("sly"), "sly", [('STUDENT = "sly"', sly)]))
    batch.notebook(
        "no-text",
        Deserved(0, WITHOUT_4, "STUDENT"),
        variant(of("n"), "n", [('STUDENT = "n"', "STUDENT = 7")]),
    )
    # The numbers of somebody else under one's own id.
    numbers = "mine.modulus, mine.seed, mine.factor"
    hers = f"{numbers}\nmine = numbers_for('{AUTHOR}', 'hw1')\np, seed, c = {numbers}"
    friend = variant(of("friend"), "friend", [(f"p, seed, c = {numbers}", f"p, seed, c = {hers}")])
    batch.notebook("friend", Deserved(0, WITHOUT_4), friend)
    own = of("own-test")
    own["metadata"]["otter"]["tests"]["bonus"] = own["metadata"]["otter"]["tests"]["q0"].replace(
        "points = 0", "points = 100"
    )
    batch.notebook("own-test", HONEST, own)
    return batch.deserved
