"""What pytest needs to know about the chapters and the website."""

from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, coalesce_streams

ROOT = Path(__file__).resolve().parent
# Forms of an output that notebooks do not store, beside the image/png and the widget views that
# nbval skips by itself. Their text/plain form is stored and compared.
NOT_STORED = ("application/javascript", "image/svg+xml", "text/html", "text/latex", "text/markdown")

# They have no doctests; to be imported they need otter-grader, or a system that limits processes.
collect_ignore = [f"rfm_tutorial/{name}.py" for name in ("answering", "proctor", "sandbox")]
# Three samples of what students hand in, all of the same name.
collect_ignore_glob = ["tests/findings/*"]

TAKE_LONG = ("browser", "processes", "slow")
"""Marks of tests whose files come first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option with which `make test` runs each chapter once."""
    parser.addoption(
        "--nbval-executed",
        action="store_true",
        help="nbval compares the runs that the website was made from, where there are any, "
        "instead of running the notebooks once more",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take the collection of notebooks out of nbval's hands, if it is to compare other runs."""
    if config.option.nbval_executed:
        config.option.nbval = False
        config.pluginmanager.register(ExecutedNotebooks())


class ExecutedNotebooks:
    """Collects notebooks, with their runs in the website's cache."""

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.File | None:
        """Choose how a notebook is tested."""
        if file_path.suffix != ".ipynb":
            return None
        kind = IPyNbFile if run_of(file_path) is None else ExecutedNotebook
        return kind.from_parent(parent, path=file_path)


def run_of(path: Path) -> list | None:
    """The code cells of a notebook as executed for the website; None if they were not."""
    import nbformat
    from freshness import cache_of
    from jupyter_cache import get_cache

    cache = cache_of(ROOT)
    if not cache.is_dir():
        return None
    notebook = nbformat.read(path, as_version=4)
    try:
        _, executed = get_cache(cache).merge_match_into_notebook(notebook)
    except KeyError:
        return None
    return [cell for cell in executed.cells if cell.cell_type == "code"]


class ExecutedNotebook(IPyNbFile):
    """A notebook without a kernel."""

    def setup(self) -> None:
        """Start nothing."""
        self.run = run_of(self.path)

    def collect(self):
        """The cells that nbval would run."""
        for cell in super().collect():
            yield ExecutedCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )


class ExecutedCell(IPyNbCell):
    """A cell whose outputs are there already."""

    def runtest(self) -> None:
        """Compare as nbval does."""
        got, stored = (
            coalesce_streams(cell.outputs) for cell in (self.parent.run[self.cell_num], self.cell)
        )
        if not self.compare_outputs(got, stored):
            self.raise_cell_error("Cell outputs differ", "\n".join(self.comparison_traceback))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell nbval what not to compare; sort, so that processes that share the files end together.

    First the files that take long; last what needs the website, which takes longest to be built.
    """
    for item in items:
        if isinstance(item.parent, IPyNbFile):
            skip = (*item.parent.skip_compare, *NOT_STORED)
            item.parent.skip_compare = skip  # pyright: ignore[reportAttributeAccessIssue]
    long = {item.path for item in items if any(map(item.get_closest_marker, TAKE_LONG))}
    items.sort(
        key=lambda item: 2 if item.get_closest_marker("site") else int(item.path not in long)
    )
