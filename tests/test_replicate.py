"""The replication rule: what it says of findings, good and bad, and of programs that misbehave."""

import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import scipy.stats

from rfm_tutorial import replicate as module
from rfm_tutorial.findings import Statement, as_numbers, read_finding
from rfm_tutorial.replicate import fewest_seeds, judged, least_share, main, replicate, run_once

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "tests/findings"


def program(run: str = "0.9 + 0.1 * noise", control: str = "0.1 * noise") -> str:
    """Noise in place of a machine: a run takes the time that Python needs to start."""
    return f"""
from random import Random


def run(seed):
    noise = Random(seed).random()
    return {{"right": {run}}}


def control(seed):
    noise = Random(seed).random()
    return {{"right": {control}}}
"""


PROGRAM = program()
TEXTS = """
title = "noise"
says = "Large noise is large."
predicted = "Always."
ours = "no machine at all"
refuted_by = "a small number"
"""
PARTS = """
[claim]
holds = "right >= 0.9"
share_of_seeds = 0.5

[control]
holds = "right <= 0.2"
share_of_seeds = 0.5
"""


def rows(program: str, seeds: range) -> str:
    """What an honest author reports."""
    space: dict = {}
    exec(program, space)
    lines = []
    for seed in seeds:
        run, control = space["run"](seed)["right"], space["control"](seed)["right"]
        lines.append(
            f"[[reported]]\nseed = {seed}\nrun = {{right = {run:.3f}}}\n"
            f"control = {{right = {control:.3f}}}\n"
        )
    return "".join(lines)


REPORTED = rows(PROGRAM, range(5))


def folder(path: Path, program: str = PROGRAM, toml: str = TEXTS + PARTS + REPORTED) -> Path:
    (path / "experiment.py").write_text(program, encoding="utf-8")
    (path / "findings.toml").write_text(toml, encoding="utf-8")
    return path


# ---------------------------------------------------------------- findings


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sample", "verdict", "words"),
    [
        pytest.param("sound", "sound", "claim and control hold", marks=pytest.mark.nightly),
        pytest.param(
            *("unsound", "unsound", "the claim does not hold on new seeds"),
            marks=pytest.mark.nightly,
        ),
        ("fabricated", "not reproduced", "Ask first"),
    ],
)
@pytest.mark.parametrize("draw", [2026, pytest.param(2027, marks=pytest.mark.nightly)])
def test_the_samples_are_told_apart(sample: str, verdict: str, words: str, draw: int) -> None:
    found = replicate(SAMPLES / sample, n_seeds=5, draw=draw)
    assert found.verdict == verdict, str(found)
    assert words in found.why
    assert ("new seeds  of all seeds" in found.table) == (sample != "fabricated")
    # Of their own seeds all three say the same.
    own = read_finding(SAMPLES / sample)
    assert all(own.claim.true_of(numbers["run"]) for numbers in own.reported.values())
    assert all(own.control.true_of(numbers["control"]) for numbers in own.reported.values())


def test_noise_that_keeps_its_word_is_sound(tmp_path: Path) -> None:
    found = replicate(folder(tmp_path), draw=1)
    assert found.verdict == "sound"
    assert re.search(r"claim +5 of 5 +5 of 5 +0\.55 to 1\.00 +0\.50 +holds", found.table)
    assert "Is the seed used?" not in found.table
    assert str(replicate(tmp_path, draw=1)) == str(found)
    assert str(replicate(tmp_path, draw=2)) != str(found)


def test_new_seeds_are_new_and_old_ones_are_reported(tmp_path: Path, monkeypatch) -> None:
    asked = []
    honest = module.run_once

    def noted(path: Path, name: str, seed: int, limit: float):
        asked.append((name, seed))
        return honest(path, name, seed, limit)

    monkeypatch.setattr(module, "run_once", noted)
    replicate(folder(tmp_path), n_seeds=3, draw=5, again=4, jobs=1)
    old = [seed for name, seed in asked[:8] if name == "run"]
    assert len({*old}) == 4
    assert {*old} <= {*range(5)}
    new = [seed for name, seed in asked[8:] if name == "run"]
    assert len({*new}) == 3
    assert not {*new} & {*range(5)}
    assert all(0 <= seed < 10**6 for seed in new)
    assert [seed for name, seed in asked[8:] if name == "control"] == new


