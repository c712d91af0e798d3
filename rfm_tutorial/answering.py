"""The process of a submission: runs its cells, then calls its answers when asked to.

    python -m rfm_tutorial.answering < requests > replies

It knows nothing of the tests: neither their text nor what would be right. The first request has the
cells, each later one asks for names or for what a function gives back. Values go out as `answers`
packs them. Whatever a submission does to this process, it can change its own answers only.
"""

import base64
import builtins
import io
import json
import os
import resource
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rfm_tutorial.answers import message, pack, unpack
from rfm_tutorial.coursework import time_limit

MOST_PRINTED = 10**6
"""Characters that a cell, or a call, may print."""
KEPT_OF_A_CELL = 1000


class Printed(io.TextIOBase):
    """What is printed: its beginning is kept, and too much of it is an error."""

    left, kept = MOST_PRINTED, ""

    def start(self) -> None:
        """Forget what was printed, and be what prints."""
        sys.stdout = sys.stderr = self
        self.left, self.kept = MOST_PRINTED, ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.left -= len(text)
        self.kept += text[: KEPT_OF_A_CELL - len(self.kept)]
        if self.left < 0:
            # Room for the traceback.
            self.left = 10**4
            raise RuntimeError(f"more than {MOST_PRINTED} characters were printed")
        return len(text)


PRINTED = Printed()


class SilentGrader:
    """What `otter.Notebook` is while a submission is graded: public checks say nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_, **__: None


def run_cells(cells: list[str], seconds: float) -> tuple[dict[str, Any], str]:
    """The names of a notebook after all its cells, and the beginning of what they printed."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    otter = types.ModuleType("otter")
    otter.Notebook = SilentGrader  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules["otter"] = otter
    config = Config(
        {"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "nocolor"}}
    )

    class Shell(InteractiveShell):
        def enable_gui(self, gui: str | None = None) -> None:
            """Nobody looks at figures here."""

    shell = Shell.instance(config=config)
    log = ""
    for number, cell in enumerate(cells):
        PRINTED.start()
        # A cell that ends the program, or raises where IPython does not look, ends only itself.
        with suppress(BaseException), time_limit(seconds):
            shell.run_cell(cell)
        if PRINTED.kept:
            log += f"--- cell {number + 1}\n{PRINTED.kept}\n"
    return shell.user_ns, log[: 10**5]


@contextmanager
def taken_away(names: list[str]) -> Iterator[None]:
    """While this lasts, these functions, such as "torch.autograd.grad", raise."""
    before = []
    for name in names:
        *path, last = name.split(".")
        place: Any = sys.modules[path[0]]
        for step in path[1:]:
            place = getattr(place, step)

        def refuse(*_: object, name: str = name, **__: object) -> None:
            raise RuntimeError(f"{name} is not to be used here")

        before.append((place, last, getattr(place, last)))
        setattr(place, last, refuse)
    try:
        yield
    finally:
        for place, last, value in before:
            setattr(place, last, value)


def function_of(packed: dict) -> Any:
    """A function that came as an argument."""
    import dill

    return dill.loads(base64.b64decode(packed["function"]))


def answer(names: dict[str, Any], request: dict) -> Any:
    """The reply to one request: values by name, or what a function gave back and did."""
    if "names" in request:
        return {name: pack(names.get(name)) for name in request["names"]}
    PRINTED.start()
    arguments: list = []
    try:
        with time_limit(request["seconds"]), taken_away(request["without"]):
            first, *steps = request["steps"]
            value = names[first]
            for step in steps:
                if isinstance(step, str):
                    value = getattr(value, step)
                else:
                    arguments = [unpack(one, function_of) for one in step]
                    value = value(*arguments)
    # Also SystemExit, and what a notebook derives from BaseException itself.
    except BaseException as error:
        text = ""
        with suppress(BaseException), time_limit(1):
            text = str(error)[:1000]
        kinds = [kind.__name__ for kind in type(error).__mro__ if hasattr(builtins, kind.__name__)]
        return {"error": kinds, "text": text}
    return {"value": pack(value), "arguments": [pack(one) for one in arguments]}


def limit(job: dict) -> None:
    """Set this process's limits, which hold for each process that it starts, too."""
    if job["user"] is not None:
        os.setgroups([])
        os.setgid(job["user"])
        os.setuid(job["user"])
    for kind, most in (
        (resource.RLIMIT_AS, job["bytes"]),
        (resource.RLIMIT_CPU, job["cpu"]),
        (resource.RLIMIT_FSIZE, 10**8),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, job["processes"]),
    ):
        if most is not None:
            resource.setrlimit(kind, (most, most))


def main() -> None:
    """Answer requests until there are no more."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    job = json.loads(requests.readline())
    limit(job)
    names, printed = run_cells(job["cells"], job["seconds"])
    reply = message({"printed": printed})
    while True:
        replies.write(reply)
        replies.flush()
        line = requests.readline()
        if not line:
            # Without waiting for what a submission has left behind.
            os._exit(0)
        try:
            reply = message(answer(names, json.loads(line)))
        # What cannot be packed, such as a list in itself or a number of a million digits.
        except BaseException as error:
            reply = message({"error": ["ValueError"], "text": type(error).__name__})


if __name__ == "__main__":
    main()
