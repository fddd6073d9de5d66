"""What the web server has besides the page: its health, and an orderly end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from imtalker.demo.service import Service


def server_options(service: Service) -> dict[str, Any]:
    """For ``launch(app_kwargs=...)``: ``/healthz`` (503 until the models are loaded), and files removed at the end."""

    def health(request: Request) -> JSONResponse:
        facts = service.health()
        return JSONResponse(facts, 200 if facts["ready"] else 503)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        service.close()

    return {"routes": [Route("/healthz", health, methods=["GET", "HEAD"])], "lifespan": lifespan}
