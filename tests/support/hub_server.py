"""A stand-in for the Hub: what ``hf_hub_download`` needs of it, over plain HTTP on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves ``files`` of one repository at ``main`` and at one commit; can break off or falsify a download."""

    def __init__(self, repo: str, files: dict[str, bytes]) -> None:
        self.repo, self.files = repo, files
        self.break_after: int | None = None  # bytes after which the next download breaks off, once
        self.falsify: set[str] = set()  # names of files whose last byte is sent wrong
        self.requests: list[tuple[str, str, str | None]] = []  # method, path, range
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def downloads(self) -> list[str]:
        return [path.rsplit("/", 1)[-1] for method, path, _ in self.requests if method == "GET"]


@contextmanager
def serve(repo: str, files: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub(repo, files)
    thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        hub = self.hub
        asked = self.headers.get("Range")
        hub.requests.append((self.command, self.path, asked))
        start = f"/{hub.repo}/resolve/"
        if not self.path.startswith(start):
            return self._fail("RepoNotFound")
        revision, _, name = self.path.removeprefix(start).partition("/")
        if revision not in ("main", COMMIT):
            return self._fail("RevisionNotFound")
        if name not in hub.files:
            return self._fail("EntryNotFound")
        content = hub.files[name]
        etag = hashlib.sha256(content).hexdigest()
        if name in hub.falsify:
            content = content[:-1] + bytes([content[-1] ^ 1])
        first = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - first))
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if not body:
            return None
        if hub.break_after is not None:
            self.wfile.write(content[first : first + hub.break_after])
            hub.break_after = None
            self.close_connection = True
            self.connection.shutdown(2)
            return None
        self.wfile.write(content[first:])
        return None

    def _fail(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
