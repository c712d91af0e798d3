"""A kernel is added with one class and one line; its tests with one line more.

The recipe is in CONTRIBUTING.md. Here a kernel that the package does not have is added as it says,
in a module of its own, and everything that holds for every kernel is asked of it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from handouts import SAMPLE_OR_WHOLE
from helpers import CASES_OF_THE_PACKAGE

from rfm_tutorial.kernels import KERNELS

ROOT = Path(__file__).parent.parent

MATERN = '''
import dataclasses

import helpers
from numpy import exp, sqrt

from rfm_tutorial.kernels import KERNELS, RadialKernel


@dataclasses.dataclass(frozen=True)
class MaternKernel(RadialKernel):
    """k(x, z; M) = (1 + r + r²/3) exp(−r) with r = √5 ‖x − z‖_M / L."""

    @property
    def slope_scale(self):
        return 5 / 3 / self.bandwidth**2

    def profile(self, squared_distance):
        r = self.scaled(squared_distance)
        return (1 + r + r.square() / 3) * (-r).exp()

    def slope(self, squared_distance):
        r = self.scaled(squared_distance)
        return (1 + r) * (-r).exp()

    def scaled(self, squared_distance):
        # The root has no derivative at 0, and at infinity there is 0 times infinity.
        return (squared_distance * (5 / self.bandwidth**2)).clamp(1e-30, 1e6).sqrt()


KERNELS["matern"] = MaternKernel

CASE = helpers.Case(
    MaternKernel(1.5),
    lambda r: (1 + sqrt(5) * r / 1.5 + 5 * r**2 / 6.75) * exp(-sqrt(5) * r / 1.5),
    lambda r: 5 / 6.75 * (1 + sqrt(5) * r / 1.5) * exp(-sqrt(5) * r / 1.5),
)
helpers.CASES.append(CASE)
helpers.CASES_OF_THE_PACKAGE.append(CASE)
helpers.KERNELS_OF_THE_PACKAGE.append(CASE.kernel)
'''


def test_every_kernel_of_the_registry_is_under_contract() -> None:
    assert {type(case.kernel) for case in CASES_OF_THE_PACKAGE} == {*KERNELS.values()}


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """An environment in which `matern` can be imported."""
    (tmp_path / "matern.py").write_text(MATERN, encoding="utf-8")
    path = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "tests")))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("files", SAMPLE_OR_WHOLE)
def test_a_new_kernel_inherits_the_contract(plugin: dict[str, str], files: str) -> None:
    whole = ["rfm", "devices", "errors", "gradients"] if files == "whole" else []
    names = ["kernels", "saving", *whole]
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "matern", "-k", "Matern"),
            *("-p", "no:cacheprovider", "-p", "no:xdist"),
            *(f"tests/test_{name}.py" for name in names),
        ],
        cwd=ROOT,
        env=plugin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = int(run.stdout.rpartition(" passed")[0].split()[-1])
    assert passed > 150


SWEEP = """
import matern
from rfm_tutorial.grids import Grid
from rfm_tutorial.runs import run_cell

(cell,) = Grid(["add"], [5], kernels=["matern"], train_fractions=[0.8], n_iterations=[2]).cells()
print(run_cell(cell)["train_accuracy"].to_pylist())
"""


@pytest.mark.slow
def test_a_new_kernel_is_swept(plugin: dict[str, str]) -> None:
    command = [sys.executable, "-c", SWEEP]
    run = subprocess.run(command, cwd=ROOT, env=plugin, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "[1.0, 1.0, 1.0]\n"), run.stderr
