"""The scripts of the explorables: how they are put together."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from npm_packages import NODE

from rfm_tutorial.explorables import (
    DiscreteLogShuffle,
    FourierClocks,
    PaintCirculant,
    RFMInPage,
    WatchItGrok,
    base,
)

EXPLORABLES = (DiscreteLogShuffle, FourierClocks, PaintCirculant, RFMInPage, WatchItGrok)

LOAD = """
import { text } from "node:stream/consumers";
const url = `data:text/javascript,${encodeURIComponent(await text(process.stdin))}`;
const { default: widget } = await import(url);
console.log(JSON.stringify(widget, (_, value) => value instanceof Function ? "function" : value));
"""


def load(script: str) -> Any:
    """The default export of a script, loaded as a browser loads it: without an address."""
    run = subprocess.run(
        [NODE, "--input-type=module", "-e", LOAD],
        input=script,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("kind", EXPLORABLES)
def test_a_script_needs_nothing_but_its_text(kind: type) -> None:
    assert load(kind._esm) == {"render": "function"}


@pytest.mark.parametrize("kind", EXPLORABLES)
def test_a_script_takes_all_that_it_is_given_and_no_more(kind: type) -> None:
    found = re.match(r"const given = (.*);\n", kind._esm)
    assert found is not None
    taken = re.findall(r"const \{([^}]*)\} = given;", kind._esm)
    assert {name for names in taken for name in re.findall(r"\w+", names)} == {
        *json.loads(found[1])
    }
    assert len(re.findall(r"\bgiven\b", kind._esm)) == len(taken) + 1


def write(folder: Path, **modules: str) -> None:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text, encoding="utf-8")


def test_each_module_has_a_scope_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "HERE", tmp_path)
    write(
        tmp_path,
        first='const own = "first";\nlet calls = 0;\nconst call = () => [own, ++calls];\n'
        "export { call };\n",
        second='import { call } from "./first.js";\n\nconst own = "second";\n'
        "const again = () => [own, call()];\n\nexport {\n  again,\n};\n",
        shown='import { again } from "./second.js";\nimport {\n  call,\n} from "./first.js";\n\n'
        "const { NAME } = given;\nconst own = NAME;\n"
        "export default [own, again(), call(), typeof calls, typeof first.own];\n",
    )
    script = base.script("shown", NAME="p → ∞")
    # The module that two others import exists once: the second call is its second.
    assert load(script) == ["p → ∞", ["second", ["first", 1]], ["first", 2], *["undefined"] * 2]
