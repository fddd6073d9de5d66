"""From what a visitor or a program sends to a ``ClipJob``: everything is read and checked before a GPU is asked for."""

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from imtalker.config import FRAME_RATE, SamplingOptions
from imtalker.demo.runs.common_options import STYLE
from imtalker.demo.runs.dub_request import DubRequest
from imtalker.demo.runs.job import Looked
from imtalker.demo.runs.options import Request
from imtalker.demo.runs.requests import ClipRequest, MotionRequest, SpeechRequest
from imtalker.errors import InputError
from imtalker.faces.remarks import portrait_remarks
from imtalker.generator.controls import MotionControls
from imtalker.generator.motion_style import MotionStyle
from imtalker.media.audio import load_clip_sound
from imtalker.media.framing import parse_crop
from imtalker.media.remark import Remark
from imtalker.media.side_by_side import SideBySide, SideBySideWriter
from imtalker.media.video import probe_video
from imtalker.media.video_writer import AudioTrack, VideoWriter
from imtalker.pipeline.animation import Animation
from imtalker.pipeline.finishing import Finisher, FinishOptions, input_pictures
from imtalker.pipeline.inputs import DrivingClip, SourceImage, Speech
from imtalker.pipeline.motion_clip import MotionClip, load_motion
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings
from imtalker.speech.text_to_video import speak

DEFAULT_STYLE = MotionStyle()
WINDOW_FRAMES = 50  # of motion made at a time
FRAMES_PER_SECOND = 30  # rendered on a GPU, cautiously: the paper reports 42 for the large model on one RTX 4090
EVALUATION_SECONDS = 0.01  # of the motion generator, guidance included


@dataclass(frozen=True)
class ClipJob:
    """One run that animates a portrait, see ``Job``."""

    kind: Literal["audio", "video", "motion"]
    source: SourceImage  # the portrait
    total: int  # frames
    speech: Speech | None = None
    controls: MotionControls | None = None
    options: SamplingOptions | None = None
    head_clip: DrivingClip | None = None  # the head moves as in this clip
    driving: DrivingClip | None = None
    relative: bool = False
    keep_sound: bool = True  # of the driving clip
    motion: MotionClip | None = None
    waveform: np.ndarray | None = None  # (N,) at 16 kHz: what is heard with the video
    sound: AudioTrack | None = None  # of the finished video, at its own quality
    sound_offset: float = 0.0  # seconds by which it starts after the first frame
    paste_back: bool = False
    label: bool = False
    remarks: tuple[Remark, ...] = ()  # on the portrait, for people

    @property
    def names(self) -> tuple[str | None, str | None]:
        """File names of the portrait and of what moves it."""
        mover = self.driving or self.speech
        facts = mover.recipe if mover is not None else (self.motion and self.motion.file) or {}
        return self.source.recipe["file"], facts.get("file")

    @property
    def fps(self) -> Fraction:
        return Fraction(FRAME_RATE)

    @property
    def gpu_seconds(self) -> float:
        seconds = self.total / FRAMES_PER_SECOND
        if self.options is not None:
            seconds += math.ceil(self.total / WINDOW_FRAMES) * self.options.num_steps * EVALUATION_SECONDS
        return seconds

    def start(self, pipeline: TalkingHeadPipeline, timings: Timings) -> Generator[Looked, None, Animation]:
        """Everything but the drawing, which waits to be asked for; see ``Job.start``."""
        yield from ()
        common: dict[str, Any] = {"bare": True, "timings": timings}
        portrait = pipeline.encode_source(self.source, timings=timings)
        if self.motion is not None:
            return pipeline.render_motion(
                portrait, self.motion, audio=self.sound, audio_offset=self.sound_offset, **common
            )
        if self.driving is not None:
            return pipeline.animate_from_video(
                portrait, self.driving, relative=self.relative, keep_sound=self.keep_sound, **common
            )
        assert self.speech is not None
        return pipeline.animate_from_audio(
            portrait, self.speech, self.controls, self.options, head_from=self.head_clip, **common
        )

    def finisher(self, size: tuple[int, int], timings: Timings) -> Finisher:
        """Whole picture, label; see ``Job.finisher``."""
        return Finisher(self.source, size[0], FinishOptions(self.paste_back, self.label), timings)

    def beside(self, path: Path, size: tuple[int, int], **video: Any) -> VideoWriter:
        """Portrait or driver beside the result; see ``Job.beside``."""
        composer = SideBySide(["driver" if self.driving else "portrait", "result"], size)
        left = input_pictures(self.source, self.driving, size, self.paste_back)
        return SideBySideWriter(path, composer, left, **video)


def make_job(request: Request, pipeline: TalkingHeadPipeline, max_seconds: float = 60.0) -> ClipJob:
    """Read and check everything a request names.

    Raises:
        InputError: whatever is wrong with it.
    """
    request.check_abilities(pipeline.preset.name, pipeline.models.generator.config)
    match request:
        case SpeechRequest():
            job = _speech_job(request, pipeline, max_seconds)
        case ClipRequest():
            job = _clip_job(request, pipeline, max_seconds)
        case MotionRequest():
            job = _motion_job(request, pipeline, max_seconds)
        case _:
            raise TypeError(f"{type(request).__name__} does not make one video")
    image = job.source.image
    return replace(job, remarks=portrait_remarks(image, job.source.box, pipeline.framing.faces(image)))


