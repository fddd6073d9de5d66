"""The endpoints for programs. Names, parameters and outputs are a promise; the page uses events of its own.

Signature and documentation of an endpoint are those of the request it takes (``runs.requests``).
"""

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import MISSING
from typing import Any, TypeVar

import gradio as gr
import numpy as np

from imtalker.demo.page.crop_preview import describe_faces, draw
from imtalker.demo.page.widgets import pass_file_through
from imtalker.demo.runs.common_options import PORTRAIT
from imtalker.demo.runs.compare import CompareProgress, Comparison
from imtalker.demo.runs.options import Option, Request
from imtalker.demo.runs.requests import ClipRequest, CompareRequest, DubRequest, MotionRequest, SpeechRequest
from imtalker.demo.runs.run import Finished, Progress, Waiting
from imtalker.demo.service import Service
from imtalker.demo.settings import GPU_QUEUE, LOOK_QUEUE
from imtalker.errors import InputError
from imtalker.media.image import load_portrait

TELL_SECONDS = 0.5  # between two progress messages
IN_PIECES = (
    "The same in pieces of about two seconds while they are drawn: a video file and a report each; "
    "the last report is that of the whole run, with the finished video as its piece.\n\n"
)
Asked = TypeVar("Asked", bound=Request)
Rows = Iterator[tuple[Any, ...]]  # what a client receives, one value per output


class Endpoints:
    """All endpoints; build it inside the Blocks."""

    def __init__(self, service: Service):
        self._service = service
        with gr.Column(visible=False):
            self._trigger = gr.Button(visible=False)
            video, motion = gr.Video(label="video", format="mp4"), gr.File(label="motion")
            report = gr.JSON(label="report")
            piece, picture = gr.File(label="piece"), gr.Image(label="preview", format="png")
            whole = [video, motion, report]
            self._offer(SpeechRequest, self.animate_audio, whole)
            self._offer(ClipRequest, self.animate_video, whole)
            self._offer(DubRequest, self.dub_video, whole)
            self._offer(MotionRequest, self.apply_motion, whole)
            self._offer(SpeechRequest, self.animate_audio_stream, [piece, report], IN_PIECES)
            self._offer(ClipRequest, self.animate_video_stream, [piece, report], IN_PIECES)
            self._offer(DubRequest, self.dub_video_stream, [piece, report], IN_PIECES)
            self._offer(CompareRequest, self.compare, [video, report])
            looks: dict[str, Any] = dict(LOOK_QUEUE)
            self._trigger.click(
                self.detect_faces, _field(PORTRAIT), [picture, report], api_name="detect_faces", **looks
            )
            self._trigger.click(self.info, None, report, api_name="info", **looks)

    def animate_audio(self, request: SpeechRequest, progress: gr.Progress) -> Rows:
        """Speech makes a portrait talk."""
        yield from self._whole(request, progress)

    def animate_video(self, request: ClipRequest, progress: gr.Progress) -> Rows:
        """A clip moves a portrait."""
        yield from self._whole(request, progress)

    def dub_video(self, request: DubRequest, progress: gr.Progress) -> Rows:
        """New speech gives a person in a clip new lips."""
        yield from self._whole(request, progress)

    def apply_motion(self, request: MotionRequest, progress: gr.Progress) -> Rows:
        """Motion saved before moves a portrait."""
        yield from self._whole(request, progress)

    def animate_audio_stream(self, request: SpeechRequest, progress: gr.Progress) -> Rows:
        """``animate_audio`` in pieces."""
        yield from self._pieces(request, progress)

    def animate_video_stream(self, request: ClipRequest, progress: gr.Progress) -> Rows:
        """``animate_video`` in pieces."""
        yield from self._pieces(request, progress)

    def dub_video_stream(self, request: DubRequest, progress: gr.Progress) -> Rows:
        """``dub_video`` in pieces."""
        yield from self._pieces(request, progress)

    def compare(self, request: CompareRequest, progress: gr.Progress) -> Rows:
        """Settings side by side."""
        often = _Seldom()
        for event in self._service.compare(request):
            if isinstance(event, Comparison):
                yield str(event.video), {"table": event.rows(), "reports": event.reports}
            elif isinstance(event, CompareProgress) and often():
                progress((event.index, event.count), unit="variants", desc=event.name)
                yield None, {"variant": event.name, "index": event.index, "count": event.count}

    def detect_faces(self, portrait: str) -> tuple[np.ndarray, dict[str, Any]]:
        """Find faces and say how well they suit. Returns a preview with numbered faces, and boxes and verdicts.

        Args:
            portrait: picture with faces. ``crop`` of each face can be handed to the other endpoints.
        """
        if not portrait:
            raise InputError("there is no portrait; send a picture")
        image = load_portrait(portrait)
        reports = describe_faces(image, self._service.host.pipeline().framing)
        chosen = reports[0] if reports else None
        picture, _ = draw(image, reports, 0 if chosen else None, chosen.crop if chosen else None)
        height, width = image.shape[:2]
        return picture, {"width": width, "height": height, "faces": [report.as_dict() for report in reports]}

    def info(self) -> dict[str, Any]:
        """Models in use, how they sample by default, what they can, limits, samples. Waits until they are loaded."""
        return self._service.info()

    def _whole(self, request: Request, progress: gr.Progress) -> Rows:
        often = _Seldom()
        for event in self._service.run(request):
            if isinstance(event, Finished):
                event.recipe.unlink()  # the report has it
                yield str(event.video), str(event.motion), event.report
            elif isinstance(event, Progress) and often():
                progress((event.done, event.total), unit="frames", desc=_doing(event))
                yield None, None, {"frames": event.done, "total": event.total}
            elif isinstance(event, Waiting):
                yield None, None, {"frames": 0, "total": 0, "before": event.place, "expected_seconds": event.seconds}

    def _pieces(self, request: Request, progress: gr.Progress) -> Rows:
        for event in self._service.run(request, pieces="own"):
            if isinstance(event, Finished):
                event.recipe.unlink()
                event.motion.unlink()
                yield str(event.video), event.report
            elif isinstance(event, Progress):
                for piece in event.pieces:
                    progress((event.done, event.total), unit="frames", desc="drawing")
                    yield str(piece), {"frames": event.done, "total": event.total}

    def _offer(
        self,
        kind: type[Asked],
        answer: Callable[[Asked, gr.Progress], Rows],
        outputs: list[Any],
        note: str = "",
    ) -> None:
        self._trigger.click(
            _endpoint(kind, answer, note),
            [_field(option, kind.defaults()[name]) for name, option in kind.options().items()],
            outputs,
            api_name=answer.__name__,
            concurrency_id=GPU_QUEUE,
            concurrency_limit=1,
        )


