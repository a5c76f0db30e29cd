"""Download one file: resumable, written completely or not at all, checked before it is used."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from generators.checkpoints.reading.file_kinds import foreign_kind
from generators.errors import FetchError, WeightsError

LARGEST = 16 * 2**30
SLOWEST = 1024  # bytes a second, over the time of one timeout; a slower transfer counts as stalled
TRIES = 6  # in a row without any progress
ROUNDS = 100  # tries in all
PATIENCE = 60.0  # the longest pause between two tries, in seconds
CHUNK = 2**18
AGAIN = (408, 425, 429, 500, 502, 503, 504)


class _RetryableError(Exception):
    """A failed attempt that may be repeated. ``pause``: the seconds that the server asks to wait."""

    def __init__(self, reason: str, pause: float = 0.0):
        super().__init__(reason)
        self.pause = pause


class _Redirects(HTTPRedirectHandler):
    max_redirections = 8

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        kind = urlsplit(newurl).scheme
        if kind not in ("http", "https") or (req.type == "https" and kind != "https"):
            raise FetchError(f"{req.full_url} redirects to {kind}, which is not as safe; get the file in a browser")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(
    address: str,
    path: Path,
    *,
    sha256: str | None = None,
    largest: int = LARGEST,
    timeout: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> str:
    """Download ``address`` (http or https) to ``path``, and return its sha256.

    Until the file is complete it is ``path.part``, from which a later call resumes if the server's file is unchanged.

    Args:
        address: of the file.
        path: where to write it.
        sha256: expected digest, or its first digits.
        largest: size limit in bytes.
        timeout: seconds without an answer.
        sleep: waits between two tries.
        progress: called with the bytes present, and those in all where the server states them.

    Raises:
        FetchError: the network or the disk failed.
        WeightsError: what was sent is not the file.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "ab") as file, _lock(file, path):
            try:
                _download_with_retries(
                    address, file, part, largest=largest, timeout=timeout, sleep=sleep, progress=progress
                )
                os.fsync(file.fileno())
                found = _check_content(part, path, address, sha256)
            except WeightsError:  # resuming from this part would fail again
                part.unlink()
                _note_path(part).unlink(missing_ok=True)
                raise
            os.replace(part, path)
            _note_path(part).unlink(missing_ok=True)
    except OSError as error:
        raise FetchError(f"{path}: cannot be written ({error.strerror or error}); choose a folder with -o") from None
    return found


def _download_with_retries(address, file, part, largest, timeout, sleep, progress) -> None:
    furthest, tries, failures = os.path.getsize(part), 0, 0
    while True:
        tries += 1
        try:
            return _attempt(address, file, part, largest=largest, timeout=timeout, progress=progress)
        except _RetryableError as broken:
            reached = os.path.getsize(part)
            failures = 0 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures == TRIES or tries == ROUNDS:
                raise FetchError(
                    f"{address}: {broken}; given up after {tries} tries; the same command goes on from there"
                ) from None
            sleep(min(max(broken.pause, 2.0**failures), PATIENCE))


