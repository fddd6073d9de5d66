"""A small reverse proxy on a sub-path, as nginx's ``location /talk/ { proxy_pass http://127.0.0.1:PORT/; }``."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.support.ports import free_port

DROPPED = ("content-length", "transfer-encoding", "connection", "content-encoding")


@contextmanager
def proxied(target: str, prefix: str = "/talk") -> Iterator[str]:
    """The address under which ``target`` is reached from outside."""
    client = httpx.AsyncClient(base_url=target, timeout=None)
    port = free_port()

    async def forward(request: Request) -> StreamingResponse:
        path = request.url.path.removeprefix(prefix) or "/"
        headers = dict(request.headers) | {"x-forwarded-host": f"127.0.0.1:{port}", "x-forwarded-proto": "http"}
        url = httpx.URL(path=path, query=request.url.query.encode())
        sent = client.build_request(request.method, url, headers=headers, content=request.stream())
        answer = await client.send(sent, stream=True)
        kept = {name: value for name, value in answer.headers.items() if name not in DROPPED}
        return StreamingResponse(answer.aiter_bytes(), answer.status_code, kept)

    routes = [Route(f"{prefix}/{{rest:path}}", forward, methods=["GET", "POST", "HEAD"])]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}{prefix}/"
    finally:
        server.should_exit = True
        thread.join(10)