SHARED = PARTS.replace("<= 0.2", "<= 1")


@pytest.mark.parametrize(
    ("code", "parts", "verdict", "words"),
    [
        (program("0.9 if seed < 5 else 0.5"), PARTS, "unsound", "the claim does not hold on new"),
        (program(control="0.1 if seed < 5 else 0.5"), PARTS, "unsound", "the control does not do"),
        (program(control="0.9 + 0.1 * noise"), SHARED, "unsound", "the control shares the claim"),
        (program("0.9 if seed < 5 else 0.9 / (seed % 2)"), PARTS, "cannot tell", "Draw more seeds"),
    ],
    ids=["known seeds", "known control", "shared", "every second fails"],
)
def test_what_is_not_sound_is_named(
    code: str, parts: str, verdict: str, words: str, tmp_path: Path
) -> None:
    found = replicate(folder(tmp_path, code, TEXTS + parts + rows(code, range(5))), draw=3)
    assert found.verdict == verdict, str(found)
    assert words in found.why
    if verdict == "cannot tell":
        assert re.search(r"run, \d of 5: ZeroDivisionError", found.table)


def test_made_up_numbers_and_an_unused_seed_are_seen(tmp_path: Path) -> None:
    made_up = re.sub(r"right = 0\.9\d+", "right = 0.99", REPORTED)
    found = replicate(folder(tmp_path, toml=TEXTS + PARTS + made_up), draw=1)
    assert found.verdict == "not reproduced"
    assert "NOT the same" in found.table
    unused = PROGRAM.replace("Random(seed)", "Random()")
    assert replicate(folder(tmp_path, unused), draw=1, tolerance=1e-4).verdict == "not reproduced"
    constant = PROGRAM.replace("Random(seed)", "Random(7)")
    text = TEXTS + PARTS + rows(constant, range(5))
    found = replicate(folder(tmp_path, constant, text), draw=1)
    assert "run: the same numbers on all seeds. Is the seed used?" in found.table


def test_another_name_is_not_the_same_number(tmp_path: Path) -> None:
    renamed = PROGRAM.replace('"right"', '"correct"')
    found = replicate(folder(tmp_path, renamed), draw=1)
    assert found.verdict == "not reproduced"
    assert re.search(r"run\(\d\): right 0\.\d+ reported, nan found: NOT the same", found.table)


def test_too_few_seeds_say_so(tmp_path: Path) -> None:
    found = replicate(folder(tmp_path), n_seeds=2, draw=1)
    assert found.verdict == "cannot tell"
    assert found.why.endswith("2 seeds can show nothing; 5 can.")


# ---------------------------------------------------------------- one run

MISBEHAVING = {
    "x = 1": "experiment.py has no function run(seed)",
    "run = 3": "experiment.py has no function run(seed)",
    "def run(seed: return": "SyntaxError",
    "def run(seed): return 0.9": "numbers by name are wanted, such as {'right': 0.9}, got 0.9",
    "def run(seed): return {}": "numbers by name are wanted",
    "def run(seed): return {'right': float('nan')}": "right must be a finite number; float(…)",
    "def run(seed): return {'right': 10**400}": "right must be a finite number",
    "def run(seed): return {'right': True}": "right must be a finite number; float(…) makes one, "
    "got True",
    "from decimal import Decimal\ndef run(seed): return {'right': Decimal(1)}": "got 'a Decimal'",
    "def run(seed): return {'a\\nsound': 1.0}": "names must be words such as right",
    "def run(): return {'right': 1.0}": "TypeError: run() takes 0 positional arguments",
    "def run(seed): raise ValueError('a\\n\\x1b[2Jb')": "ValueError: a  [2Jb",
    "def run(seed): import os; os._exit(3)": "without an answer, with status 3",
    "import os\ndef run(seed): os.kill(os.getpid(), 9)": "without an answer, with status -9",
    "import os\ndef run(seed): os.write(3, b'[1]'); os._exit(0)": "without an answer",
    "def run(seed): exit()": "SystemExit",
}


