"""Finds what was handed in, as people and learning-management systems hand it in.

A folder of submissions may hold notebooks, zip files and folders, one for each student, named by
id, or as Canvas and Moodle name what one downloads. Whatever lies there becomes a submission with a
name, so that nobody is left out; what is wrong with it is said when it is read.
"""

import hashlib
import json
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from rfm_tutorial.proctor import cells_of

MOST_BYTES = 2 * 10**8
"""Of one notebook."""
ENDINGS = re.compile(r"(\.(ipynb|zip|json|txt))+$|[ _-]?\(\d+\)$", re.IGNORECASE)
# "Ada Lovelace_12345_assignsubmission_file_", "lovelaceada_LATE_123_4567_hw1.ipynb".
MOODLE = re.compile(r"(.+?)_\d+_assignsubmission_.*", re.DOTALL)
CANVAS = re.compile(r"([^_]+)(?:_LATE)?_\d+_\d+_.+", re.DOTALL)
JUNK = re.compile(r"\..*|__MACOSX|Thumbs\.db|desktop\.ini", re.IGNORECASE)


@dataclass
class Found:
    """A file that may be a notebook."""

    order: tuple
    """The later of two compares greater."""
    path: str
    content: bytes


@dataclass
class Handed:
    """All that was handed in under one name."""

    name: str
    places: list[Path] = field(default_factory=list)

    def slug(self) -> str:
        """A name for a folder: of this name only, and a path to nowhere else."""
        text = re.sub(r"[^\w.@ -]", "_", self.name).strip(". ")[:60]
        if text == self.name:
            return text
        return f"{text}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"


def name_of(entry: Path) -> str:
    """Under which name a file or folder was handed in."""
    # A name that is not UTF-8 has a ? where that shows.
    text = unicodedata.normalize("NFC", os.fsencode(entry.name).decode("utf-8", "replace"))
    for system in (MOODLE, CANVAS):
        if match := system.fullmatch(text):
            return match[1]
    shorter = ENDINGS.sub("", text)
    while shorter not in (text, ""):
        text, shorter = shorter, ENDINGS.sub("", shorter)
    return text


def submissions_in(folder: Path) -> list[Handed]:
    """Everything in this folder, by name; capital letters make no difference."""
    found: dict[str, Handed] = {}
    for entry in sorted(folder.iterdir()):
        if not JUNK.fullmatch(entry.name):
            name = name_of(entry)
            found.setdefault(name.casefold(), Handed(name)).places.append(entry)
    return list(found.values())


def _in_zip(content: Any, path: str, order: tuple, depth: int) -> Iterator[Found]:
    with zipfile.ZipFile(content) as archive:
        for info in archive.infolist():
            if info.is_dir() or any(map(JUNK.fullmatch, info.filename.split("/"))):
                continue
            if not re.search(r"\.(ipynb|zip)(\.txt|\.json)?$", info.filename, re.IGNORECASE):
                continue
            if info.file_size > MOST_BYTES:
                raise ValueError(f"{info.filename!r} has {info.file_size} bytes")
            # Not more than it says, whatever it says.
            data = archive.open(info).read(info.file_size)
            here = f"{path}/{info.filename}"
            yield from _in_bytes(data, here, (*order, info.date_time, here), depth + 1)


def _in_bytes(data: bytes, path: str, order: tuple, depth: int) -> Iterator[Found]:
    if data[:2] == b"PK" and depth < 3:
        yield from _in_zip(BytesIO(data), path, order, depth)
    else:
        yield Found(order, path, data)


def _in_place(place: Path, name: str) -> Iterator[Found]:
    status = place.lstat()
    if stat.S_ISDIR(status.st_mode):
        for entry in sorted(place.iterdir()):
            if not JUNK.fullmatch(entry.name):
                yield from _in_place(entry, f"{name}/{entry.name}")
    elif not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{name!r} is a link or a device")
    elif status.st_size > MOST_BYTES:
        raise ValueError(f"{name!r} has {status.st_size} bytes")
    else:
        yield from _in_bytes(place.read_bytes(), name, (status.st_mtime, name), 0)


def _notebook(content: bytes) -> dict:
    """A notebook as JSON; with a byte-order mark or in another Unicode encoding, too."""
    try:
        try:
            return json.loads(content)
        except UnicodeDecodeError:
            return json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a notebook: {str(error)[:100]}") from None


def assignment_of(notebook: Any) -> str:
    """For which assignment otter made a notebook; "" if it does not say."""
    try:
        return str(notebook["metadata"]["otter"].get("assignment_name") or "")
    except (TypeError, KeyError, AttributeError):
        return ""


def read(handed: Handed, assignment: str) -> tuple[list[str], str, list[str]]:
    """The code of the notebook that counts, its digest, and what is to be said about the choice.

    Raises
    ------
    ValueError
        If there is none, with the reason.
    """
    found, problems = [], []
    for place in handed.places:
        try:
            found += _in_place(place, name_of(place))
        # A zip file that cannot be read has many ways to say so.
        except Exception as error:
            problems.append(str(error)[:200])
    notebooks: list[tuple[tuple, str, list[str], str]] = []
    others = set()
    for file in found:
        try:
            notebook = _notebook(file.content)
            cells = cells_of(notebook)
        except (ValueError, EOFError) as error:
            problems.append(f"{str(error)[:200]}")
            continue
        if (stated := assignment_of(notebook)) not in ("", assignment):
            others.add(stated)
            continue
        digest = hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]
        notebooks.append((file.order, file.path, cells, digest))
    if not notebooks:
        problems += [f"a notebook of assignment {name[:40]!r}" for name in sorted(others)]
        raise ValueError("; ".join(problems) or "no notebook")
    _, path, cells, digest = max(notebooks, key=lambda one: one[0])
    notes = []
    if len({one[3] for one in notebooks}) > 1:
        notes.append(f"{len(notebooks)} different notebooks: the last one counts, {path[-80:]!r}")
    return cells, digest, notes
