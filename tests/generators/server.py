"""A web server on this machine that serves one file, well or badly."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server:
    """body: what is served at every path.  behave(handler, number) answers the number-th request (from 0); it may use
    ``well`` and what else is here.  requests: the headers of each."""

    def __init__(self):
        self.body, self.tag, self.requests = b"", '"first"', []
        self.behave = lambda handler, number: self.well(handler)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                number = len(outer.requests)
                outer.requests.append(dict(self.headers))
                outer.behave(self, number)

            def log_message(self, *_):
                pass

        self.stopping = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self):
        self.stopping.set()
        self.http.shutdown()
        self.http.server_close()

    def head(self, handler, status, **headers):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()

    def well(self, handler, upto=None, **headers):
        """As a server should; ``upto``: it hangs up after so many bytes of the file."""
        body, start = self.body, 0
        common = {"Content_Type": "application/octet-stream", "ETag": self.tag} | headers
        if "Range" in handler.headers and handler.headers.get("If-Range") == self.tag:
            start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.head(handler, 416, Content_Range=f"bytes */{len(body)}")
            told = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            self.head(handler, 206, Content_Length=len(body) - start, **told, **common)
        else:
            self.head(handler, 200, **({"Content_Length": len(body)} | common))
        handler.wfile.write(body[start : upto or len(body)])

    def without_ranges(self, handler, **how):
        del handler.headers["Range"]
        self.well(handler, **how)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served = Server()
    yield served
    served.stop()