@pytest.mark.parametrize("program", MISBEHAVING)
def test_a_run_that_goes_wrong_says_how(program: str, tmp_path: Path) -> None:
    (tmp_path / "experiment.py").write_text(program, encoding="utf-8")
    found = run_once(tmp_path, "run", 0, limit=60)
    assert isinstance(found, str)
    assert MISBEHAVING[program] in found
    assert found.isprintable()


def test_what_a_run_prints_is_not_its_answer_and_it_sees_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("NUMBER = 2", encoding="utf-8")
    program = (
        "import os, helper\n"
        "def run(seed):\n"
        '    print(\'{"returned": {"right": 7}}\' * 1000)\n'
        "    os.system('echo 3')\n"
        "    return {'right': helper.NUMBER + seed}\n"
    )
    (tmp_path / "experiment.py").write_text(program, encoding="utf-8")
    assert run_once(tmp_path, "run", 5, limit=60) == {"right": 7.0}
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize("body", ["while True: pass", "while True: print('x' * 10**6)"])
def test_a_run_is_stopped_with_all_that_it_has_started(body: str, tmp_path: Path) -> None:
    program = (
        "import os, pathlib\n"
        "def run(seed):\n"
        "    child = os.fork()\n"
        "    pathlib.Path(str(child)).touch()\n"
        f"    {body}\n"
    )
    (tmp_path / "experiment.py").write_text(program, encoding="utf-8")
    began = time.monotonic()
    assert run_once(tmp_path, "run", 0, limit=2) == "it was stopped after 2 seconds"
    assert time.monotonic() - began < 20
    (child,) = (int(path.name) for path in tmp_path.iterdir() if path.name.strip("0").isdigit())
    for _ in range(100):
        if not alive(child):
            return
        time.sleep(0.1)
    pytest.fail("its child still runs")


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_reported_seed_that_does_not_run_ends_it(tmp_path: Path) -> None:
    half = PROGRAM.partition("def control")[0]
    found = replicate(folder(tmp_path, half), draw=1)
    assert found.verdict == "does not run"
    assert "experiment.py has no function control(seed)" in found.table
    slow = "import time\ndef run(seed): time.sleep(60)\ncontrol = run"
    found = replicate(folder(tmp_path, slow), draw=1, limit=0.5)
    assert found.verdict == "does not run"
    assert found.table.count("): it was stopped after 0.5 seconds") == 4


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("n", [1, 5, 9, 20])
def test_shares_are_those_of_clopper_and_pearson(n: int) -> None:
    for right in range(n + 1):
        oracle = scipy.stats.binomtest(right, n, alternative="greater")
        low = oracle.proportion_ci(0.95, method="exact").low
        assert least_share(right, n) == pytest.approx(low, abs=1e-9)
        for share in (0.5, 0.7, 0.9):
            more = scipy.stats.binom.sf(right - 1, n, share)
            less = scipy.stats.binom.cdf(right, n, share)
            expected = "holds" if more < 0.05 else "does not hold" if less < 0.05 else "cannot tell"
            assert judged(right, n, share) == expected


def test_a_border_claim_passes_and_fails_rarely() -> None:
    for n, share in ((5, 0.5), (9, 0.7), (14, 0.8), (30, 0.8)):
        chance = {"holds": 0.0, "does not hold": 0.0, "cannot tell": 0.0}
        for right in range(n + 1):
            chance[judged(right, n, share)] += scipy.stats.binom.pmf(right, n, share)
        assert 0 < chance["holds"] <= 0.05
        assert chance["does not hold"] <= 0.05


