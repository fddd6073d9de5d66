"""The endpoints for programs. Names, parameters and outputs are a promise; the page uses events of its own.

The module-level functions declare an endpoint: their signature and docstring are what
clients see, ``_endpoint`` supplies what they do.
"""

import inspect
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from imtalker.demo.errors import explained
from imtalker.demo.page.crop_preview import describe_faces, draw
from imtalker.demo.page.widgets import as_sent
from imtalker.demo.runs.compare import CompareProgress, Comparison
from imtalker.demo.runs.jobs import ClipJob
from imtalker.demo.runs.run import Finished
from imtalker.demo.service import Studio
from imtalker.demo.settings import GPU_QUEUE, SOLVERS
from imtalker.errors import InputError
from imtalker.media.image import load_portrait

TELL_SECONDS = 0.5  # between two progress messages


def animate_audio(
    portrait: str,
    speech: str,
    steps: int | None = None,
    guidance: float | None = None,
    seed: int | None = None,
    solver: str | None = None,
    yaw: float | None = None,
    pitch: float | None = None,
    roll: float | None = None,
    gaze_x: float | None = None,
    gaze_y: float | None = None,
    expressiveness: float = 100.0,
    head_clip: str | None = None,
    crop: str = "auto",
    face: int | None = None,
    paste_back: bool = False,
    label: bool = False,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> Any:
    """Make a portrait speak. Returns the finished video (MP4), its motion (.safetensors) and a report with timings.

    Args:
        portrait: picture of one face.
        speech: audio or video file with speech.
        steps: network evaluations per window of motion, 1 to 50; even for midpoint and heun. Empty: as the preset
            was tuned, see the defaults of /info; so for guidance, seed and solver.
        guidance: how closely the lips follow the speech, 0 to 10; 1 is off.
        seed: same seed, same video.
        solver: euler, midpoint or heun.
        yaw: degrees the nose turns to the right of the picture; empty leaves the head free.
        pitch: degrees the nose goes up.
        roll: degrees the head tilts counter-clockwise.
        gaze_x: degrees the eyes turn to the right of the picture; empty leaves them free.
        gaze_y: degrees the eyes turn up.
        expressiveness: per cent of the natural head motion, 0 to 150.
        head_clip: video whose head motion and gaze are taken.
        crop: auto, none (whole picture), or left,top,side in pixels.
        face: which face, 0 the largest.
        paste_back: give the whole picture instead of the square.
        label: write "AI-generated" into the corner.
    """


def animate_video(
    portrait: str,
    driving: str,
    relative: bool = False,
    keep_sound: bool = True,
    crop: str = "auto",
    face: int | None = None,
    driving_crop: str = "auto",
    paste_back: bool = False,
    label: bool = False,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> Any:
    """Move a portrait like the person in a clip. Returns the video (MP4), its motion (.safetensors) and a report.

    Args:
        portrait: picture of one face.
        driving: video of one person.
        relative: keep the portrait's own pose and add only the driver's changes.
        keep_sound: keep the clip's sound.
        crop: of the portrait: auto, none, or left,top,side in pixels.
        face: which face of the portrait, 0 the largest.
        driving_crop: of the clip: auto, none, or left,top,side in pixels.
        paste_back: give the whole picture instead of the square.
        label: write "AI-generated" into the corner.
    """


def apply_motion(
    portrait: str,
    motion: str,
    sound: str | None = None,
    crop: str = "auto",
    face: int | None = None,
    paste_back: bool = False,
    label: bool = False,
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> Any:
    """Move a portrait by motion made before. Returns the video (MP4), the motion and a report with timings.

    Args:
        portrait: picture of one face.
        motion: motion file (.safetensors) from another run of the same preset.
        sound: audio or video file whose sound is added.
        crop: auto, none, or left,top,side in pixels.
        face: which face, 0 the largest.
        paste_back: give the whole picture instead of the square.
        label: write "AI-generated" into the corner.
    """


def compare(
    portrait: str,
    speech: str,
    kind: str = "steps",
    second_portrait: str | None = None,
    yaw: float | None = None,
    pitch: float | None = None,
    roll: float | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    seed: int | None = None,
    crop: str = "auto",
    progress: gr.Progress = gr.Progress(),  # noqa: B008
) -> Any:
    """Show settings side by side on the same noise. Returns one labelled video and a table of timings.

    Args:
        portrait: picture of one face.
        speech: audio or video file with speech, up to 12 seconds.
        kind: steps (4, 10, 25), guidance (1, 2, 3), pose (free and held), or portraits (two, one motion).
        second_portrait: for portraits.
        yaw: for pose, degrees to the right.
        pitch: for pose, degrees up.
        roll: for pose, degrees counter-clockwise.
        steps: for all variants but those of steps.
        guidance: for all variants but those of guidance.
        seed: of the noise all variants share.
        crop: auto, none, or left,top,side in pixels.
    """


class Endpoints:
    """All endpoints; build it inside the Blocks."""

    def __init__(self, studio: Studio):
        self._studio = studio
        with gr.Column(visible=False):
            self._trigger = gr.Button(visible=False)
            self._build()

    def _build(self) -> None:
        fields = _fields()
        video, motion = gr.Video(label="video", format="mp4"), gr.File(label="motion")
        report = gr.JSON(label="report")
        piece, picture = gr.File(label="piece"), gr.Image(label="preview", format="png")
        runs: list[tuple[Callable, Callable[..., ClipJob]]] = [
            (animate_audio, self._studio.audio_job),
            (animate_video, self._studio.video_job),
            (apply_motion, self._studio.motion_job),
        ]
        for declared, make_job in runs:
            self._offer(_endpoint(declared, self._finished, make_job), fields, [video, motion, report])
        for declared, make_job in runs[:2]:
            name = f"{declared.__name__}_stream"
            note = (
                "The same in pieces of about two seconds while they are drawn: a video file and a report each; "
                "the last report is that of the whole run, with the finished video as its piece.\n\n"
            )
            streamed = _endpoint(declared, self._pieces, make_job)
            streamed.__doc__ = note + (declared.__doc__ or "")
            self._offer(streamed, fields, [piece, report], name)
        self._offer(_endpoint(compare, self._compared), fields, [video, report])
        self._offer(self.detect_faces, fields, [picture, report], slot="look")
        self._offer(self.info, fields, [report], slot="look")

    def _offer(
        self, function: Callable, fields: dict[str, Any], outputs: list[Any], name: str = "", slot: str = GPU_QUEUE
    ) -> None:
        names = [name for name in inspect.signature(function).parameters if name not in ("self", "progress")]
        self._trigger.click(
            function,
            [fields[name] for name in names],
            outputs,
            api_name=name or function.__name__,
            concurrency_id=slot,
            concurrency_limit=1 if slot == GPU_QUEUE else 4,
        )

    # ---- what they do ----

    def _finished(self, arguments: dict[str, Any], progress: gr.Progress, make_job: Callable) -> Iterator[tuple]:
        _check_files(arguments)
        told = time.monotonic()
        for event in self._studio.run(make_job, arguments):
            if isinstance(event, Finished):
                event.recipe.unlink()  # the report has it
                yield str(event.video), str(event.motion), event.report
            elif time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                progress((event.done, event.total), unit="frames", desc="drawing")
                yield None, None, {"frames": event.done, "total": event.total}

    def _pieces(self, arguments: dict[str, Any], progress: gr.Progress, make_job: Callable) -> Iterator[tuple]:
        _check_files(arguments)
        for event in self._studio.run(make_job, arguments, stream=True, keep_pieces=True):
            if isinstance(event, Finished):
                event.recipe.unlink()
                event.motion.unlink()
                yield str(event.video), event.report
                continue
            for piece in event.pieces:
                progress((event.done, event.total), unit="frames", desc="drawing")
                yield str(piece), {"frames": event.done, "total": event.total}

    def _compared(self, arguments: dict[str, Any], progress: gr.Progress) -> Iterator[tuple]:
        _check_files(arguments)
        told = time.monotonic()
        for event in self._studio.compare(**arguments):
            if isinstance(event, Comparison):
                yield str(event.video), {"table": event.rows(), "reports": event.reports}
            elif isinstance(event, CompareProgress) and time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                progress((event.index, event.count), unit="variants", desc=event.name)
                yield None, {"variant": event.name, "index": event.index, "count": event.count}

    def detect_faces(self, portrait: str) -> tuple[np.ndarray, dict[str, Any]]:
        """Find faces and say how well they suit. Returns a preview with numbered faces, and boxes and verdicts.

        Args:
            portrait: picture with faces. ``crop`` of each face can be handed to the other endpoints.
        """
        with explained():
            if not portrait:
                raise InputError("there is no portrait; send a picture")
            pipeline = self._studio.host.pipeline()
            image = load_portrait(portrait)
            faces = pipeline.framing.detector.detect(image)
            size = pipeline.models.renderer.config.input_size
            reports = describe_faces(image, faces, pipeline.preset.crop, size)
        chosen = reports[0] if reports else None
        picture, _ = draw(image, reports, 0 if chosen else None, chosen.crop if chosen else None)
        height, width = image.shape[:2]
        return picture, {"width": width, "height": height, "faces": [report.as_dict() for report in reports]}

    def info(self) -> dict[str, Any]:
        """Models in use, how they sample by default, limits, samples. Waits until the models are loaded."""
        with explained():
            return self._studio.info()


def _endpoint(declared: Callable, run: Callable, *extra: Any) -> Callable:
    """A generator with the signature and docstring of a declaration."""
    signature = inspect.signature(declared)

    @wraps(declared)
    def call(*values: Any) -> Iterator[tuple]:
        arguments = dict(signature.bind(*values).arguments)
        progress = arguments.pop("progress")
        with explained():
            yield from run(arguments, progress, *extra)

    return call


def _fields() -> dict[str, Any]:
    """One component per parameter: it says what clients may send."""

    def number(label: str, value: float | None = None, precision: int | None = None) -> gr.Number:
        return gr.Number(value, label=label, precision=precision)

    return {
        "portrait": as_sent(gr.Image(label="portrait", type="filepath", image_mode=None)),
        "second_portrait": as_sent(gr.Image(label="second portrait", type="filepath", image_mode=None)),
        "speech": gr.Audio(label="speech", type="filepath"),
        "sound": as_sent(gr.File(label="sound")),
        "driving": gr.Video(label="driving clip"),
        "head_clip": gr.Video(label="clip for the head"),
        "motion": as_sent(gr.File(label="motion")),
        "steps": number("steps", None, 0),
        "guidance": number("guidance"),
        "seed": number("seed", None, 0),
        "solver": gr.Textbox(None, label=f"solver: {', '.join(SOLVERS)}"),
        "kind": gr.Textbox("steps", label="kind: steps, guidance, pose, portraits"),
        "yaw": number("yaw, degrees"),
        "pitch": number("pitch, degrees"),
        "roll": number("roll, degrees"),
        "gaze_x": number("gaze to the right, degrees"),
        "gaze_y": number("gaze up, degrees"),
        "expressiveness": number("expressiveness, per cent", 100),
        "crop": gr.Textbox("auto", label="crop: auto, none, or left,top,side"),
        "driving_crop": gr.Textbox("auto", label="crop of the clip"),
        "face": number("face, 0 the largest", None, 0),
        "relative": gr.Checkbox(False, label="keep the portrait's pose"),
        "keep_sound": gr.Checkbox(True, label="keep the clip's sound"),
        "paste_back": gr.Checkbox(False, label="whole picture"),
        "label": gr.Checkbox(False, label="visible label"),
    }


def _check_files(arguments: dict[str, Any]) -> None:
    """Programs send what they like; say which file is missing before anything is loaded."""
    for name in ("portrait", "speech", "driving", "motion"):
        if name in arguments and not arguments[name]:
            raise InputError(f"{name} is missing; send a file (handle_file in gradio_client)")
        if arguments.get(name) and not Path(arguments[name]).is_file():
            raise InputError(f"{name} could not be received; send it again")