def _endpoint(kind: type[Asked], answer: Callable[[Asked, gr.Progress], Rows], note: str) -> Callable[..., Rows]:
    """A generator whose parameters are the fields of a request."""
    defaults = {name: inspect.Parameter.empty if value is MISSING else value for name, value in kind.defaults().items()}
    way = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, way, default=default) for name, default in defaults.items()]

    def call(*values: Any) -> Rows:
        *asked, progress = values
        yield from answer(kind(*asked), progress)

    call.__name__ = answer.__name__
    call.__doc__ = note + kind.documentation()
    call.__signature__ = inspect.Signature(  # pyright: ignore[reportFunctionMemberAccess]
        [*parameters, inspect.Parameter("progress", way, default=gr.Progress())]
    )
    return call


def _field(option: Option, default: Any = MISSING) -> Any:
    """The component that says what clients may send."""
    value = None if default is MISSING else default
    label = option.label.lower()
    match option.kind:
        case "picture":
            return pass_file_through(gr.Image(label=label, type="filepath", image_mode=None))
        case "sound":
            return gr.Audio(label=label, type="filepath")
        case "clip":
            return gr.Video(label=label)
        case "file":
            return pass_file_through(gr.File(label=label))
        case "switch":
            return gr.Checkbox(bool(value), label=label)
        case "text":
            return gr.Textbox(value, label=f"{label}: {', '.join(option.choices)}" if option.choices else label)
    whole = option.limits is not None and option.limits.whole
    number = gr.Number(value, label=label, precision=0 if whole else None)
    number.preprocess = lambda payload: payload  # whatever was sent: the option checks it, and says what is wrong
    return number


def _doing(event: Progress) -> str:
    return "looking" if event.looking else "adapting" if event.adapting else "drawing"


class _Seldom:
    """Says yes at most every half second."""

    def __init__(self) -> None:
        self._last_shown = time.monotonic()

    def __call__(self) -> bool:
        if time.monotonic() - self._last_shown < TELL_SECONDS:
            return False
        self._last_shown = time.monotonic()
        return True
