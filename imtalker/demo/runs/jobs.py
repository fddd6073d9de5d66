"""From what a visitor or a program sends to a ``ClipJob``: everything is read and checked before a GPU is asked for."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from imtalker.config import FRAME_RATE, SAMPLE_RATE, SamplingOptions
from imtalker.demo.runs.options import Request
from imtalker.demo.runs.requests import ClipRequest, MotionRequest, SpeechRequest
from imtalker.demo.settings import MAX_PORTRAIT_PIXELS
from imtalker.errors import InputError
from imtalker.generator.audio_encoder import num_video_frames
from imtalker.generator.controls import MotionControls
from imtalker.media.audio import load_waveform
from imtalker.media.crop import CropBox
from imtalker.media.framing import Crop, parse_crop
from imtalker.media.image import load_portrait
from imtalker.media.video import count_frames, probe_video
from imtalker.media.video_writer import AudioTrack
from imtalker.pipeline.motion_clip import MotionClip, load_motion
from imtalker.pipeline.talking_head import TalkingHeadPipeline

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipJob:
    """One run. Values on the CPU only, so that it can be handed to a GPU process."""

    kind: Literal["audio", "video", "motion"]
    image: np.ndarray  # the whole portrait, uint8 RGB (H, W, 3)
    box: CropBox  # the square that is animated
    total: int  # frames
    facts: dict  # of the inputs, for the recipe; file names without folders
    waveform: np.ndarray | None = None  # (N,) at 16 kHz: what is spoken, or heard with the clip
    controls: MotionControls | None = None
    options: SamplingOptions | None = None
    head_clip: str | None = None  # the head moves as in this clip
    driving: str | None = None
    driving_box: CropBox | None = None
    relative: bool = False
    motion: MotionClip | None = None
    sound: AudioTrack | None = None  # of the finished video, at its own quality
    sound_offset: float = 0.0  # seconds by which it starts after the first frame
    paste_back: bool = False
    label: bool = False


def make_job(request: Request, pipeline: TalkingHeadPipeline, max_seconds: float = 60.0) -> ClipJob:
    """Read and check everything a request names.

    Raises:
        InputError: whatever is wrong with it.
    """
    request.check_abilities(pipeline.preset.name, pipeline.models.generator.config)
    match request:
        case SpeechRequest():
            return _speech_job(request, pipeline, max_seconds)
        case ClipRequest():
            return _clip_job(request, pipeline, max_seconds)
        case MotionRequest():
            return _motion_job(request, pipeline, max_seconds)
    raise TypeError(f"{type(request).__name__} does not make one video")


def sampling_options(request: SpeechRequest, defaults: SamplingOptions) -> SamplingOptions:
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


def motion_controls(request: SpeechRequest) -> MotionControls | None:
    """What is asked of head and eyes; None where that is nothing. Single angles go before those of the file.

    Raises:
        InputError: the file cannot be used.
    """
    controls = MotionControls.from_file(request.controls) if request.controls else MotionControls()
    asked = {name: getattr(request, name) for name in ("yaw", "pitch", "roll", "gaze_x", "gaze_y")}
    asked = {name: value for name, value in asked.items() if value is not None}
    controls = replace(controls, **asked, expressiveness=request.expressiveness / 100)
    return None if controls.is_neutral else controls


def read_portrait(
    pipeline: TalkingHeadPipeline, path: str, crop: Crop = "auto", face: int | None = None
) -> tuple[np.ndarray, CropBox]:
    """The picture and its square.

    Raises:
        InputError: unusable, or no face in it.
    """
    image = load_portrait(path)
    if image.shape[0] * image.shape[1] > MAX_PORTRAIT_PIXELS:
        raise InputError(
            f"the portrait has {image.shape[1]}x{image.shape[0]} pixels; "
            f"the limit here is {MAX_PORTRAIT_PIXELS // 1_000_000} million, reduce it first"
        )
    return image, pipeline.framing.of_picture(image, crop, face, "the portrait")


def _speech_job(request: SpeechRequest, pipeline: TalkingHeadPipeline, max_seconds: float) -> ClipJob:
    options = sampling_options(request, pipeline.preset.sampling)
    controls = motion_controls(request)
    image, box = read_portrait(pipeline, request.portrait, parse_crop(request.crop), request.face)
    waveform = load_waveform(request.speech, max_seconds)
    if request.head_clip:
        probe_video(request.head_clip)
    return ClipJob(
        "audio",
        image,
        box,
        num_video_frames(len(waveform)),
        _facts(request, box),
        waveform=waveform,
        controls=controls,
        options=options,
        head_clip=request.head_clip,
        sound=request.speech,
        paste_back=request.paste_back,
        label=request.label,
    )


def _clip_job(request: ClipRequest, pipeline: TalkingHeadPipeline, max_seconds: float) -> ClipJob:
    image, box = read_portrait(pipeline, request.portrait, parse_crop(request.crop), request.face)
    driving = request.driving
    info = probe_video(driving)
    total = count_frames(driving)
    if total > max_seconds * FRAME_RATE:
        raise InputError(
            f"the driving clip is {total / FRAME_RATE:.1f} s long; the limit is {max_seconds:g} s, cut it first"
        )
    driving_crop = parse_crop(request.driving_crop)
    has_sound = info.has_audio and request.keep_sound
    return ClipJob(
        "video",
        image,
        box,
        total,
        _facts(request, box),
        waveform=_heard_with(driving, info.audio_offset) if has_sound else None,
        driving=driving,
        driving_box=pipeline.framing.of_clip(driving, driving_crop, request.driving_face),
        relative=request.relative,
        sound=driving if has_sound else None,
        sound_offset=info.audio_offset if has_sound else 0.0,
        paste_back=request.paste_back,
        label=request.label,
    )


def _motion_job(request: MotionRequest, pipeline: TalkingHeadPipeline, max_seconds: float) -> ClipJob:
    clip = load_motion(request.motion)
    total = len(clip.motion)
    if total > max_seconds * FRAME_RATE:
        raise InputError(f"the motion is {total / FRAME_RATE:.1f} s long; the limit is {max_seconds:g} s, cut it first")
    image, box = read_portrait(pipeline, request.portrait, parse_crop(request.crop), request.face)
    sound, offset = request.sound, 0.0
    if sound:
        offset = probe_video(sound).audio_offset if Path(sound).suffix.lower() == ".mp4" else 0.0
    return ClipJob(
        "motion",
        image,
        box,
        total,
        _facts(request, box),
        waveform=_heard_with(sound, offset) if sound else None,
        motion=clip,
        sound=sound,
        sound_offset=offset,
        paste_back=request.paste_back,
        label=request.label,
    )


def with_motion(job: ClipJob, motion: MotionClip) -> ClipJob:
    """The same portrait and sound, moved by motion that exists already."""
    return replace(job, kind="motion", motion=motion, options=None, controls=None, head_clip=None)


def _heard_with(path: str, offset: float) -> np.ndarray | None:
    """Sound of a clip for its preview, (N,) at 16 kHz; None where there is nothing to hear."""
    try:
        waveform = load_waveform(path)
    except InputError as error:  # silence is no reason to refuse a driving clip
        logger.info("a clip is shown without sound: %s", error)
        return None
    shift = round(offset * SAMPLE_RATE)
    return np.pad(waveform, (shift, 0)) if shift > 0 else waveform[-shift:]


def _facts(request: Request, box: CropBox) -> dict:
    return request.recipe_facts() | {"crop": [box.left, box.top, box.side]}