def sampling_options(request: SpeechRequest | DubRequest, defaults: SamplingOptions) -> SamplingOptions:
    """How motion is sampled; ``defaults`` where nothing is asked for.

    Raises:
        InputError: an odd number of steps for a solver that spends two per step.
    """
    asked = {
        "num_steps": request.steps,
        "guidance_scale": request.guidance,
        "seed": request.seed,
        "solver": request.solver,
    }
    options = replace(defaults, **{name: value for name, value in asked.items() if value is not None})
    if options.solver != "euler" and options.num_steps % 2:
        raise InputError(
            f"steps is {options.num_steps}, but {options.solver} spends two evaluations per step; give an even number"
        )
    return options


def motion_style(request: SpeechRequest, natural: MotionStyle = DEFAULT_STYLE) -> MotionStyle:
    """The style that is asked for; ``natural`` where nothing is."""
    asked = {}
    for name, option in STYLE.items():
        value = getattr(request, name)
        if value != request.defaults()[name]:
            asked[name] = value / 100 if option.percent else value
    return replace(natural, **asked)


def motion_controls(request: SpeechRequest, natural: MotionStyle = DEFAULT_STYLE) -> MotionControls | None:
    """What is asked of head, eyes and style; None where that is nothing. Single angles go before those of the file.

    Args:
        natural: the style where none is asked for.

    Raises:
        InputError: the file cannot be used.
    """
    controls = MotionControls.from_file(request.controls) if request.controls else MotionControls()
    asked = {name: getattr(request, name) for name in ("yaw", "pitch", "roll", "gaze_x", "gaze_y")}
    asked = {name: value for name, value in asked.items() if value is not None}
    controls = replace(controls, **asked, style=motion_style(request, natural))
    return None if controls.is_neutral else controls


def _portrait(request: SpeechRequest | ClipRequest | MotionRequest, pipeline: TalkingHeadPipeline) -> SourceImage:
    return SourceImage.read(request.portrait, pipeline.framing, request.face, parse_crop(request.crop))


def _speech_job(request: SpeechRequest, pipeline: TalkingHeadPipeline, max_seconds: float) -> ClipJob:
    options = sampling_options(request, pipeline.preset.sampling)
    natural = pipeline.style_of_clip(request.style_clip) if request.style_clip else DEFAULT_STYLE
    controls = motion_controls(request, natural)
    source = _portrait(request, pipeline)
    speech = speech_of(request, max_seconds)
    return ClipJob(
        "audio",
        source,
        speech.num_frames,
        speech=speech,
        controls=controls,
        options=options,
        head_clip=pipeline.encode_driver(request.head_clip) if request.head_clip else None,
        waveform=speech.waveform,
        sound=speech.track,
        paste_back=request.paste_back,
        label=request.label,
    )


def speech_of(request: SpeechRequest | DubRequest, max_seconds: float) -> Speech:
    """What is said, read or spoken; raises InputError."""
    if request.text is not None:
        return speak(request.text, request.voice, request.speed, max_seconds=max_seconds)
    assert request.speech is not None
    return Speech.read(request.speech, max_seconds)


def _clip_job(request: ClipRequest, pipeline: TalkingHeadPipeline, max_seconds: float) -> ClipJob:
    source = _portrait(request, pipeline)
    crop = parse_crop(request.driving_crop)
    clip = pipeline.encode_driver(request.driving, face=request.driving_face, crop=crop, max_seconds=max_seconds)
    return ClipJob(
        "video",
        source,
        clip.num_frames,
        driving=clip,
        relative=request.relative,
        keep_sound=request.keep_sound,
        waveform=clip.waveform() if request.keep_sound else None,
        sound=clip.track if request.keep_sound else None,
        sound_offset=clip.info.audio_offset,
        paste_back=request.paste_back,
        label=request.label,
    )


def _motion_job(request: MotionRequest, pipeline: TalkingHeadPipeline, max_seconds: float) -> ClipJob:
    clip = load_motion(request.motion)
    total = len(clip.motion)
    if total > max_seconds * FRAME_RATE:
        raise InputError(f"the motion is {total / FRAME_RATE:.1f} s long; the limit is {max_seconds:g} s, cut it first")
    source = _portrait(request, pipeline)
    sound, offset = request.sound, 0.0
    if sound:
        offset = probe_video(sound).audio_offset if Path(sound).suffix.lower() == ".mp4" else 0.0
    return ClipJob(
        "motion",
        source,
        total,
        motion=clip,
        waveform=load_clip_sound(sound, offset) if sound else None,
        sound=sound,
        sound_offset=offset,
        paste_back=request.paste_back,
        label=request.label,
    )


def with_motion(job: ClipJob, motion: MotionClip) -> ClipJob:
    """The same portrait and sound, moved by motion that exists already."""
    return replace(job, kind="motion", motion=motion, speech=None, options=None, controls=None, head_clip=None)
