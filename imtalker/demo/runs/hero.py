"""The finished sample that greets visitors: made once, in the background, kept with the results of the samples."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from imtalker.demo.models import ModelHost
from imtalker.demo.runs.gpu import render_here
from imtalker.demo.runs.requests import SpeechRequest
from imtalker.demo.runs.run import Finished
from imtalker.demo.service import Service
from imtalker.pipeline.loading import FALLBACK

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hero:
    """Portrait and result side by side, with a caption."""

    video: Path
    title: str
    words: str


class Greeting:
    """Makes the hero at the first start; later starts find it.

    Args:
        make_request: portrait, speech -> what a click on that sample would ask for, so that it is made only once.
    """

    def __init__(self, service: Service, make_request: Callable[[Path, Path], SpeechRequest]):
        self._service, self._make_request = service, make_request
        self._done = threading.Event()
        self._hero: Hero | None = None

    def start(self) -> None:
        """Begin in the background."""
        threading.Thread(target=self._make, name="greeting", daemon=True).start()

    def wait(self, seconds: float) -> Hero | None:
        """The hero, once it is there; None if that takes longer, or there is none."""
        self._done.wait(seconds)
        return self._hero

    def _make(self) -> None:
        try:
            self._hero = self._made()
        except Exception as error:
            logger.warning("the greeting of the page could not be made", exc_info=error)
        finally:
            self._done.set()

    def _made(self) -> Hero | None:
        service, samples, results = self._service, self._service.samples, self._service.results
        if results is None or samples.featured is None:
            return None
        portrait, speech = samples.featured
        request = self._make_request(portrait, speech)
        path = results.side_by_side(service.key(request))
        if path is None:
            self._run(request)
            path = results.side_by_side(service.key(request))
        if path is None:
            return None
        who = samples.caption(portrait)
        return Hero(
            path,
            f"{who} says {samples.caption(speech)}",
            "Left the picture, right what was made of it and of a recording, on this machine.",
        )

    def _run(self, request: SpeechRequest) -> None:
        service = self._service
        if service.settings.zero_gpu:  # nobody is there whose quota could be used: the small preset on the CPU
            small = ModelHost(replace(service.settings, preset=FALLBACK, device="cpu", zero_gpu=False))
            service = Service(small, small.settings, service.samples, service.results)
        render = render_here(service.host)
        for event in service.run(request, beside=True, use_kept=True, render=render):
            if isinstance(event, Finished):
                key = self._service.key(request)
                if self._service is not service and self._service.results is not None:
                    self._service.results.keep(key, event)
                event.remove()
