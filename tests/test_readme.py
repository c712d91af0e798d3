"""The README's Python runs as it stands and prints what the README says it prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.mark.slow
def test_the_snippet_prints_what_the_readme_shows() -> None:
    blocks = re.findall(
        r"```(python|text)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert [kind for kind, _ in blocks] == ["python", "text"]
    (_, code), (_, printed) = blocks
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == printed
    assert run.stderr == ""
