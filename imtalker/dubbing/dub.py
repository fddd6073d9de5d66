"""``dub``: a video and new speech -> the same video with a new mouth, frame by frame."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from imtalker.config import SAMPLE_RATE, SamplingOptions
from imtalker.dubbing.articulation import Articulation, own_articulation
from imtalker.dubbing.blending import Blender
from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.engine import MouthEngine, Patch
from imtalker.dubbing.engines import describe_engine, engine_name, make_engine
from imtalker.dubbing.lips import onto_clip, resampled, speech_motion
from imtalker.dubbing.options import DubOptions
from imtalker.dubbing.timing import Plan, make_plan, pauses, strength
from imtalker.dubbing.tracking import FaceTrack
from imtalker.dubbing.understanding import Followed, Understood, understand
from imtalker.errors import InputError
from imtalker.generator.audio_encoder import num_video_frames
from imtalker.generator.voice_activity import sound_remarks
from imtalker.media.ahead import ahead, one_later
from imtalker.media.audio import Audio
from imtalker.media.frame_order import frames_in_order
from imtalker.media.labels import AI_LABEL, Label
from imtalker.media.side_by_side import SideBySide, SideBySideWriter
from imtalker.media.sound_blocks import AudioTrack, SoundMix
from imtalker.pipeline.animation import Animation, FrameChunk
from imtalker.pipeline.finishing import CHUNK_BYTES
from imtalker.pipeline.inputs import Speech
from imtalker.pipeline.recipe import make_recipe
from imtalker.pipeline.rendering import record
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings

Progress = Callable[[int, int], None]  # frames followed, frames to follow


def dub(
    pipeline: TalkingHeadPipeline,
    video: str | Path | DubClip,
    audio: Audio | Speech,
    options: DubOptions | None = None,
    sampling: SamplingOptions | None = None,
    *,
    engine: MouthEngine | str | None = None,
    timings: Timings | None = None,
    progress: Progress | None = None,
) -> Animation:
    """Give a person in a video new lips for new speech; head, eyes, background, size and frame rate are kept.

    The clip is read twice: here the face is followed, while iterating the frames are drawn. Neither keeps frames, so
    memory does not depend on the clip's length. Where the face is lost or turned beyond 30 degrees the original is
    shown, faded in and out; ``Animation.remarks`` says for how long.

    Args:
        pipeline: with a preset whose motion has named parts ("tiny").
        video: the clip.
        audio: path, samples at 16 kHz, ``(sample_rate, samples)``, or ``Speech``, which ``speak`` makes of a text; the
            video keeps its quality.
        options: see ``DubOptions``.
        sampling: of the motion; the preset's by default.
        engine: "completion", "renderer", or an object that draws mouths; None: see ``engine_name``.
        progress: called with the frames followed so far and all of them.

    Raises:
        NoFaceError: no face, or none that can be dubbed.
        InputError: unusable clip, speech, options or preset; several people and none chosen.
    """
    steps = dub_in_steps(pipeline, video, audio, options, sampling, engine=engine, timings=timings)
    while True:
        try:
            followed = next(steps)
        except StopIteration as end:
            return end.value
        if progress is not None:
            progress(*followed)


def dub_in_steps(
    pipeline: TalkingHeadPipeline,
    video: str | Path | DubClip,
    audio: Audio | Speech,
    options: DubOptions | None = None,
    sampling: SamplingOptions | None = None,
    *,
    engine: MouthEngine | str | None = None,
    timings: Timings | None = None,
) -> Generator[Followed, None, Animation]:
    """``dub`` for a caller who goes on with other things while the face is followed, or gives up."""
    options, sampling = options or DubOptions(), sampling or pipeline.preset.sampling
    timings = timings or Timings()
    check_can_dub(pipeline)
    drawn_by: dict[str, Any] = {}
    if engine is None or isinstance(engine, str):
        name = engine_name(pipeline, engine)
        drawn_by, engine = describe_engine(pipeline, name), make_engine(pipeline, name)
    clip = video if isinstance(video, DubClip) else DubClip.read(video)
    with timings.measure("audio_encoding"):
        speech = audio if isinstance(audio, Speech) else Speech.read(audio)
    sound = dubbed_sound(clip, speech, options.background_sound)
    plan = plan_of(clip, speech, options)
    found = yield from understand(pipeline, clip, plan, options, timings)
    silent = pauses(speech.waveform, plan.times) if options.keep_pauses else np.zeros(plan.total, bool)
    shown = strength(found.plan, found.track, silent)
    kept: list[Tensor] = []
    windows = _lips(pipeline, clip, speech.waveform, found, options, sampling, timings)
    chunks = _draw(pipeline, engine, clip, found, record(windows, kept), shown, options.label, timings)
    recipe = make_recipe(
        pipeline.models,
        pipeline.precision,
        "dub",
        None,
        sampling,
        edited=clip.recipe,
        speech=speech.recipe,
        dubbing={**asdict(options), **drawn_by},
    )
    remarks = (*clip.remarks, *sound_remarks(speech.waveform), *found.remarks)
    return Animation(
        chunks, plan.total, clip.size, recipe, timings, sound, early_remarks=remarks, windows=kept, fps=clip.fps
    )  # fmt: skip


def plan_of(clip: DubClip, speech: Speech, options: DubOptions) -> Plan:
    """Which frame of the clip is shown when, from the first frame of the result to its last."""
    return make_plan(clip.num_frames, clip.fps, len(speech.waveform) / SAMPLE_RATE, options.length)


def dubbed_sound(clip: DubClip, speech: Speech, level: float) -> AudioTrack:
    """Speech, with the clip's own sound under it at a level from 0 (none) to 1.

    Raises:
        InputError: the clip has no sound.
    """
    if level == 0:
        return speech.track
    if not clip.info.has_audio:
        raise InputError(f"clip {clip.path} has no sound to keep; leave the background sound out")
    assert not isinstance(speech.track, SoundMix)
    return SoundMix(speech.track, clip.path, level, clip.info.audio_offset)


def original_beside(path: Path, clip: DubClip, plan: Plan, **video: Any) -> SideBySideWriter:
    """A second video: the original on the left, the dubbed frames on the right, in step.

    Args:
        video: sound and recipe, see ``VideoWriter``.
    """
    original = frames_in_order(clip.path, float(clip.fps), plan.index)
    return SideBySideWriter(path, SideBySide(("original", "dubbed"), clip.size), original, fps=clip.fps, **video)


def check_can_dub(pipeline: TalkingHeadPipeline) -> None:
    """Raise InputError for a preset that cannot dub."""
    if pipeline.models.generator.config.motion_layout != "explicit":
        raise InputError(
            f"preset {pipeline.preset.name!r} cannot dub: its motion does not tell the mouth from the rest; "
            "use preset tiny"
        )


def _lips(
    pipeline: TalkingHeadPipeline,
    clip: DubClip,
    waveform: np.ndarray,
    found: Understood,
    options: DubOptions,
    sampling: SamplingOptions,
    timings: Timings,
) -> Iterator[Tensor]:
    """Motion windows of the mouth at 25 frames per second, articulated as asked for."""
    plan, track, references = found.plan, found.track, found.references
    if options.articulation == "own":
        with timings.measure("motion_generation"):
            way = own_articulation(pipeline, clip.path, track.motion, float(plan.fps), references, sampling)
    else:
        way = Articulation(float(options.articulation))
    head = track.motion[plan.clip_frames_at(num_video_frames(len(waveform)))]
    return way.apply(speech_motion(pipeline, waveform, references, head, sampling, timings), references)


class _Group(NamedTuple):
    """Some frames whose mouths are being drawn."""

    start: int  # number of the first one
    frames: list[np.ndarray]
    active: list[int]  # those of them that get a new mouth
    rows: FaceTrack  # of these
    patches: "Future[list[Patch]] | None"  # None where there are none


def _draw(
    pipeline: TalkingHeadPipeline,
    engine: MouthEngine,
    clip: DubClip,
    found: Understood,
    windows: Iterator[Tensor],
    shown: np.ndarray,
    labelled: bool,
    timings: Timings,
) -> Iterator[FrameChunk]:
    """Second pass: read, draw, blend, a few frames at a time; the next ones are drawn while the last are used."""
    plan, track = found.plan, found.track
    height, width = clip.size
    fps = float(plan.fps)
    pictures = timings.iterate("decoding", ahead(frames_in_order(clip.path, fps, plan.index)))
    lips = resampled(windows, fps, plan.speech_frames)
    label = Label(AI_LABEL, height, "lower right") if labelled else None
    step = max(1, min(pipeline.batch_size, CHUNK_BYTES // (3 * height * width)))

    def begin(worker: Executor) -> Iterator[_Group]:
        start = 0
        while group := list(islice(pictures, step)):
            mouths = list(islice(lips, len(group)))
            active = [i for i in range(len(mouths)) if shown[start + i] > 0]
            rows = track.take(plan.index[[start + i for i in active]])
            patches: Future[list[Patch]] | None = None
            if active:
                motion = onto_clip(torch.stack([mouths[i] for i in active]), torch.from_numpy(rows.motion))
                patches = worker.submit(engine.draw, [group[i] for i in active], rows, motion, found.references)
            yield _Group(start, group, active, rows, patches)
            start += len(group)

    blender = Blender()
    with ThreadPoolExecutor(1, "drawing") as worker:
        for start, group, active, rows, drawing in one_later(begin(worker)):
            if drawing is not None:
                with timings.measure("rendering"):
                    patches = drawing.result()
                with timings.measure("blending"):
                    for row, (i, patch) in enumerate(zip(active, patches, strict=True)):
                        group[i] = blender(
                            group[i], patch, rows.lower[row], rows.to_image[row], shown[start + i], rows.first[row]
                        )
            frames = np.stack(group)
            if label is not None:
                for frame in frames:
                    label.stamp(frame)
            yield FrameChunk(frames, start, plan.total, plan.fps)
