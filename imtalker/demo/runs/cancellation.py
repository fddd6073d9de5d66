"""Stop buttons: which runs have been asked to end. The only thing visitors share besides the models."""

import secrets
import threading


class Stops:
    """Flags of the runs that are under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flags: dict[str, threading.Event] = {}

    def open(self) -> str:
        """A new run; nobody can guess its name."""
        name = secrets.token_hex(16)
        with self._lock:
            self._flags[name] = threading.Event()
        return name

    def request(self, name: str | None) -> None:
        """Ask a run to end; one that has ended already is not found, and that is fine."""
        with self._lock:
            flag = self._flags.get(name or "")
        if flag is not None:
            flag.set()

    def is_requested(self, name: str | None) -> bool:
        with self._lock:
            flag = self._flags.get(name or "")
        return flag is not None and flag.is_set()

    def close(self, name: str | None) -> None:
        """Forget a run."""
        with self._lock:
            self._flags.pop(name or "", None)
