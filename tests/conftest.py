"""Shapes and types in the package's signatures are checked wherever a test calls it.

The website is built once, one browser serves all tests.

jaxtyping reads the signatures and beartype does the checking. Hypothesis draws the same examples in
every run.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import website
from hypothesis import settings
from jaxtyping import config, install_import_hook
from npm_packages import npm_packages

if TYPE_CHECKING:
    import pyarrow as pa
    from playwright.sync_api import Browser

    from rfm_tutorial import RFM, Split

# Before anything imports the package. pytest has put this directory on the path.
install_import_hook("rfm_tutorial", "typechecking.check")

settings.register_profile("same every time", derandomize=True, deadline=None, database=None)
settings.load_profile("same every time")


@pytest.fixture
def no_type_checks() -> Iterator[None]:
    """Without jaxtyping and beartype: what the package itself says to a wrong argument."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def split() -> "Split":
    """A small table, cut."""
    from rfm_tutorial import ModularTask

    return ModularTask("add", 7).split(0.6)


@pytest.fixture
def fitted(split: "Split") -> "RFM":
    """A machine that has been fitted to it, and measured on the rest."""
    from rfm_tutorial import RFM, GaussianKernel

    test = split.X_test, split.Y_test
    return RFM(GaussianKernel(), 3).fit(split.X_train, split.Y_train, validation=test)


@pytest.fixture(scope="session")
def undisturbed_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a sweep that nothing went wrong in. Not to be changed: tests copy it."""
    from sweeps import GRID

    from rfm_tutorial.sweep import run_sweep

    store = tmp_path_factory.mktemp("undisturbed")
    run_sweep(GRID, store, workers=1)
    return store


@pytest.fixture(scope="session")
def undisturbed(undisturbed_store: Path) -> "pa.Table":
    """And its table."""
    from rfm_tutorial.store import read_sweep

    return read_sweep(undisturbed_store)


@pytest.fixture(scope="session")
def slower(tmp_path_factory: pytest.TempPathFactory) -> "pa.Table":
    """The table of a sweep that takes longer, undisturbed as well."""
    from sweeps import SLOWER

    from rfm_tutorial.sweep import run_sweep

    # On two processes, where types are not checked, it takes a quarter of the time.
    return run_sweep(SLOWER, tmp_path_factory.mktemp("slower"), workers=2)


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the graded assignments."""
    from handouts import built_assignments

    return built_assignments()


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Path:
    """Build the website, which executes only what changed since the last time.

    Not after `make book`, which `make test` has done just before, once for all processes.
    """
    folder = website.ROOT / "_build/html"
    if not (request.config.option.nbval_executed and folder.is_dir()):
        run = website.build(website.ROOT)
        if run.returncode != 0:
            pytest.fail(run.stdout + run.stderr, pytrace=False)
    return folder


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with website.serve(site) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    # Here, because most runs of the tests need no browser.
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium")
    if executable is None:
        without_browser("no browser: install chromium, on Debian 'apt-get install chromium'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def npm() -> Path:
    """The folder of the pinned npm packages."""
    try:
        return npm_packages()
    except RuntimeError as error:
        without_browser(str(error))
        raise


@pytest.fixture(scope="session")
def sandboxes() -> None:
    """Nothing, where submissions can be kept apart."""
    from rfm_tutorial.sandbox import MISSING, why_no_sandbox

    if reason := why_no_sandbox():
        missing("SANDBOX", MISSING.format(reason=reason))


def without_browser(reason: str) -> None:
    """Skip, or fail where a browser is required."""
    missing("BROWSER", reason)


def missing(what: str, reason: str) -> None:
    """Skip for want of something, or fail where the machine has to have it."""
    if os.environ.get(f"REQUIRE_{what}") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
