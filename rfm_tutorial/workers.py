"""The processes that compute a sweep: this one, others of this machine, or a Dask cluster's.

The last two take work in one way, that of the executors of Python's standard library. The local
ones are joblib's (loky), which start without running the program once more that started them.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from itertools import islice
from typing import Any, TypeVar

from tqdm import tqdm

from rfm_tutorial.checks import check_integer

Item = TypeVar("Item")
Result = TypeVar("Result")


def check_extra(*more: str) -> None:
    """Say what to install, if something is missing that sweeps need."""
    for name in ("joblib", "psutil", "pyarrow", *more):
        if find_spec(name) is None:
            raise ModuleNotFoundError(
                f"sweeps need {name}; pip install 'rfm-tutorial[sweep]' brings all that they need"
            )


@contextmanager
def connected(workers: int | None, scheduler: Any) -> Iterator[Any]:
    """A Dask client, or None for this machine. The arguments are those of `run_sweep`."""
    if workers is not None:
        check_integer("workers", workers, at_least=1)
        if scheduler is not None:
            raise ValueError(f"workers are local and must be None with a scheduler, got {workers}")
    if isinstance(scheduler, str) and scheduler:
        check_extra("distributed")
        from distributed import Client

        with Client(scheduler, set_as_default=False) as client:
            yield client
        return
    if scheduler is None and workers is None and "distributed" in sys.modules:
        from distributed import default_client

        with suppress(ValueError):  # there is none
            scheduler = default_client()
    if scheduler is not None and not hasattr(scheduler, "run_on_scheduler"):
        raise TypeError(f"scheduler must be an address or a distributed.Client, got {scheduler!r}")
    yield scheduler


def compute(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    client: Any,
    given: list[Item],
) -> Generator[Result]:
    """Results as they come. `given` grows as items are handed out, two for each worker at a time.

    An error ends it, one of `deaths()` if a worker died, and what is not finished is given up.
    """
    if client is None and workers == 1:
        for item in items:
            given.append(item)
            yield function(item)
        return
    waiting, running = iter(items), set[Future[Result]]()
    with _executor(workers, client) as executor:
        while True:
            for item in islice(waiting, 2 * workers - len(running)):
                given.append(item)
                running.add(executor.submit(function, item))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            # First what is finished: an error ends this.
            for future in sorted(done, key=lambda one: one.exception() is not None):
                yield future.result()


@contextmanager
def _executor(workers: int, client: Any) -> Iterator[Executor]:
    if client is not None:
        executor = client.get_executor(pure=False)
        give_up = partial(executor.shutdown, wait=False)
    else:
        from joblib.externals.loky import get_reusable_executor

        executor = get_reusable_executor(
            workers,
            timeout=300,
            initializer=_prepare_worker,
            initargs=(os.getpid(),),
            env={"OMP_NUM_THREADS": "1"},
        )
        give_up = partial(executor.shutdown, kill_workers=True)
    try:
        yield executor
    except BaseException:  # an error, Ctrl-C, or the end of who wanted the results
        give_up()
        raise


def _prepare_worker(parent: int) -> None:
    """Runs first in each local worker process."""
    # Ctrl-C reaches all processes of a terminal; one that ends the others is enough.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # tqdm's own lock would be a semaphore that a killed worker leaves in the system.
    tqdm.set_lock(threading.RLock())

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    # joblib lets a worker whose parent was killed wait for five minutes, with all its memory.
    threading.Thread(target=follow, daemon=True).start()


def deaths() -> tuple[type[Exception], ...]:
    """What says that a worker process is dead."""
    if "distributed" not in sys.modules:
        return (BrokenExecutor,)
    from distributed import KilledWorker

    return BrokenExecutor, KilledWorker
