"""From what a visitor or a program sends to a ``ClipJob``: everything is read and checked before a GPU is asked for."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from imtalker.config import FRAME_RATE, SamplingOptions
from imtalker.demo.settings import MAX_PORTRAIT_PIXELS, SOLVERS
from imtalker.errors import InputError
from imtalker.generator.controls import MotionControls
from imtalker.media.audio import load_clip_sound
from imtalker.media.framing import Crop
from imtalker.media.video import probe_video
from imtalker.media.video_writer import AudioTrack
from imtalker.pipeline.inputs import DrivingClip, SourceImage, Speech
from imtalker.pipeline.motion_clip import MotionClip, load_motion
from imtalker.pipeline.talking_head import TalkingHeadPipeline

MAX_STEPS = 50
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class ClipJob:
    """One run. Values on the CPU only, so that it can be handed to a GPU process."""

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
    waveform: np.ndarray | None = None  # (N,) at 16 kHz: what is heard with the clip
    sound: AudioTrack | None = None  # of the finished video, at its own quality
    sound_offset: float = 0.0  # seconds by which it starts after the first frame
    paste_back: bool = False
    label: bool = False

    @property
    def names(self) -> tuple[str | None, str | None]:
        """File names of the portrait and of what moves it."""
        mover = self.driving or self.speech
        facts = mover.recipe if mover is not None else (self.motion and self.motion.file) or {}
        return self.source.recipe["file"], facts.get("file")


def sampling_options(
    defaults: SamplingOptions,
    steps: float | None = None,
    guidance: float | None = None,
    seed: float | None = None,
    solver: str | None = None,
) -> SamplingOptions:
    """Checked options; ``defaults`` where nothing is given.

    Raises:
        InputError: out of range, or an odd number of steps for a solver that spends two per step.
    """
    steps = defaults.num_steps if steps is None else steps
    guidance = defaults.guidance_scale if guidance is None else guidance
    seed = defaults.seed if seed is None else seed
    solver = solver or defaults.solver
    if solver not in SOLVERS:
        raise InputError(f"solver is {solver!r}; choose one of {', '.join(SOLVERS)}")
    if steps != int(steps) or not 1 <= steps <= MAX_STEPS:
        raise InputError(f"steps is {steps:g}; give a whole number from 1 to {MAX_STEPS}")
    if solver != "euler" and int(steps) % 2:
        raise InputError(f"steps is {steps:g}, but {solver} spends two evaluations per step; give an even number")
    if not 0 <= guidance <= 10:
        raise InputError(f"guidance is {guidance:g}; give a number from 0 to 10")
    if seed != int(seed) or not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed is {seed:g}; give a whole number from 0 to {MAX_SEED}")
    return replace(defaults, num_steps=int(steps), guidance_scale=float(guidance), solver=solver, seed=int(seed))


def motion_controls(
    yaw: float | None,
    pitch: float | None,
    roll: float | None,
    gaze_x: float | None,
    gaze_y: float | None,
    expressiveness: float,
) -> MotionControls | None:
    """Angles in degrees, None where the model decides; expressiveness in per cent of the natural motion."""
    controls = MotionControls(yaw, pitch, roll, gaze_x, gaze_y, expressiveness=expressiveness / 100)
    return None if controls.is_neutral else controls


def read_portrait(
    pipeline: TalkingHeadPipeline, path: str | None, crop: Crop = "auto", face: int | None = None
) -> SourceImage:
    """The picture and its square.

    Raises:
        InputError: none given, unusable, or no face in it.
    """
    if not path:
        raise InputError("there is no portrait; add a picture or choose a sample")
    source = SourceImage.read(path, pipeline.framing, face, crop)
    image = source.image
    if image.shape[0] * image.shape[1] > MAX_PORTRAIT_PIXELS:
        raise InputError(
            f"the portrait has {image.shape[1]}x{image.shape[0]} pixels; "
            f"the limit here is {MAX_PORTRAIT_PIXELS // 1_000_000} million, reduce it first"
        )
    return source


def audio_job(
    pipeline: TalkingHeadPipeline,
    portrait: str | None,
    speech: str | None,
    options: SamplingOptions,
    controls: MotionControls | None = None,
    *,
    crop: Crop = "auto",
    face: int | None = None,
    head_clip: str | None = None,
    paste_back: bool = False,
    label: bool = False,
    max_seconds: float = 60.0,
) -> ClipJob:
    """Speech makes a portrait talk.

    Raises:
        InputError: whatever is wrong with the inputs.
    """
    if not speech:
        raise InputError("there is no speech; add a recording or choose a sample")
    source = read_portrait(pipeline, portrait, crop, face)
    spoken = Speech.read(speech, max_seconds)
    return ClipJob(
        "audio",
        source,
        spoken.num_frames,
        speech=spoken,
        controls=controls,
        options=options,
        head_clip=pipeline.encode_driver(head_clip) if head_clip else None,
        waveform=spoken.waveform,
        sound=speech,
        paste_back=paste_back,
        label=label,
    )


def video_job(
    pipeline: TalkingHeadPipeline,
    portrait: str | None,
    driving: str | None,
    *,
    crop: Crop = "auto",
    face: int | None = None,
    driving_crop: Crop = "auto",
    relative: bool = False,
    keep_sound: bool = True,
    paste_back: bool = False,
    label: bool = False,
    max_seconds: float = 60.0,
) -> ClipJob:
    """A clip moves a portrait.

    Raises:
        InputError: whatever is wrong with the inputs.
    """
    if not driving:
        raise InputError("there is no driving clip; add one or choose a sample")
    source = read_portrait(pipeline, portrait, crop, face)
    clip = pipeline.encode_driver(driving, crop=driving_crop, max_seconds=max_seconds)
    return ClipJob(
        "video",
        source,
        clip.num_frames,
        driving=clip,
        relative=relative,
        keep_sound=keep_sound,
        waveform=clip.waveform() if keep_sound else None,
        sound=clip.track if keep_sound else None,
        sound_offset=clip.info.audio_offset,
        paste_back=paste_back,
        label=label,
    )


def motion_job(
    pipeline: TalkingHeadPipeline,
    portrait: str | None,
    motion: str | None,
    sound: str | None = None,
    *,
    crop: Crop = "auto",
    face: int | None = None,
    paste_back: bool = False,
    label: bool = False,
    max_seconds: float = 60.0,
) -> ClipJob:
    """Motion saved before moves another portrait.

    Raises:
        InputError: whatever is wrong with the inputs.
    """
    if not motion:
        raise InputError("there is no motion; make a video first or add a motion file (.safetensors)")
    clip = load_motion(motion)
    total = len(clip.motion)
    if total > max_seconds * FRAME_RATE:
        raise InputError(f"the motion is {total / FRAME_RATE:.1f} s long; the limit is {max_seconds:g} s, cut it first")
    source = read_portrait(pipeline, portrait, crop, face)
    offset = 0.0
    if sound:
        offset = probe_video(sound).audio_offset if Path(sound).suffix.lower() == ".mp4" else 0.0
    return ClipJob(
        "motion",
        source,
        total,
        motion=clip,
        waveform=load_clip_sound(sound, offset) if sound else None,
        sound=sound or None,
        sound_offset=offset,
        paste_back=paste_back,
        label=label,
    )


def with_motion(job: ClipJob, motion: MotionClip) -> ClipJob:
    """The same portrait and sound, moved by motion that exists already."""
    return replace(job, kind="motion", motion=motion, speech=None, options=None, controls=None, head_clip=None)
