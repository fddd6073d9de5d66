"""Portraits of people who do not exist, from a public collection on the Internet; one at a time, only when asked for.

The collection is faker-js/assets-person-portrait: 100 women and 100 men made by a network, dedicated to the public
domain (CC0), under the addresses that the faker library's ``personPortrait`` gives. Nothing of it is part of this
project.
"""

import logging
import random
import threading
from dataclasses import dataclass
from pathlib import Path

import httpx

from imtalker.demo.settings import NOBODY_ADDRESS
from imtalker.errors import InputError
from imtalker.media.image import load_portrait

logger = logging.getLogger(__name__)

SEXES, COUNT, SIDE = ("female", "male"), 100, 512
MAX_BYTES = 2_000_000
PATIENCE = httpx.Timeout(10.0)
UNREACHABLE = "the collection of portraits cannot be reached from here; choose a sample, or try again later"


@dataclass(frozen=True)
class Nobody:
    """A portrait and where it is from."""

    path: Path
    words: str


class Nobodies:
    """Fetches portraits.

    Args:
        address: of the collection; below it lie ``female/512/0.jpg`` and so on.
    """

    def __init__(self, address: str = NOBODY_ADDRESS):
        self._address = address.rstrip("/")
        self._known = threading.Event()
        self._is_reachable = False

    def start(self) -> None:
        """Find out in the background whether the collection can be reached."""
        threading.Thread(target=self._look, name="nobodies", daemon=True).start()

    def are_reachable(self, seconds: float = 0.0) -> bool:
        """Whether they could be reached at the start; waits so long for the answer at most."""
        return self._known.wait(seconds) and self._is_reachable

    def fetch(self, folder: Path, number: int | None = None) -> Nobody:
        """A random portrait, or that of a number below 200.

        Raises:
            InputError: it cannot be fetched, is too large, or is no picture.
        """
        number = random.randrange(len(SEXES) * COUNT) if number is None else number
        sex, index = SEXES[number // COUNT], number % COUNT
        path = folder / f"nobody-{sex}-{index}.jpg"
        try:
            with httpx.stream("GET", self._place(sex, index), timeout=PATIENCE, follow_redirects=True) as answer:
                answer.raise_for_status()
                size = 0
                with path.open("wb") as file:
                    for part in answer.iter_bytes():
                        size += len(part)
                        if size > MAX_BYTES:
                            raise InputError(f"the portrait has more than {MAX_BYTES // 1000} kB; choose a sample")
                        file.write(part)
            load_portrait(path)
        except httpx.HTTPError as error:
            path.unlink(missing_ok=True)
            logger.warning("a portrait of nobody could not be fetched: %s", error)
            raise InputError(UNREACHABLE) from error
        except InputError:
            path.unlink(missing_ok=True)
            raise
        return Nobody(path, f"Nobody: {sex} no. {index} of faker-js/assets-person-portrait, made by a network, CC0")

    def _place(self, sex: str, index: int) -> str:
        return f"{self._address}/{sex}/{SIDE}/{index}.jpg"

    def _look(self) -> None:
        try:
            answer = httpx.head(self._place(SEXES[0], 0), timeout=PATIENCE, follow_redirects=True)
            self._is_reachable = answer.is_success
        except httpx.HTTPError as error:
            logger.info("no portraits of nobody: %s", error)
        finally:
            self._known.set()
