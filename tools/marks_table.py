"""The table of marks: a row is on the disk as soon as there is one, and none is ever lost.

New rows are appended and flushed. A row that is there already is replaced in a copy, which then
takes the table's place at once. Points given by hand and columns that somebody has added stay.
"""

import csv
import fcntl
import io
import os
from pathlib import Path
from typing import Any, Self

FIRST = ["student", "id"]
LAST = ["by_hand", "total", "seconds", "stopped", "note", "numbers_of", "submission"]
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def number(text: str | None) -> float | None:
    """A number as people write it in a table; None if it is none."""
    try:
        return float((text or "").strip().replace(",", "."))
    except ValueError:
        return None


def cell(value: Any) -> str:
    """The text of a cell, which no spreadsheet takes for a formula."""
    if isinstance(value, int | float):
        return f"{value:g}"
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    text = text.encode("utf-8", "replace").decode()
    return f"'{text}" if text.startswith(FORMULA) and number(text) is None else text


class MarksTable:
    """marks.csv, to be used in a `with` block: it is one program's at a time.

    Parameters
    ----------
    path : the file; what is in it is read
    questions : the names of the columns with points

    Raises
    ------
    ValueError
        If the file is another table.
    """

    def __init__(self, path: Path, questions: list[str]) -> None:
        self.path, self.questions = path, questions
        self.columns = [*FIRST, *questions, *LAST]
        self.delimiter = ","
        self.rows: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = self.path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.lock.close()
            raise ValueError(f"{self.path} is being written by another run; wait for it") from None
        try:
            self._read()
            self._write()
        except BaseException:
            self.lock.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.close()

    def _read(self) -> None:
        if not self.path.exists():
            return
        text = self.path.read_text(encoding="utf-8-sig", errors="replace")
        header = text.partition("\n")[0]
        # A spreadsheet of a country that writes 0,5 separates by semicolons.
        self.delimiter = ";" if header.count(";") > header.count(",") else ","
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=self.delimiter)
        columns = list(reader.fieldnames or [])
        if missing := [name for name in self.columns if columns and name not in columns]:
            raise ValueError(
                f"{self.path} must be the table of these results, and has no column "
                f"{missing[0]!r}; give another folder, or rename the column back"
            )
        self.columns = columns or self.columns
        for row in reader:
            # The last line of a table that was cut off is not whole: it is graded again.
            if row.get(self.columns[-1]) is not None and row["student"]:
                row.pop(None, None)
                self.rows[self._key(row["student"])] = row

    @staticmethod
    def _key(student: str) -> str:
        return cell(student).casefold()

    def _line(self, values: list[str]) -> str:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=self.delimiter, lineterminator="\n").writerow(values)
        return line.getvalue()

    def _write(self) -> None:
        """The whole table, in place of the one before."""
        lines = [self._line(self.columns)]
        for row in self.rows.values():
            self._add_up(row)
            lines.append(self._line([row.get(name) or "" for name in self.columns]))
        beside = self.path.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def _add_up(self, row: dict[str, str]) -> None:
        points = [number(row.get(name)) or 0 for name in (*self.questions, "by_hand")]
        row["total"] = cell(sum(points))

    def get(self, student: str) -> dict[str, str] | None:
        """A student's row, if there is one."""
        return self.rows.get(self._key(student))

    def put(self, **values: Any) -> dict[str, str]:
        """Write a row, now: a new one, or what is new in an old one."""
        key = self._key(values["student"])
        new = {name: cell(value) for name, value in values.items()}
        old = self.rows.get(key)
        row = self.rows[key] = {**(old or dict.fromkeys(self.columns, "")), **new}
        self._add_up(row)
        if old is not None:
            self._write()
            return row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(self._line([row[name] for name in self.columns]))
            file.flush()
            os.fsync(file.fileno())
        return row
