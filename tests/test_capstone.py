"""The project at the end: its page, its starter notebook, and what its example says."""

import re
import shutil
import tomllib
from pathlib import Path

import nbformat
import pytest

from rfm_tutorial.findings import TEXTS, read_finding
from rfm_tutorial.replicate import VERDICTS

ROOT = Path(__file__).resolve().parents[1]
STARTER = ROOT / "assignments/capstone"
PAGE = (ROOT / "book/capstone.md").read_text(encoding="utf-8")
SHOWN = re.compile(r"```(python|bash)\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


def assert_alike(printed: str, shown: str) -> None:
    """The same words and, to what another processor may change, the same numbers."""
    number = re.compile(r"-?\d+\.\d+|\b\d+(?= of +\d)")
    assert number.sub("#", printed) == number.sub("#", shown)
    for found, kept in zip(number.findall(printed), number.findall(shown), strict=True):
        # A mean over draws; or how many draws end at one side of a border.
        assert float(found) == pytest.approx(float(kept), abs=0.1 if "." in kept else 2)


@pytest.mark.nightly
def test_each_first_experiment_prints_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    space: dict = {"__name__": "capstone"}
    blocks = [(code, text) for kind, code, text in SHOWN.findall(PAGE) if kind == "python"]
    assert len(blocks) == 6
    for code, text in blocks:
        exec(compile(code, "capstone.md", "exec"), space)
        assert_alike(capsys.readouterr().out, text)
    assert sum(bool(text) for _, text in blocks) == 5


@pytest.mark.slow
def test_the_starter_runs_from_top_to_bottom(tmp_path: Path) -> None:
    client = pytest.importorskip("nbclient")
    folder = shutil.copytree(STARTER, tmp_path / "capstone")
    notebook = nbformat.read(folder / "capstone.ipynb", as_version=4)
    client.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert printed.count("✓ ") == 3
    # The last thing that it prints is what the page shows of the command with the same draw.
    (shown,) = (text for kind, _, text in SHOWN.findall(PAGE) if kind == "bash")
    assert_alike(printed[printed.index(read_finding(folder).title) :], shown)
    assert printed.endswith("\nsound: claim and control hold on new seeds, and they differ.\n")
    kept = (folder / "prediction.txt").read_text(encoding="utf-8")
    assert kept.strip() in printed
    # What it prints to be copied is what the ledger has.
    rows = re.search(r"\[\[reported\]\].*?(?=findings\.toml)", printed, re.DOTALL)
    assert rows is not None
    reported = tomllib.loads(rows.group())["reported"]
    kept_rows = read_finding(folder).reported
    assert [row["seed"] for row in reported] == [*kept_rows]
    for row in reported:
        for name in ("run", "control"):
            assert row[name] == pytest.approx(kept_rows[row["seed"]][name], abs=0.02)


def test_a_prediction_is_kept_although_the_cell_says_another(tmp_path: Path, monkeypatch) -> None:
    notebook = nbformat.read(STARTER / "capstone.ipynb", as_version=4)
    (cell,) = (c.source for c in notebook.cells if "PREDICTION =" in c.source)
    monkeypatch.chdir(tmp_path)
    space = {"Path": Path}
    exec(cell, space)
    before = Path("prediction.txt").read_text(encoding="utf-8")
    exec(cell.replace("On nine draws", "On three draws"), space)
    assert Path("prediction.txt").read_text(encoding="utf-8") == before != ""
    assert "On three draws" not in before


def test_the_starter_is_handed_out_without_outputs() -> None:
    notebook = nbformat.read(STARTER / "capstone.ipynb", as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]
    assert sorted(path.name for path in STARTER.iterdir() if path.is_file()) == [
        "capstone.ipynb",
        "experiment.py",
        "findings.toml",
    ]


def test_the_page_names_what_the_program_says() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \|", PAGE, re.MULTILINE)
    assert [row for row in rows if row in VERDICTS] == [*VERDICTS]
    points = re.findall(r"^\| [a-z ]+ \| (\d+) \|", PAGE, re.MULTILINE)
    assert sum(map(int, points)) == 100
    template = (STARTER / "findings.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{name} = ", template, re.MULTILINE) for name in TEXTS)


@pytest.mark.parametrize("part", ["What is known", "A finding", "A control", "would be refuted"])
def test_each_question_says_what_is_known_and_what_would_refute_it(part: str) -> None:
    questions = re.split(r"^### \d\. ", PAGE, flags=re.MULTILINE)[1:]
    assert 3 <= len(questions) <= 5
    for question in questions[:4]:
        assert question.count(part) == 1
