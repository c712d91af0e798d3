"""The README's Python runs as it stands and prints what the README says it prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


BLOCKS = re.findall(r"```(python|text)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_each_snippet_is_followed_by_what_it_prints() -> None:
    assert [kind for kind, _ in BLOCKS] == ["python", "text"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1], ids=["the loop", "the estimator"])
def test_the_snippet_prints_what_the_readme_shows(number: int) -> None:
    (_, code), (_, printed) = BLOCKS[2 * number : 2 * number + 2]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == printed
    assert run.stderr == ""
