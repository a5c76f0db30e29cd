"""A confined process that reads cases, one after the other, and says on each line what came of it.

It has 1 GiB more memory than it needs by itself. An audit hook sees whatever starts a process, opens a connection,
unpickles, or changes a file elsewhere.
"""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

MEMORY, LONGEST = 2**30, 2000  # bytes beyond the baseline; characters of a message
SECONDS, WAITED = 5.0, 30.0  # of computation, and of anything, for one case
FORBIDDEN = (
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn",
    "socket.connect", "socket.bind", "socket.getaddrinfo", "pickle.find_class", "os.putenv", "os.kill", "ctypes.dlopen",
    "urllib.Request", "webbrowser.open", "shutil.rmtree",
)  # fmt: skip
WRITING = ("open", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.truncate")


class Hang(BaseException):
    """The case took longer than ``SECONDS``, or waited longer than ``WAITED``."""


class Watch:
    """The audit hook: notes what a case must not do. It cannot be removed, so it is told when to look.

    Attributes:
        folder: of the case, the only place where files may be written; None between cases.
        seen: events that must not be.
    """

    def __init__(self):
        self.folder, self.seen = None, []

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.folder is None:
            return
        if event in FORBIDDEN and not (event == "os.kill" and arguments[0] == os.getpid()):
            self.seen.append(event)
        elif event in WRITING:
            path, written = arguments[0], event != "open"
            if event == "open":
                mode, flags = arguments[1], arguments[2]
                written = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)) or (
                    isinstance(mode, str) and not set(mode).isdisjoint("wax+")
                )
            if written and not (isinstance(path, str | bytes | os.PathLike) and self._is_inside(path)):
                self.seen.append(f"{event} {path!r}"[:200])

    def _is_inside(self, path) -> bool:
        where = os.path.abspath(os.fsdecode(path))
        return where.startswith(f"{self.folder}/") or where.endswith(".pyc") or where == os.devnull


def contents(folder: Path) -> dict:
    """Name -> size and time of change, of everything in a folder."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            at = os.lstat(os.path.join(place, name))
            found[os.path.join(place, name)] = (at.st_size, at.st_mtime_ns)
    return found


def stop(signum, frame):
    raise Hang


def prepare() -> None:
    """Import everything that a case may need, then limit the memory."""
    import lpips  # noqa: F401
    import skimage.metrics  # noqa: F401
    import torch

    import degradations
    import dgp.api
    import dgp.cli.failures  # noqa: F401
    from tests.fuzz.readers import READERS

    torch.set_num_threads(1)
    place = Path(tempfile.mkdtemp())
    for name, reader in READERS.items():  # a good case of each, as far as chance has it
        made = reader.make(place, random.Random(name))
        with contextlib.suppress(Exception):  # looked at when cases are counted
            reader.read(made)
    degradations.names()
    shutil.rmtree(place)
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.RLIM_INFINITY))
    signal.signal(signal.SIGPROF, stop)
    signal.signal(signal.SIGALRM, stop)


def run_case(name: str, number: int, seed: int, place: Path, watch: Watch, errors) -> dict:
    """Make and read one case; return what came of it."""
    from degradations.errors import DegradationError
    from dgp.errors import DgpError
    from generators.errors import GeneratorError
    from tests.fuzz.readers import READERS

    folder = place / f"{number}"
    folder.mkdir()
    reader = READERS[name]
    made = reader.make(folder, random.Random(f"{seed} {name} {number}"))
    before, printed = contents(folder), errors.tell()
    watch.folder, watch.seen, fault = str(folder), [], None
    begin = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of this process, whatever else the machine does
    signal.setitimer(signal.ITIMER_REAL, WAITED)
    try:
        reader.read(made)
        outcome, said = "answer", ""
    except (DgpError, DegradationError, GeneratorError) as error:
        outcome, said = "refusal", str(error)
    except Hang:
        outcome, said, fault = "fault", "", f"took longer than {SECONDS} s, or waited longer than {WAITED} s"
    except BaseException as error:  # noqa: BLE001  this is what is looked for
        outcome, said, fault = "fault", "", "".join(traceback.format_exception(error))[-1500:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        watch.folder = None
    seconds = time.process_time() - begin
    errors.seek(0, os.SEEK_END)
    if outcome == "refusal" and (not said.isprintable() or not said or len(said) > LONGEST):
        fault = f"not one line of at most {LONGEST} characters: {said[:300]!r}"
    if watch.seen:
        fault = f"did what it must not: {watch.seen[:3]}"
    if errors.tell() != printed:
        errors.seek(printed)
        fault = f"printed {errors.read()[:200]!r}"
        errors.seek(0, os.SEEK_END)
    own = {path: what for path, what in contents(folder).items() if "/canary-out/" not in path}
    if outcome == "refusal" and own != before and name != "unit of an evaluation":
        fault = "changed files"
    shutil.rmtree(folder)
    return {"outcome": "fault" if fault else outcome, "seconds": seconds, "said": said[:200], "fault": fault}


def main(seed: int, names: list[str], first: int, last: int) -> None:
    """Read the cases from ``first`` to ``last``; case i belongs to reader i modulo their number."""
    answers = os.fdopen(os.dup(1), "w")
    errors = open(tempfile.mkstemp()[0], "w+", errors="replace")  # noqa: SIM115  until the process ends
    os.dup2(errors.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    prepare()
    watch, place = Watch(), Path(os.path.realpath(tempfile.mkdtemp()))
    sys.addaudithook(watch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        for case in range(first, last):
            name = names[case % len(names)]
            print(json.dumps({"case": case, "reader": name}), file=answers, flush=True)
            found = run_case(name, case // len(names), seed, place, watch, errors)
            now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            found["grown_mib"] = (now - peak) / 1024
            print(json.dumps({"case": case, "reader": name, **found}), file=answers, flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
