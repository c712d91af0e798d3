"""Run notebooks side by side, once, into the cache that others read.

myst-nb executes a page's notebook when it comes to that page, one after
another. This Sphinx extension executes all that the cache does not have
beforehand, one on each processor core; myst-nb then finds them there. What
fails is not put there: myst-nb executes it again and reports it.

nbval compares what is stored with the same runs (see conftest.py).
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import psutil
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import create_nb_reader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.display import status_iterator

SECONDS_BETWEEN_LOOKS = 0.4


class Watch:
    """The most memory that a process and those below it have at once."""

    def __init__(self, process: psutil.Process) -> None:
        """Begin to look."""
        self.peak = 0
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_LOOKS):
            try:
                below = self._process.children(recursive=True)
                family = [self._process, *below]
                total = sum(one.memory_info().rss for one in family)
            except psutil.NoSuchProcess:  # one of them has ended since
                continue
            self.peak = max(self.peak, total)

    def end(self) -> int:
        """Stop looking; return bytes."""
        self._stop.set()
        self._thread.join()
        return self.peak


def execute(
    path: Path, notebook: NotebookNode, timeout: int, threads: int
) -> dict[str, Any]:
    """Execute a notebook in place; return what it took."""
    watches: list[Watch] = []

    def watch(**_: Any) -> None:
        watches.append(Watch(psutil.Process(client.km.provisioner.pid)))  # pyright: ignore

    client = NotebookClient(
        notebook,
        timeout=timeout,
        # Timings would become part of what the cache compares.
        record_timing=False,
        # Not the warning of each kernel that it talks over TCP.
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
        on_notebook_start=watch,
    )
    started = time.monotonic()
    try:
        client.execute(env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    finally:
        peaks = [one.end() for one in watches]
    seconds = time.monotonic() - started
    return {"execution_seconds": seconds, "peak_bytes": max(peaks)}


def notebooks_to_run(
    app: Sphinx, env: BuildEnvironment, pages: list[str]
) -> dict[Path, NotebookNode]:
    """The notebooks among some pages that have no run in the cache."""
    cache = get_cache(app.config["nb_execution_cache_path"])
    found = {}
    for page in pages:
        path = Path(env.doc2path(page))
        text = path.read_text("utf-8")
        reader = create_nb_reader(
            str(path),
            env.myst_config,  # pyright: ignore[reportAttributeAccessIssue]
            env.mystnb_config,  # pyright: ignore[reportAttributeAccessIssue]
            text,
        )
        if reader is None:
            continue
        notebook = reader.read(text)
        try:
            cache.match_cache_notebook(notebook)
        except KeyError:
            found[path] = notebook
    return found


def fill_cache(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    """Execute what the pages that are about to be read will ask for."""
    missing = notebooks_to_run(app, env, pages)
    if not missing:
        return
    cores = os.cpu_count() or 1
    side_by_side = min(cores, len(missing))
    timeout = app.config["nb_execution_timeout"]
    cache = get_cache(app.config["nb_execution_cache_path"])
    with ThreadPoolExecutor(side_by_side) as pool:
        # Later chapters take longer: if they come first, none is left alone.
        runs = {
            pool.submit(
                execute, path, notebook, timeout, cores // side_by_side
            ): path
            for path, notebook in reversed(missing.items())
        }
        for run in status_iterator(
            as_completed(runs),
            "executing... ",
            "brown",
            len(runs),
            app.verbosity,
            lambda run: runs[run].stem,
        ):
            path = runs[run]
            try:
                took = run.result()
            except (CellExecutionError, CellTimeoutError):
                continue
            bundle = CacheBundleIn(missing[path], str(path), data=took)
            cache.cache_notebook_bundle(
                bundle, check_validity=False, overwrite=True
            )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the step that comes before pages are read."""
    app.connect("env-before-read-docs", fill_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