@pytest.mark.parametrize("share", [0.5, 0.7, 0.8, 0.95])
def test_the_fewest_seeds_are_just_enough(share: float) -> None:
    n = fewest_seeds(share)
    assert judged(n, n, share) == "holds"
    assert judged(n - 1, n - 1, share) != "holds"


def test_statements_are_read_as_they_are_written() -> None:
    both = Statement("right >= 0.9 and even<1e-3", 0.7)
    assert both.true_of({"right": 0.9, "even": 0.0009})
    assert not both.true_of({"right": 0.9, "even": 0.001})
    assert not both.true_of({"right": 0.9})
    assert not both.true_of("it was stopped")
    assert Statement("ahead > -0.5", 0.7).true_of({"ahead": -0.4})
    assert as_numbers({"right": 1}) == {"right": 1.0}
    assert isinstance(as_numbers({"right": math.inf}), str)


# ---------------------------------------------------------------- what is handed in

WRONG = {
    'title = "noise"': ("", "findings.toml must have a text title, got None"),
    'predicted = "Always."': ('predicted = " "', "must have a text predicted, got ' '"),
    'holds = "right >= 0.9"': ('holds = "right > x"', "holds in [claim] must read like"),
    'holds = "right <= 0.2"': ('holds = "__import__(1)"', "holds in [control] must read like"),
    "[control]": ("[others]", "holds in [control] must read like"),
    "share_of_seeds = 0.5\n\n": ("share_of_seeds = 1.0\n\n", "must lie in 0.5 … 0.95, got 1.0"),
    "seed = 4": ("seed = 3", "each seed must be another integer from 0 to 2³¹ − 1, got 3"),
    "seed = 2": ("seed = -2", "each seed must be another integer"),
    "seed = 1\nrun": ("seed = 1\nruns", "run of the reported seed 1: numbers by name are wanted"),
    "run = {right = 0.984}": ("run = {right = nan}", "run of the reported seed 0: right must be"),
    "[claim]": ("[claim", "must be a TOML file, got: "),
}


@pytest.mark.parametrize("right", WRONG)
def test_a_finding_that_cannot_be_read_says_why(right: str, tmp_path: Path, capsys) -> None:
    wrong, message = WRONG[right]
    whole = TEXTS + PARTS + REPORTED
    assert whole.count(right) == 1
    folder(tmp_path, toml=whole.replace(right, wrong))
    with pytest.raises(ValueError, match=re.escape(message)):
        read_finding(tmp_path)
    assert main([str(tmp_path)]) == 1
    assert message in capsys.readouterr().err


def test_five_seeds_are_reported_or_more(tmp_path: Path) -> None:
    folder(tmp_path, toml=TEXTS + PARTS + rows(PROGRAM, range(4)))
    with pytest.raises(ValueError, match=r"must have \[\[reported\]\] for 5 seeds or more, got"):
        read_finding(tmp_path)


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("n_seeds", 0, "n_seeds must be an integer ≥ 1"),
        ("draw", -1, "draw must be an integer ≥ 0"),
        ("again", 0, "again must be an integer ≥ 1"),
        ("jobs", 0, "jobs must be an integer ≥ 1"),
        ("limit", 0, "limit must be a positive number"),
        ("tolerance", -0.1, "tolerance must be a number ≥ 0"),
    ],
)
def test_arguments_are_looked_at(argument: str, value: float, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        replicate(folder(tmp_path), **{argument: value})


def test_the_command_prints_the_verdict(tmp_path: Path, capsys) -> None:
    command = [sys.executable, "-m", "rfm_tutorial.replicate", str(folder(tmp_path))]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--draw", "1"], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{replicate(tmp_path, draw=1)}\n"
    assert done.stderr == ""
    assert main([str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
