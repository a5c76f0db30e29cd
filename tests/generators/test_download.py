"""Downloads from a server that stalls, truncates, redirects, ignores ranges and lies."""

import hashlib
import random
import socket

import pytest

from generators import FetchError, WeightsError
from generators.downloads.download import TRIES, download
from tests.generators.server import server  # noqa: F401

BODY = b"\x80" + random.Random(0).randbytes(300_000) + b"."
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def get(server, tmp_path):  # noqa: F811
    """get(**arguments) -> the file's bytes; ``get.pauses`` and ``get.seen`` tell how it went."""
    server.body = BODY

    def run(address=None, name="weights.pkl", **arguments):
        found = download(
            address or f"{server.address}/weights.pkl",
            tmp_path / "new" / name,
            sleep=run.pauses.append,
            progress=lambda done, total: run.seen.append((done, total)),
            **{"timeout": 5.0} | arguments,
        )
        content = (tmp_path / "new" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == found
        assert not [path for path in (tmp_path / "new").iterdir() if ".part" in path.name], "nothing else is left"
        return content

    run.pauses, run.seen, run.part = [], [], tmp_path / "new/weights.pkl.part"
    run.there = lambda: sorted(path.name for path in (tmp_path / "new").glob("*"))
    return run


def refused(kind, said, get, **arguments):
    name = arguments.setdefault("name", "weights.pkl")
    with pytest.raises(kind, match=said) as caught:
        get(**arguments)
    assert "\n" not in str(caught.value)
    assert name not in get.there(), "nothing stands under the name of the file"


def test_a_whole_file(get):
    assert get(sha256=SHA256.upper()) == BODY
    assert get.seen[-1] == (len(BODY), len(BODY)) and not get.pauses


@pytest.mark.parametrize("tag", ['"strong"', None])
def test_it_goes_on_where_the_connection_broke(get, server, tag):  # noqa: F811
    dated = {} if tag else {"ETag": 'W/"weak"', "Last_Modified": "Sat, 01 Jan 2022 00:00:00 GMT"}
    server.tag = tag or dated["Last_Modified"]
    server.behave = lambda handler, n: server.well(handler, upto=(n + 1) * 100_000, **dated)
    assert get() == BODY
    assert [r.get("Range") for r in server.requests] == [None, "bytes=100000-", "bytes=200000-", "bytes=300000-"]
    assert {r.get("If-Range") for r in server.requests[1:]} == {server.tag}
    assert get.pauses == [1.0, 1.0, 1.0], "what makes progress is not given up"


def test_a_later_call_goes_on(get, server):  # noqa: F811
    server.behave = lambda handler, n: (
        server.well(handler, upto=200_000) if n == 0 else server.head(handler, 503, Retry_After=7)
    )
    refused(FetchError, f"the server answered 503; given up after {TRIES + 1} tries", get)
    assert get.part.stat().st_size == 200_000 and get.pauses[1] == 7
    server.behave, before = (lambda handler, n: server.well(handler)), len(server.requests)
    assert get() == BODY
    assert [r.get("Range") for r in server.requests[before:]] == ["bytes=200000-"]


def test_a_server_that_ignores_ranges(get, server):  # noqa: F811
    server.behave = lambda handler, n: server.without_ranges(handler, upto=None if n == 2 else 100_000)
    assert get() == BODY
    server.behave = lambda handler, n: server.without_ranges(handler, upto=100_000)
    refused(FetchError, "ended after 100000 of 300002 bytes", get, name="other.pkl")


def test_a_file_that_changed_meanwhile_is_read_anew(get, server):  # noqa: F811
    def change(handler, n):
        if n == 1:
            server.body, server.tag = BODY[:-1] + b"..", '"second"'
        server.well(handler, upto=100_000 if n == 0 else None)

    server.behave = change
    assert get() == BODY[:-1] + b".."


def test_another_address_does_not_continue_the_first(get, server):  # noqa: F811
    server.behave = lambda handler, n: server.well(handler, upto=None if n else 100_000)
    get.part.parent.mkdir()
    get.part.write_bytes(b"something else")
    assert get() == BODY


@pytest.mark.parametrize("lie", ["other part", "another total", "beyond", "too long"])
def test_a_server_that_lies(get, server, lie):  # noqa: F811
    def behave(handler, n):
        if n == 0:
            return server.well(handler, upto=100_000)
        ranges = {
            "other part": f"bytes 5-{len(BODY) - 1}/{len(BODY)}",
            "another total": "bytes 100000-999999/1000000",
            "beyond": "bytes */77",
        }
        if lie == "too long" or "Range" not in handler.headers:
            return server.without_ranges(handler, Content_Length=10**6)
        server.head(handler, 416 if lie == "beyond" else 206, Content_Range=ranges[lie], Content_Length=0)

    server.behave = behave
    refused(FetchError, "300002 of 1000000 bytes" if lie == "too long" else "of 1000000|another", get)
    assert len(server.requests) < 4 * TRIES


def test_a_file_cut_short_by_a_lie_is_not_kept(get, server):  # noqa: F811
    server.behave = lambda handler, n: server.well(handler, Content_Length=100_000)
    refused(WeightsError, "not a whole .pkl file; it was not kept", get)
    assert get.there() == []
    refused(WeightsError, f"expected {SHA256}; it was not kept", get, sha256=SHA256)
    assert get.there() == []


def test_a_stall(get, server):  # noqa: F811
    def stall(handler, n):
        server.well(handler, upto=100_000)
        server.stopping.wait(10)

    server.behave = stall
    refused(FetchError, "took too long|no answer", get, timeout=0.1)


def test_a_trickle_is_a_stall(get, server):  # noqa: F811
    def trickle(handler, n):
        if n:
            return server.well(handler)
        server.well(handler, upto=50_000)
        for start in range(50_000, 50_100):
            if server.stopping.wait(0.05):
                return
            try:
                handler.wfile.write(BODY[start : start + 1])
            except OSError:
                return

    server.behave = trickle
    assert get(timeout=0.4) == BODY
    assert server.requests[1]["Range"] < "bytes=50050-"


def test_redirects(get, server):  # noqa: F811
    def once(handler, n):
        server.head(handler, 302, Location="/elsewhere") if handler.path == "/weights.pkl" else server.well(handler)

    server.behave = once
    assert get() == BODY
    server.behave = lambda handler, n: server.head(handler, 302, Location=handler.path)
    refused(FetchError, "redirects in a circle", get, name="other.pkl")
    server.behave = lambda handler, n: server.head(handler, 302, Location="file:///etc/passwd")
    refused(FetchError, "or to no web address", get, name="other.pkl")


def test_a_redirect_from_https_to_http_is_refused():
    from email.message import Message
    from urllib.request import Request

    from generators.downloads.download import _Redirects

    ask = lambda old, new: _Redirects().redirect_request(Request(old), None, 302, "", Message(), new)  # noqa: E731
    with pytest.raises(FetchError, match="https://a/b redirects to http, which is not as safe"):
        ask("https://a/b", "http://a/b")
    assert ask("https://a/b", "https://c/d").full_url == "https://c/d"


@pytest.mark.parametrize("told", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_no_file(get, server, told):  # noqa: F811
    server.body = b"\n<!DOCTYPE html><html><title>Quota exceeded</title></html>"
    server.behave = lambda handler, n: server.well(handler, Content_Type=told)
    refused(WeightsError, "got a web page, not the file", get)


def test_sizes_are_bounded(get, server):  # noqa: F811
    refused(WeightsError, "expected at most", get, largest=100_000)

    def unsaid(handler, n):
        server.head(handler, 200, Content_Type="application/octet-stream")
        handler.wfile.write(BODY)

    server.behave = unsaid
    refused(WeightsError, "came; this is not a generator", get, largest=100_000)
    assert get() == BODY and get.seen[-1] == (len(BODY), None)
    server.behave = lambda handler, n: server.well(handler, Content_Length=2**53)
    refused(FetchError, "bytes more, .* are free", get, name="other.pkl", largest=2**60)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_is_not_there_is_not_asked_for_again(get, server, status):  # noqa: F811
    server.behave = lambda handler, n: server.head(handler, status)
    refused(FetchError, f"the server answered {status}", get)
    assert len(server.requests) == 1


def test_no_server(get):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/weights.pkl"
    refused(FetchError, "no answer .*refused", get, address=address)
    assert len(get.pauses) == TRIES - 1 and get.pauses == sorted(get.pauses)


def test_two_at_once(get, server):  # noqa: F811
    pytest.importorskip("fcntl")

    def behave(handler, n):
        with pytest.raises(FetchError, match="another process is fetching it"):
            get()
        server.well(handler)

    server.behave = behave
    assert get() == BODY


def test_a_place_that_cannot_be_written(server, tmp_path):  # noqa: F811
    (tmp_path / "file").touch()
    with pytest.raises(FetchError, match="cannot be written"):
        download(server.address, tmp_path / "file" / "weights.pkl")
