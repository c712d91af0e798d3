"""What `fit` does beside the mathematics: a history of plain numbers, and a bar while it waits."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from tqdm import tqdm

Record = dict[str, float]


@runtime_checkable
class Step(Protocol):
    """What is asked of a step."""

    @property
    def iteration(self) -> int: ...


AStep = TypeVar("AStep", bound=Step)


def follow(
    steps: Iterable[AStep],
    n_steps: int,
    measure: Callable[[AStep], Record],
    on_step: Callable[[AStep], object] | None,
    progress: bool,
    before: Sequence[Record] = (),
) -> Iterator[tuple[AStep, list[Record]]]:
    """Yield each step with the history so far, its own record the last, until `on_step` says stop.

    Parameters
    ----------
    steps : computed as they are asked for
    n_steps : how many there will be, with those of `before`
    measure : from a step to the numbers of its record, beside iteration and seconds
    on_step : called when whoever follows has seen the step; a true result ends it
    progress : a bar after a second, if stderr is a terminal
    before : the records of an earlier run that these steps continue

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> steps = [SimpleNamespace(iteration=i) for i in range(9)]
    >>> def measure(step):
    ...     return {"square": step.iteration**2}
    >>> for step, history in follow(steps, 9, measure, lambda step: step.iteration == 2, False):
    ...     print(len(history), history[-1]["square"])
    1 0
    2 1
    3 4
    """
    history = [dict(record) for record in before]
    started = time.perf_counter() - (history[-1]["seconds"] if history else 0)
    # disable=None: silent unless stderr is a terminal. delay: silent for short fits.
    with tqdm(
        total=n_steps, initial=len(history), disable=None if progress else True, delay=1
    ) as bar:
        for step in steps:
            seconds = time.perf_counter() - started
            measured = measure(step)
            history.append({"iteration": step.iteration, "seconds": seconds, **measured})
            yield step, history
            shown = {key: f"{value:.3g}" for key, value in measured.items()}
            bar.set_postfix(shown, refresh=False)
            bar.update()
            if on_step is not None and on_step(step):
                return
