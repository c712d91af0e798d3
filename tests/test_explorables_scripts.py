"""The scripts of the explorables: how they are put together, and what the linter finds in them."""

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import npm_packages
import pytest
from npm_packages import NODE, ROOT

from rfm_tutorial import explorables
from rfm_tutorial.explorables import base

EXPLORABLES: dict[str, type[base.Explorable]] = {
    kind.__module__.rpartition(".")[2].replace("_", "-"): kind
    for kind in vars(explorables).values()
    if isinstance(kind, type) and issubclass(kind, base.Explorable)
}
"""All of them, by the name of their file, which is also how a page calls them."""

_GUESSES = """Guesses("05", [
    Guess("half", "At which iteration is half of the hidden cells right?"),
    Guess("which", "Which cells go first?", choices=("the sums", "the products", "neither")),
])"""
EXAMPLES = {name: f"{kind.__name__}()" for name, kind in EXPLORABLES.items()} | {
    "guesses": _GUESSES,
    "answer": f'{_GUESSES}.answer("half", 13)',
    "recap": f"{_GUESSES}.recap()",
    "record": 'Record("05", "runs", ("run", "deviation", "jump"), ("+ Gaussian", "your own"))',
    "questions": """Questions([
        Question("What is the training accuracy of a lookup table?", right="1", wrong={
            "1/p": "That is chance; a table has seen each of these rows.",
            "0": "That is its test accuracy.",
        }),
        Question("And its test accuracy?", right="0", wrong={"1": "It has not seen these rows."}),
    ])""",
}
"""The code that makes each of them, where the names of `rfm_tutorial.explorables` are known."""


def example(name: str) -> base.Explorable:
    return eval(EXAMPLES[name], {**vars(explorables)})


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


@pytest.mark.parametrize("kind", EXPLORABLES.values(), ids=EXPLORABLES)
def test_a_script_needs_nothing_but_its_text(kind: type) -> None:
    assert load(kind._esm) == {"render": "function"}


@pytest.mark.parametrize("kind", EXPLORABLES.values(), ids=EXPLORABLES)
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


BAD = """import { element, nothing } from "./common.js";
let one = 1;
var two = one == 2 ? undeclared : name;
function unused(element) {}
export default { render: () => nothing(two) };
"""


def test_the_linter_finds_what_a_browser_would_not_say(npm: Path, tmp_path: Path) -> None:
    here = tmp_path / base.HERE.relative_to(ROOT)
    here.mkdir(parents=True)
    shutil.copy(ROOT / "biome.json", tmp_path)
    for path in base.HERE.glob("*.js"):
        shutil.copy(path, here)
    command = [NODE, npm / ".bin/biome", "lint", "--error-on-warnings", "--colors=off"]

    def lint() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
        )

    assert lint().returncode == 0
    write(here, bad=BAD)
    run = lint()
    assert run.returncode == 1
    assert set(re.findall(r"bad\.js:\d+:\d+ lint/\w+/(\w+)", run.stdout + run.stderr)) == {
        "noDoubleEquals",
        "noRestrictedGlobals",
        "noShadow",
        "noUndeclaredVariables",
        "noUnresolvedImports",
        "noUnusedFunctionParameters",
        "noUnusedImports",
        "noUnusedVariables",
        "noVar",
        "useConst",
    }


def test_without_a_network_the_linter_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    install = partial(npm_packages.npm_packages, tmp_path / "npm")
    monkeypatch.setattr(npm_packages, "npm_packages", install)
    assert npm_packages.main(["biome", "lint"]) == 1
    _, said = capsys.readouterr()
    assert "ECONNREFUSED" in said
    assert said.endswith(
        "'biome lint' did not run: npm packages are fetched once, which needs a network.\n"
    )
    assert npm_packages.main([]) == 1
    assert "did not run" not in capsys.readouterr().err


def test_a_command_of_a_package_runs_with_its_arguments(npm: Path) -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "book/_ext/npm_packages.py", "biome", "--version"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    pinned = json.loads((npm_packages.SOURCE / "package.json").read_text(encoding="utf-8"))
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["Version:", pinned["dependencies"]["@biomejs/biome"]]
