"""Runs a submission where it reaches nothing, and asks it for its answers.

The sandbox is bubblewrap: the system, this environment and this package, read-only; an empty home
and an empty /tmp of limited size; processes, network and variables of its own. What comes out of it
is what `answers` lets through. Expected values are computed out here, where no submission runs.
"""

import base64
import builtins
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from rfm_tutorial.answers import Answer, message, pack, unpack

PACKAGE = Path(__file__).resolve().parent
WRITABLE = 5 * 10**8
"""Bytes in the sandbox's /tmp, and in its shared memory."""
PROCESSES = 64
"""At a time, in one sandbox. The system itself lets it have twice as many, threads included."""
MOST_BYTES = 10**7
"""Of one reply."""
SHOWN = 100
"""Characters of an error's text that pass: enough to be helped by."""

MISSING = (
    "submissions cannot be kept apart from this machine: {reason}. Install bubblewrap, on Debian "
    "and Ubuntu with 'apt-get install bubblewrap', or grade in a container (see 'With Docker' in "
    "the guide for instructors). --without-sandbox runs them as you, able to do what you can: "
    "for submissions that you trust"
)


COUNTER = itertools.count(os.getpid() * 1000)


class StoppedError(RuntimeError):
    """The submission's process has ended, or was ended."""


def variables(home: str, package: Path) -> dict[str, str]:
    """All that a submission's environment has."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "USER": "student",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(package),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
    }


def bubblewrap() -> list[str]:
    """The command that runs another one in the sandbox."""
    # Root's processes nobody counts, in a user namespace neither. So what root starts becomes
    # another user inside (`answering.limit`), and is no user namespace's.
    names = ["ipc", "pid", "net", "uts"] if os.geteuid() == 0 else ["all", "user"]
    command = ["bwrap", *(f"--unshare-{name}" for name in names), "--cap-drop", "ALL"]
    if os.geteuid() == 0:
        command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--disable-userns", "--uid", "65534", "--gid", "65534"]
    command += ["--hostname", "sandbox", "--new-session", "--die-with-parent"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for place in ("/tmp", "/dev/shm"):
        command += ["--perms", "1777", "--size", str(WRITABLE), "--tmpfs", place]
    bound = {Path("/etc") / name for name in ("alternatives", "fonts", "ld.so.cache", "localtime")}
    bound |= {Path("/usr"), Path(sys.base_prefix), Path(sys.prefix)}
    bound |= {Path(sys.executable).resolve().parents[1]}
    for place in (Path("/bin"), Path("/sbin"), *sorted(Path("/").glob("lib*"))):
        if place.is_symlink():
            command += ["--symlink", str(place.readlink()), str(place)]
        else:
            bound.add(place)
    places = {place: place for place in bound} | {Path("/opt/package") / PACKAGE.name: PACKAGE}
    # Folders that only lead to one of these hold nothing else.
    for folder in sorted({above for place in places for above in place.parents[:-1]}):
        command += ["--perms", "0755", "--dir", str(folder)]
    for place, source in sorted(places.items()):
        command += ["--ro-bind-try", str(source), str(place)]
    return [*command, "--chdir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/", "--"]


def why_no_sandbox() -> str:
    """The reason why there can be no sandbox; "" if there can."""
    if shutil.which("bwrap") is None:
        return "there is no bubblewrap (bwrap)"
    run = subprocess.run([*bubblewrap(), "true"], capture_output=True, text=True, check=False)
    return run.stderr.strip().rpartition("\n")[2] if run.returncode else ""


class Submission:
    """A notebook that runs in a process of its own and is asked for its answers.

    Use it in a `with` block. After it, no process of the submission is left.

    Parameters
    ----------
    cells : the code of its cells
    seconds : processor time of the whole; on the clock it has twice that
    gigabytes : memory, of each process and of all together
    cell_seconds : processor time of one cell
    sandboxed : False runs it without a sandbox
    user : without a sandbox, the number of the user that runs it; None is whoever calls this

    Attributes
    ----------
    stopped : why it was stopped, "" if it was not
    printed : the beginning of what its cells printed
    """

    def __init__(
        self,
        cells: list[str],
        seconds: float = 120,
        gigabytes: float = 8,
        cell_seconds: float = 20,
        sandboxed: bool = True,
        user: int | None = None,
    ) -> None:
        self.seconds, self.bytes = seconds, int(gigabytes * 2**30)
        self.sandboxed, self.user = sandboxed, user
        self.job = {"cells": cells, "seconds": cell_seconds, "bytes": self.bytes}
        self.job["cpu"] = int(seconds) + 10
        self.job["processes"] = 2 * PROCESSES if sandboxed else None
        # A user of its own, so that its processes are counted for themselves.
        next_user = 10**6 + next(COUNTER)
        self.job["user"] = next_user if sandboxed and os.geteuid() == 0 else None
        self.stopped = self.printed = ""
        self.held = b""

    def __enter__(self) -> "Submission":
        command = [sys.executable, "-m", "rfm_tutorial.answering"]
        if self.sandboxed:
            # A sandbox that is just being made when this process is killed stays, for so long.
            alarm = ["timeout", "--signal=KILL", f"{2 * self.seconds + 10:g}"]
            command = [*bubblewrap(), *alarm, *command]
            own = variables("/tmp", Path("/opt/package"))
        else:
            self.home = Path(tempfile.mkdtemp())
            if self.user is not None:
                os.chown(self.home, self.user, self.user)
            own = variables(str(self.home), PACKAGE.parent)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env=own,
            cwd="/" if self.sandboxed else self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.requests, self.replies = self.process.stdin, self.process.stdout
        self.family = psutil.Process(self.process.pid)
        threading.Thread(target=self.watch, daemon=True).start()
        try:
            self.printed = str(self.request(self.job)["printed"])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("")
        for pipe in (self.requests, self.replies):
            with suppress(OSError):
                pipe.close()
        if not self.sandboxed:
            shutil.rmtree(self.home, ignore_errors=True)

    def stop(self, reason: str) -> None:
        """End the submission, and all that it started."""
        self.stopped = self.stopped or reason
        # In the sandbox all others end with the first.
        others = [] if self.sandboxed else self.processes()
        self.process.kill()
        for process in others:
            try:
                process.kill()
            except psutil.Error:
                continue
        self.process.wait()

    def processes(self) -> list[psutil.Process]:
        """All processes of the submission."""
        try:
            return [self.family, *self.family.children(recursive=True)]
        except psutil.Error:
            return []

    def watch(self) -> None:
        """Stop it as soon as all its processes together take too much."""
        while self.process.poll() is None:
            cpu = memory = 0.0
            processes = self.processes()
            for process in processes:
                try:
                    times = process.cpu_times()
                    cpu += sum(times[:4])
                    memory += process.memory_info().rss
                except psutil.Error:
                    continue
            clock = time.monotonic() - self.started
            for used, most, what in (
                (cpu, self.seconds, f"{self.seconds:g} seconds of processor time"),
                (clock, 2 * self.seconds, f"{2 * self.seconds:g} seconds"),
                (memory, self.bytes, f"{self.bytes / 2**30:g} GB of memory"),
                (len(processes), PROCESSES, f"{PROCESSES} processes"),
            ):
                if used > most:
                    self.stop(f"it took more than {what}")
                    return
            time.sleep(0.2)

    def request(self, content: dict) -> dict:
        """Send a request, wait for its reply."""
        try:
            self.requests.write(message(content))
            self.requests.flush()
        except OSError:
            raise StoppedError(self.reason()) from None
        line = bytearray(self.held)
        end = line.find(b"\n")
        while end < 0:
            select.select([self.replies], [], [])
            piece = os.read(self.replies.fileno(), 2**20)
            if not piece:
                raise StoppedError(self.reason())
            end = len(line) + piece.find(b"\n") if b"\n" in piece else -1
            line += piece
            if len(line) > MOST_BYTES:
                self.stop(f"it gave back more than {MOST_BYTES} bytes")
        line, self.held = line[:end], bytes(line[end + 1 :])
        return json.loads(line)

    def reason(self) -> str:
        """Why there is no reply."""
        self.process.wait()
        self.stopped = self.stopped or "its process ended by itself"
        return self.stopped

    def values(self, names: Iterable[str]) -> dict[str, Any]:
        """What the names of the notebook stand for: plain values, or `Answer`s."""
        names = list(names)
        found = self.request({"names": names})
        return {name: unpack(found.get(name), self.other((name,))) for name in names}

    def other(self, steps: tuple) -> Any:
        """How to unpack what is reached by these steps and is no plain value."""

        def answer(packed: dict) -> Answer:
            kind = "".join(c for c in str(packed["other"])[:40] if c.isalnum() or c in "_.")
            return type(kind or "object", (Answer,), {})(self.call, steps)

        return answer

    def call(self, steps: tuple, seconds: float, without: tuple[str, ...]) -> Any:
        """What one of its functions gives back; its changes to the arguments are made here, too.

        Raises
        ------
        Exception
            Of the built-in type that it raised over there, with the beginning of its text.
        """
        sent = [
            step if isinstance(step, str) else [pack(one, function) for one in step]
            for step in steps
        ]
        content = {"steps": sent, "seconds": seconds, "without": list(without)}
        reply = self.request(content)
        if "error" in reply:
            raise rebuilt(reply)
        value = unpack(reply["value"], self.other(steps))
        changed = [unpack(one, lambda packed: None) for one in reply["arguments"]]
        for given, after in zip(steps[-1], changed, strict=True):
            if isinstance(given, list):
                given[:] = after
            elif hasattr(given, "copy_"):
                given.copy_(after)
        return value


def function(value: Any) -> dict:
    """A function as an argument: the submission gets its code, which is no secret."""
    import dill

    return {"function": base64.b64encode(dill.dumps(value, recurse=True)).decode()}


def rebuilt(reply: dict) -> Exception:
    """The error that a submission's function raised, as far as it is let through."""
    text = "".join(c if c.isprintable() else " " for c in str(reply["text"])[:SHOWN])
    for name in reply["error"]:
        kind = getattr(builtins, str(name), None)
        if name == "SystemExit":
            return RuntimeError("it ends the program; a function returns instead")
        if isinstance(kind, type) and issubclass(kind, Exception) and kind is not Exception:
            break
    else:
        kind = RuntimeError
    try:
        return kind(text)
    except TypeError:
        # UnicodeError's kinds take five arguments.
        return RuntimeError(text)