def _attempt(address, file, part, largest, timeout, progress) -> None:
    """Read on until the file is complete. Raises _RetryableError where another try may succeed."""
    note = _read_note(part)
    start = os.path.getsize(part) if note.get("address") == address and note.get("validator") else 0
    headers = {"User-Agent": "dgp", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": note["validator"]}
    with _open(Request(address, headers=headers), timeout, start, file) as answer:
        if answer is None:  # the part was complete already
            return
        start, total = _locate_answer(answer, start, note, file)
        if total is not None and total > largest:
            raise WeightsError(f"{address}: {total / 2**30:.1f} GiB, expected at most {largest / 2**30:.1f}")
        if "html" in answer.headers.get_content_type():
            raise WeightsError(f"{address}: got a web page, not the file; get it in a browser")
        if total is not None and (free := shutil.disk_usage(part.parent).free) < total - start:
            raise FetchError(
                f"{part.parent}: it needs {total - start} bytes more, {free} are free; choose a folder with -o"
            )
        # Only a strong validator guarantees that a later answer continues this one.
        tag = answer.headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
        _note_path(part).write_text(json.dumps({"address": address, "validator": validator, "total": total}))
        file.truncate(start)
        size = _copy(
            answer, file, size=start, total=total, largest=largest, address=address, timeout=timeout, progress=progress
        )
    if total is not None and size < total:
        raise _RetryableError(f"the download ended after {size} of {total} bytes")


@contextlib.contextmanager
def _open(request: Request, timeout: float, start: int, file) -> Iterator[http.client.HTTPResponse | None]:
    """Yield the server's answer, or None where it says that nothing follows ``start``."""
    try:
        answer = build_opener(_Redirects).open(request, timeout=timeout)
    except HTTPError as error:
        with error:
            if error.code == 416:
                if error.headers.get("Content-Range", "").strip() == f"bytes */{start}":
                    yield None
                    return
                file.truncate(0)
                raise _RetryableError("the server has another file now") from None
            if error.code in AGAIN:
                pause = error.headers.get("Retry-After", "")
                raise _RetryableError(
                    f"the server answered {error.code}", float(pause) if pause.isdigit() else 0.0
                ) from None
            what = (
                "redirects in a circle, or to no web address"
                if 300 <= error.code < 400
                else f"answered {error.code} {error.reason}"
            )
            raise FetchError(f"{request.full_url}: the server {what}; the address may have moved") from None
    except (URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise FetchError(f"{request.full_url}: its certificate is not valid ({reason.verify_message})") from None
        raise _RetryableError(f"no answer ({_describe_error(reason)})") from None
    with answer:
        yield answer


def _locate_answer(answer, start: int, note: dict, file) -> tuple[int, int | None]:
    """Return (the position in the file where the answer begins, the size of the whole file or None)."""
    length = answer.headers.get("Content-Length", "")
    if answer.status == 200:
        return 0, int(length) if length.isdigit() else None
    content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", "").strip())
    if (
        answer.status != 206
        or not content_range
        or int(content_range[1]) != start
        or note.get("total") not in (None, int(content_range[2]))
    ):
        file.truncate(0)
        raise _RetryableError(f"the server answered {answer.status} with a different part than requested")
    return start, int(content_range[2])


def _copy(answer, file, size: int, total: int | None, largest: int, address: str, timeout: float, progress) -> int:
    """Append the answer to the file, and return the size of the file."""
    mark, then = size, time.monotonic()
    while True:
        try:
            chunk = answer.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _RetryableError(f"the answer broke off after {size} bytes ({_describe_error(error)})") from None
        if not chunk:
            return size
        if size == 0 and chunk.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
            raise WeightsError(f"{address}: got a web page, not the file; get it in a browser")
        file.write(chunk)
        file.flush()
        size += len(chunk)
        if size > largest:
            file.truncate(0)
            raise WeightsError(f"{address}: more than {largest / 2**30:.1f} GiB came; this is not a generator")
        progress(size, total)
        if (now := time.monotonic()) - then >= timeout:
            if size - mark < SLOWEST * timeout:
                raise _RetryableError(f"the answer stalled after {size} bytes")
            mark, then = size, now


def _check_content(part: Path, path: Path, address: str, sha256: str | None) -> str:
    with open(part, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 and not found.startswith(sha256.lower()):
        raise WeightsError(f"{address}: its sha256 is {found}, expected {sha256.lower()}; it was not kept")
    if not has_expected_form(part, path.suffix):
        kind = foreign_kind(part)
        what = f"is {kind.words}" if kind else f"is not a whole {path.suffix} file"
        raise WeightsError(f"{address}: what was sent {what}; it was not kept" + (f"; {kind.step}" if kind else ""))
    return found


def has_expected_form(path: Path, suffix: str) -> bool:
    """Return whether a file begins, and where possible ends, as files of its suffix do. A web page does not."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(2)
        file.seek(max(0, size - 1))
        last = file.read(1)
    if suffix == ".json":
        return head[:1] == b"{" and path.read_bytes().rstrip().endswith(b"}")
    if suffix == ".pkl":
        return head[:1] == b"\x80" and last == b"."
    if suffix in (".pth", ".pt", ".bin"):
        return zipfile.is_zipfile(path) if head == b"PK" else head[:1] == b"\x80"
    return size > 0


@contextlib.contextmanager
def _lock(file, path: Path) -> Iterator[None]:
    """Lock the part for this process where the system can, so that two processes do not write into each other's."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FetchError(f"{path}: another process is fetching it; wait for that one") from None
    yield


def _note_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_note(part: Path) -> dict:
    try:
        note = json.loads(_note_path(part).read_text())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _describe_error(error: object) -> str:
    return "it took too long" if isinstance(error, TimeoutError) else f"{error}" or type(error).__name__
