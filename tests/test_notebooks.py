"""The notebooks are stored in one form."""

import json
from pathlib import Path
from typing import Any

import nbformat
import normalise_notebooks as tool
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted(ROOT.glob("book/*.ipynb"))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_is_stored_in_normal_form(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--check", str(path)]) == 0, capsys.readouterr().err
    nbformat.validate(nbformat.read(path, as_version=4))


def test_there_are_chapters() -> None:
    assert CHAPTERS


def as_jupyter_writes(cells: list[Any]) -> dict[str, Any]:
    """Return a notebook as it looks after a run: counts, timings, the kernel's version."""
    notebook = new_notebook(cells=cells)
    notebook.metadata = {
        "kernelspec": {"display_name": "rfm (3.12)", "language": "python", "name": "rfm"},
        "language_info": {"name": "python", "version": "3.12.1"},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"1": {}}}},
    }
    for count, cell in enumerate(cells, start=7):
        if cell.cell_type == "code":
            cell.execution_count = count
            cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    return json.loads(nbformat.writes(notebook))


def test_volatile_parts_go_and_text_stays() -> None:
    figure = new_output(
        "display_data",
        data={"image/png": "iVBORw0KGgo=", "text/plain": "A line that rises."},
        metadata={"image/png": {"alt": "A line that rises.", "width": 640}},
    )
    table = new_output(
        "execute_result", data={"text/html": "<b>1</b>", "text/plain": "1"}, execution_count=7
    )
    widget = new_output(
        "display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    )
    pieces = [new_output("stream", name="stdout", text=text) for text in ("1\n", "2\n")]
    cells = [
        new_code_cell("show()", outputs=[figure, table, widget], metadata={"tags": ["hide-input"]}),
        new_markdown_cell("prose"),
        new_code_cell("print(1)", outputs=pieces),
    ]

    notebook = tool.normalised(as_jupyter_writes(cells))

    assert notebook["metadata"] == tool.METADATA
    first, _, last = notebook["cells"]
    assert first["metadata"] == {"tags": ["hide-input"]}
    assert (first["execution_count"], last["execution_count"]) == (1, 2)
    assert first["outputs"] == [
        {
            "data": {"text/plain": ["A line that rises."]},
            "metadata": {},
            "output_type": "display_data",
        },
        {
            "data": {"text/plain": ["1"]},
            "execution_count": 1,
            "metadata": {},
            "output_type": "execute_result",
        },
    ]
    assert last["outputs"] == [{"name": "stdout", "output_type": "stream", "text": ["1\n", "2\n"]}]
    assert [cell["id"] for cell in notebook["cells"]] == [cell["id"] for cell in cells]
    nbformat.validate(nbformat.from_dict(notebook))


def test_normal_form_is_a_fixed_point_and_what_jupyter_writes() -> None:
    once = tool.normalised(as_jupyter_writes([new_code_cell("1 + 1\n'é'"), new_markdown_cell("α")]))
    assert tool.normalised(once) == once
    assert tool.serialised(once) == nbformat.writes(nbformat.from_dict(once)) + "\n"


def test_missing_ids_are_derived_from_the_source() -> None:
    notebook = as_jupyter_writes([new_code_cell("1"), new_code_cell("1"), new_code_cell("2")])
    for cell in notebook["cells"]:
        del cell["id"]
    ids = [cell["id"] for cell in tool.normalised(notebook)["cells"]]
    assert len(set(ids)) == 3
    assert ids == [cell["id"] for cell in tool.normalised(notebook)["cells"]]


def printing(text: str, name: str = "stdout") -> Any:
    return new_code_cell(outputs=[new_output("stream", name=name, text=text)])


def showing(text: str) -> Any:
    return new_code_cell(outputs=[new_output("display_data", {"text/plain": text})])


ENDS_IN_AN_ERROR = new_output("error", ename="KeyError", evalue="", traceback=[])


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        (showing("<Figure size 640x480 with 1 Axes>"), "a figure without a caption"),
        (showing("<object at 0x7f00aa12bc34>"), "0x7f00aa12bc34"),
        (printing("saved in /home/ada/x"), "'/home/a'"),
        (printing("careful", name="stderr"), "stderr: 'careful'"),
        (new_code_cell(outputs=[ENDS_IN_AN_ERROR]), "ends in KeyError"),
        (new_code_cell("# NBVAL_IGNORE_OUTPUT\n1"), "an nbval marker"),
        (new_code_cell(metadata={"tags": ["hide_input"]}), "tag 'hide_input'"),
        (new_markdown_cell(attachments={"a.png": {"image/png": "iVBORw0KGgo="}}), "attached image"),
    ],
)
def test_what_only_the_author_can_cure_is_reported(
    cell: Any, advice: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps(as_jupyter_writes([cell])), encoding="utf-8")
    assert tool.main([str(path)]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"{path}: cell 1: ")
    assert advice in message


def test_check_names_what_is_wrong_and_leaves_the_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps(as_jupyter_writes([new_code_cell("1")])), encoding="utf-8")
    before = path.read_bytes()

    assert tool.main(["--check", str(path)]) == 1
    message = capsys.readouterr().err
    assert "cell 1: metadata 'execution'" in message
    assert "cell 1: execution_count is 7" in message
    assert path.read_bytes() == before

    assert tool.main([str(path)]) == 0
    assert tool.main(["--check", str(path)]) == 0
