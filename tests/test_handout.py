"""What students get: enough to start, and no solution, no hidden test, no list of mistakes."""

import ast
import json
import zipfile
from pathlib import Path

import pytest
from handouts import ROOT, SOURCES, files_with_tests, python
from test_assignments import all_text, secrets
from wrong_answers import WRONG


@pytest.fixture(scope="module")
def handout(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of every file that students get, by its name, also of those in the wheel."""
    folder = tmp_path_factory.mktemp("handout") / "handout"
    python("tools/handout.py", built, folder)
    texts = {}
    for path in folder.iterdir():
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                texts |= {
                    name: wheel.read(name).decode("utf-8", "replace") for name in wheel.namelist()
                }
        elif path.suffix == ".ipynb":
            texts[path.name] = all_text(json.loads(path.read_text(encoding="utf-8")))
        else:
            texts[path.name] = path.read_text(encoding="utf-8")
    return texts


@pytest.mark.slow
def test_students_get_what_they_need(handout: dict[str, str]) -> None:
    assert {f"{name}.ipynb" for name in SOURCES} < set(handout)
    assert "rfm_tutorial/coursework.py" in handout
    assert "torch==" in handout["constraints.txt"]
    assert "rfm_tutorial-" in handout["START.md"]
    assert not [name for name in handout if "tests/" in name or "assignments/" in name]


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_no_file_has_what_students_should_not_see(
    handout: dict[str, str], built: Path, name: str
) -> None:
    kept = secrets(json.loads(SOURCES[name].read_text(encoding="utf-8")))
    for source in files_with_tests(built, name).values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and "hidden=True" in ast.unparse(node):
                kept.add(node.name)
    for wrong in WRONG[name]:
        kept |= {line.strip() for line in wrong.new.splitlines() if len(line.strip()) > 30}
    kept = {text for text in kept if len(text) > 16}
    assert len(kept) > 60
    # What the package and its page say themselves is no secret: they are public.
    public = [*(ROOT / "rfm_tutorial").rglob("*.py"), ROOT / "README.md"]
    said = "".join(path.read_text(encoding="utf-8") for path in public)
    shared = {text for text in kept if text in said}
    assert len(shared) < 0.1 * len(kept), shared
    notebook = handout[f"{name}.ipynb"]
    found = [(f"{name}.ipynb", text) for text in kept if text in notebook]
    for file, content in handout.items():
        found += [(file, text) for text in kept - shared if text in content]
    assert found == []
