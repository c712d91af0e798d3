"""What is built and handed out is whole, and an import needs no more than it says."""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest
import yaml
from build_assignments import requirements
from lowest_versions import lowest_versions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import rfm_tutorial
from rfm_tutorial import sweep

ROOT = Path(__file__).resolve().parents[1]

# ---------------------------------------------------------------- wheel and sdist


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "hatchling", "build", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel, unpacked, as it lies in site-packages."""
    (archive,) = built.glob("*.whl")
    with zipfile.ZipFile(archive) as contents:
        contents.extractall(built / "wheel")
    return built / "wheel"


@pytest.fixture(scope="module")
def distribution(wheel: Path) -> PathDistribution:
    (folder,) = wheel.glob("*.dist-info")
    return Distribution.at(folder)


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    inside = files(wheel / "rfm_tutorial")
    assert inside == files(ROOT / "rfm_tutorial")
    assert {"py.typed", "explorables/common.js", "explorables/grok.safetensors"} <= inside
    assert {path.name.partition("-")[0] for path in wheel.iterdir()} == {"rfm_tutorial"}


def test_the_command_for_sweeps_is_installed(distribution: PathDistribution) -> None:
    (command,) = distribution.entry_points
    assert (command.group, command.name) == ("console_scripts", "rfm-sweep")
    assert command.load() is sweep.main


@pytest.mark.slow
def test_the_tests_of_the_sdist_run(built: Path, tmp_path: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as contents:
        contents.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    # Without the package of this checkout: the doctests fail if another one is imported.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "pytest", "tests/test_tasks.py", "rfm_tutorial/tasks.py"]
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    for name in ("Makefile", "requirements.txt", "book/01-clock-arithmetic.ipynb", ".ci/run"):
        assert (folder / name).read_bytes() == (ROOT / name).read_bytes()
    assert not {".git", ".venv", "_build"} & {path.name for path in folder.iterdir()}


# ---------------------------------------------------------------- versions


def test_all_say_the_same_version(distribution: PathDistribution) -> None:
    version = rfm_tutorial.__version__
    assert distribution.version == version
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version
    front = (ROOT / "book/index.md").read_text(encoding="utf-8")
    for words in (f"Version {version}, ", f"{{Version {version}}}", citation["title"]):
        assert words in front
    assert citation["license"] in front
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (.*)$", changelog, re.MULTILINE)
    assert newest is not None
    assert version in newest[1]


def test_the_pins_lie_in_the_ranges_and_name_no_place(distribution: PathDistribution) -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.strip().startswith("#"))
    for text in distribution.requires or []:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), text


def test_a_grading_image_gets_the_package_and_what_draws_its_figures() -> None:
    *pins, package, end = requirements().split("\n")
    assert {pin.partition("==")[0] for pin in pins} == {
        *("jaxtyping", "numpy", "safetensors", "torch", "tqdm"),
        *("executing", "ipython", "matplotlib"),
    }
    assert package.endswith("/rfm-tutorial[figures]")
    assert end == ""


def test_the_lowest_versions_are_the_lower_ends_of_the_ranges() -> None:
    pyproject = """
        [project]
        name = "me"
        dependencies = ["torch>=2.6,<3", "dask[distributed]>=2025.1 ; python_version > '3'"]
        [project.optional-dependencies]
        one = ["psutil>=5.9", "me[two]"]
        two = ["psutil>=5.9", "jsonschema<4.25"]
    """
    assert lowest_versions(pyproject) == [
        *("torch==2.6", "dask==2025.1 ; python_version > '3'", "psutil==5.9", "jsonschema<4.25")
    ]


# ---------------------------------------------------------------- what an import needs

EXTRAS = (
    *("matplotlib", "IPython", "executing", "anywidget", "ipywidgets", "traitlets", "pandas"),
    *("pyarrow", "joblib", "dask", "psutil", "scipy", "sklearn", "pytest", "beartype"),
)
IMPORTS = f"""
import json
import sys
from importlib.machinery import PathFinder
import torch  # looks for optional packages of its own

class Installed(PathFinder):
    missing = {EXTRAS}
    asked = []

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in cls.missing:
            cls.asked.append(name)
            return None
        return PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
before = set(sys.modules)
import rfm_tutorial
new = {{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names
seen = {{
    "asked": Installed.asked.copy(),
    "new": sorted(name for name in new if not name.startswith("_")),
    "slow": sorted({{"torch._dynamo", "torch._inductor"}} & set(sys.modules)),
}}

from rfm_tutorial import *
split = ModularTask("add", 7).split(0.6)
rfm = RFM(GaussianKernel(), n_iterations=2).fit(split.X_train, split.Y_train, progress=False)
rfm.save("model.safetensors")
loaded = RFM.load("model.safetensors")
torch.testing.assert_close(loaded.predict(split.X_test), rfm.predict(split.X_test))
list(train_network(QuadraticNetwork(7, width=8), split, n_epochs=1))
agop(rfm.predict, split.X_train)
spectrum(circulant_block(rfm.feature_matrix_, "add"))
import rfm_tutorial.coursework, rfm_tutorial.exercises, rfm_tutorial.grids

seen["messages"] = []
for module, missing in (
    *(("plots", "matplotlib"), ("plots", "IPython"), ("claims", "executing")),
    *(("explorables", "anywidget"), ("store", "pyarrow"), ("estimators", "sklearn")),
):
    Installed.missing = (missing,)
    try:
        __import__("rfm_tutorial." + module)
    except ModuleNotFoundError as error:
        seen["messages"].append(str(error))
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a process sees in which only the dependencies without any extra are installed."""
    run = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        cwd=tmp_path_factory.mktemp("imports"),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.slow
def test_the_numerics_need_no_package_of_an_extra(seen: dict[str, list[str]]) -> None:
    assert seen["asked"] == []


@pytest.mark.slow
def test_the_package_loads_little_besides_torch(seen: dict[str, list[str]]) -> None:
    core = {"jaxtyping", "numpy", "rfm_tutorial", "safetensors", "tqdm"}
    # The last comes with jaxtyping.
    assert set(seen["new"]) <= core | {"wadler_lindig"}
    # The parts of torch that are slow to load, and come only when they are asked for.
    assert seen["slow"] == []


def test_a_module_says_which_extra_it_needs(seen: dict[str, list[str]]) -> None:
    assert seen["messages"] == [
        f"{subject} need {missing}; pip install 'rfm-tutorial[{extra}]' brings all that they need"
        for subject, missing, extra in (
            ("figures", "matplotlib", "figures"),
            ("figures", "IPython", "figures"),
            ("claims", "executing", "figures"),
            ("explorables", "anywidget", "widgets"),
            ("sweeps", "pyarrow", "sweep"),
            ("estimators", "sklearn", "sklearn"),
        )
    ]
