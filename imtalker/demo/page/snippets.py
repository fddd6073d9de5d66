"""Code that repeats a run: Python client, curl, command line."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FILES = ("portrait", "speech", "driving", "head_clip", "motion", "sound", "second_portrait")

CODE_LANGUAGES: tuple[tuple[str, Literal["python", "shell"]], ...] = (
    ("Python", "python"),
    ("curl", "shell"),
    ("Command line", "shell"),
)

OPTIONS = {  # parameter of an endpoint -> option of the command line
    "steps": "--steps",
    "guidance": "--guidance",
    "seed": "--seed",
    "solver": "--solver",
    "yaw": "--yaw",
    "pitch": "--pitch",
    "roll": "--roll",
    "gaze_x": "--gaze-x",
    "gaze_y": "--gaze-y",
    "crop": "--crop",
    "driving_crop": "--video-crop",
    "speech": "--audio",
    "sound": "--audio",
    "driving": "--video",
    "motion": "--motion",
    "head_clip": "--head-from",
}
FLAGS = {"paste_back": "--paste-back", "label": "--label", "relative": "--relative"}


@dataclass(frozen=True)
class Call:
    """A call of an endpoint: its name without the slash, and its arguments; files as paths."""

    endpoint: str
    arguments: Mapping[str, Any]

    def given(self) -> dict[str, Any]:
        """Arguments that are set, with file names instead of paths."""
        return {
            name: Path(value).name if name in FILES else value
            for name, value in self.arguments.items()
            if value is not None
        }


def python_snippet(call: Call, address: str) -> str:
    """For ``gradio_client``."""
    lines = [
        f"    {name}={f'handle_file({value!r})' if name in FILES else repr(value)},"
        for name, value in call.given().items()
    ]
    outputs = "video, report" if call.endpoint == "compare" else "video, motion, report"
    return "\n".join(
        [
            "from gradio_client import Client, handle_file",
            "",
            f"client = Client({address!r})",
            f"{outputs} = client.predict(",
            *lines,
            f'    api_name="/{call.endpoint}",',
            ")",
        ]
    )


def curl_snippet(call: Call, url: str) -> str:
    """For a shell: send the files, start the run, wait for it."""
    url = url.rstrip("/") + "/gradio_api"
    given = call.given()
    lines = [f"URL={shlex.quote(url)}"]
    arguments: dict[str, Any] = {}
    for name, value in given.items():
        if name not in FILES:
            arguments[name] = value
            continue
        variable = name.upper()
        lines.append(f"{variable}=$(curl -s -F {shlex.quote(f'files=@{value}')} $URL/upload | tr -d '[]\"')")
        arguments[name] = {"path": f"${variable}", "meta": {"_type": "gradio.FileData"}}
    lines += [
        f"EVENT=$(curl -s $URL/call/v2/{call.endpoint} -H 'Content-Type: application/json' -d @- <<END",
        json.dumps(arguments, indent=1),
        "END",
        ")",
        f"curl -sN $URL/call/{call.endpoint}/$(echo $EVENT | cut -d '\"' -f 4)",
    ]
    return "\n".join(lines)


def cli_snippet(call: Call, preset: str) -> str:
    """For the command line of the package; a comparison becomes one line per variant."""
    given = call.given()
    words = ["imtalker", "animate", "--portrait", str(given.pop("portrait"))]
    for name, value in given.items():
        if name in FLAGS:
            words += [FLAGS[name]] if value else []
        elif name == "expressiveness":
            words += ["--expressiveness", f"{value / 100:g}"] if value != 100 else []
        elif name == "crop" and value == "none":
            words += ["--no-crop"]
        elif name in ("crop", "driving_crop") and value == "auto":
            continue
        elif name in OPTIONS:
            words += [OPTIONS[name], f"{value:g}" if isinstance(value, float) else str(value)]
    words += ["--preset", preset, "-o", "video.mp4"]
    return _wrapped(words)


def _wrapped(words: list[str]) -> str:
    """Options on lines of their own, so that the command can be read."""
    lines, line = [], " ".join(shlex.quote(word) for word in words[:2])
    for word in words[2:]:
        if word.startswith("-") and not _is_number(word):
            lines.append(line + " \\")
            line = "  " + word
        else:
            line += " " + shlex.quote(word)
    return "\n".join([*lines, line])


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
