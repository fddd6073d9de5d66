"""Code that repeats a run: Python client, curl, command line. Every file name survives every shell."""

import json
import shlex
from pathlib import Path
from typing import Any, Literal

from imtalker.demo.runs.options import Request

CODE_LANGUAGES: tuple[tuple[str, Literal["python", "shell"]], ...] = (
    ("Python", "python"),
    ("curl", "shell"),
    ("Command line", "shell"),
)


def python_snippet(request: Request, address: str) -> str:
    """For ``gradio_client``."""
    lines = [
        f"    {name}={f'handle_file({value!r})' if _is_file(request, name) else repr(value)},"
        for name, value in _given(request).items()
    ]
    outputs = "video, report" if request.endpoint == "compare" else "video, motion, report"
    return "\n".join(
        [
            "from gradio_client import Client, handle_file",
            "",
            f"client = Client({address!r})",
            f"{outputs} = client.predict(",
            *lines,
            f'    api_name="/{request.endpoint}",',
            ")",
        ]
    )


def curl_snippet(request: Request, url: str) -> str:
    """For a shell: send the files, start the run, wait for it."""
    lines = [f"URL={shlex.quote(url.rstrip('/') + '/gradio_api')}"]
    arguments: dict[str, Any] = {}
    variables = {}
    for name, value in _given(request).items():
        if not _is_file(request, name):
            arguments[name] = value
            continue
        variable = variables[name] = name.upper()
        # The answer is a JSON list with one path, whose quoted text goes on into the next JSON as it is.
        form = shlex.quote(_form(value))
        lines.append(f'{variable}=$(curl -s -F {form} "$URL/upload" | sed \'s/^\\["//; s/"\\]$//\')')
        arguments[name] = {"path": f"@{variable}@", "meta": {"_type": "gradio.FileData"}}
    body = _for_heredoc(json.dumps(arguments, indent=1))
    for variable in variables.values():
        body = body.replace(f"@{variable}@", f"${variable}")
    lines += [
        f"EVENT=$(curl -s \"$URL/call/v2/{request.endpoint}\" -H 'Content-Type: application/json' -d @- <<END",
        body,
        "END",
        ")",
        f'curl -sN "$URL/call/{request.endpoint}/$(echo "$EVENT" | cut -d \'"\' -f 4)"',
    ]
    return "\n".join(lines)


def cli_snippet(request: Request, preset: str) -> str:
    """For the command line of the package."""
    options = request.options()
    words = ["imtalker", request.command]
    for name, value in _given(request).items():
        option = options[name]
        if name == "crop" and value == "none":
            words += ["--no-crop"]
        elif not option.flag:
            continue
        elif option.kind == "switch":
            words += [option.flag] if value else []
        elif option.percent:  # the command line counts in ones
            words += [option.flag, f"{value / 100:g}"]
        elif option.is_file:
            words += [option.flag, f"./{value}" if value.startswith("-") else value]
        else:
            words += [option.flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return _wrapped([*words, "--preset", preset, "-o", "video.mp4"])


def _given(request: Request) -> dict[str, Any]:
    """What was asked for, with file names instead of paths."""
    given = request.given()
    return {name: Path(value).name if _is_file(request, name) else _short(value) for name, value in given.items()}


def _is_file(request: Request, name: str) -> bool:
    return request.options()[name].is_file


def _short(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _form(name: str) -> str:
    """A file for ``curl -F``, where commas and semicolons would end a name that is not quoted."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'files=@"{escaped}"'


def _for_heredoc(text: str) -> str:
    return text.replace("\\", "\\\\").replace("$", "\\$").replace("`", "\\`")


def _wrapped(words: list[str]) -> str:
    """Options on lines of their own, so that the command can be read."""
    lines, line = [], " ".join(shlex.quote(word) for word in words[:2])
    for word in words[2:]:
        if word.startswith("--") or word == "-o":
            lines.append(line + " \\")
            line = "  " + word
        else:
            line += " " + shlex.quote(word)
    return "\n".join([*lines, line])
