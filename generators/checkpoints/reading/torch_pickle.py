"""A first look at the pickles in torch's files, before torch reads them with ``weights_only``.

That reader calls nothing that could do harm, but it takes a program as long and as deep as the file is: the hash of a
key that is a tuple in a tuple, a million times, exhausts the stack and ends the process. The restricted unpickler runs
each program first: it bounds the instructions, and refuses such keys. What it builds is not used.
"""

from __future__ import annotations

import mmap
import zipfile
from pathlib import Path

from generators.checkpoints.reading.unpickler import DAMAGE, AllowedGlobals, Budget, RefusedPickle, Unpickler
from generators.errors import WeightsError

PROGRAMS = 5  # of an old file: magic number, protocol, machine, content, keys of the storages
MOST_INSTRUCTIONS = 3_000_000  # a StyleGAN2 with the states of its optimisers takes a hundred thousand
LARGEST_PROGRAM = 2**26  # bytes of an archive's data.pkl
ANYTHING = AllowedGlobals(names=frozenset(), calls={}, states={}, persistent=lambda unpickler, identity: None)


def check_programs(path: Path, in_archive: bool) -> None:
    """Run the pickles of a file of torch without building what they name.

    Args:
        path: the file.
        in_archive: whether the pickle is in a zip archive, whose directory was checked; else it is an old file, that
            begins with several.

    Raises:
        WeightsError: one is damaged, longer than any network's, or has a key that is no text or number.
    """
    try:
        if in_archive:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.partition("/")[2] == "data.pkl"]
                if not names or archive.getinfo(names[0]).file_size > LARGEST_PROGRAM:
                    raise EOFError
                _run(memoryview(archive.read(names[0])), 1)
        else:
            with open(path, "rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed with the last view of it
            _run(memoryview(mapped), PROGRAMS)
    except RefusedPickle as error:
        raise WeightsError(f"{path}: {error}") from None
    except (EOFError, OSError, NotImplementedError, zipfile.BadZipFile, *DAMAGE):
        raise WeightsError(f"{path}: damaged, or not PyTorch weights; get it again") from None


def _run(data: memoryview, programs: int) -> None:
    unpickler = Unpickler(data, ANYTHING, Budget(MOST_INSTRUCTIONS, len(data)))
    for _ in range(programs):
        unpickler.run()
