"""What the demo allows and how the environment steers it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MAX_UPLOAD = "60mb"  # one file; Gradio refuses more while it is still being sent
MAX_COMPARE_SECONDS = 12.0  # each variant is a whole run
QUEUE_SIZE = 24  # visitors waiting; the next one is told to come back later
KEEP_SECONDS = 3600  # how long results stay for download
SEGMENT_SECONDS = 2.0  # of the pieces that play while the rest is rendered
GPU_QUEUE = "gpu"  # concurrency_id of everything that computes
LOOK_QUEUE = MappingProxyType({"concurrency_id": "look", "concurrency_limit": 4})  # of what looks at pictures and clips

NOBODY_ADDRESS = "https://cdn.jsdelivr.net/gh/faker-js/assets-person-portrait"  # AI-made portraits, CC0

MAX_GAZE = 25  # degrees


@dataclass(frozen=True)
class Settings:
    """Read once at start.

    IMTALKER_PRESET: tiny, base, or a folder of weights; without it base where there is a GPU, else tiny.
    IMTALKER_DEVICE: auto, cpu, cuda, cuda:N, mps.
    IMTALKER_MAX_SECONDS: longest speech or clip.
    IMTALKER_MCP: 1 also offers the endpoints as MCP tools (needs the extra ``gradio[mcp]``).
    IMTALKER_AUTH: name:password that visitors and programs need.
    IMTALKER_NOBODY: 1 offers portraits of people who do not exist, fetched from a public collection; 0 does not.
        Without it only a Hugging Face Space does. An address is taken as that of the collection.
    IMTALKER_C2PA_CERT, IMTALKER_C2PA_KEY: PEM files; finished videos are then signed (needs c2pa-python).
    """

    preset: str | None = None
    device: str = "auto"
    max_seconds: float = 60.0
    mcp: bool = False
    auth: tuple[str, str] | None = None
    nobody: str | None = None  # address of the collection; None: not offered
    c2pa_cert: str | None = None
    c2pa_key: str | None = None
    space: str | None = None  # "owner/name" when this runs as a Hugging Face Space
    zero_gpu: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Raises ValueError for a length that is not a positive number, or a name without a password."""
        seconds = float(environment.get("IMTALKER_MAX_SECONDS") or cls.max_seconds)
        if not 1 <= seconds <= 3600:
            raise ValueError(f"IMTALKER_MAX_SECONDS is {seconds:g}; give seconds from 1 to 3600")
        return cls(
            preset=environment.get("IMTALKER_PRESET") or None,
            device=environment.get("IMTALKER_DEVICE") or "auto",
            max_seconds=seconds,
            mcp=_is_on(environment.get("IMTALKER_MCP")),
            auth=_name_and_password(environment.get("IMTALKER_AUTH")),
            nobody=_nobody(environment.get("IMTALKER_NOBODY"), bool(environment.get("SPACE_ID"))),
            c2pa_cert=environment.get("IMTALKER_C2PA_CERT") or None,
            c2pa_key=environment.get("IMTALKER_C2PA_KEY") or None,
            space=environment.get("SPACE_ID") or None,
            zero_gpu=_is_on(environment.get("SPACES_ZERO_GPU")),
        )


def _is_on(value: str | None) -> bool:
    return (value or "").strip().lower() in {"1", "true", "yes", "on"}


def _name_and_password(value: str | None) -> tuple[str, str] | None:
    if not value:
        return None
    name, _, password = value.partition(":")
    if not name or not password:
        raise ValueError("IMTALKER_AUTH is not name:password; give both")
    return name, password


def _nobody(value: str | None, by_default: bool) -> str | None:
    value = (value or "").strip()
    if value.startswith(("http://", "https://")):
        return value
    return NOBODY_ADDRESS if (_is_on(value) if value else by_default) else None
