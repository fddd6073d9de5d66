"""``dub``: a video and new speech -> the same video with a new mouth, frame by frame."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from imtalker.config import SAMPLE_RATE, SamplingOptions
from imtalker.dubbing.adaptation import adapt
from imtalker.dubbing.articulation import Articulation
from imtalker.dubbing.blending import Blender
from imtalker.dubbing.clip import DubClip
from imtalker.dubbing.engine import MouthEngine, Patch
from imtalker.dubbing.engines import describe_engine, engine_name, make_engine
from imtalker.dubbing.following import following
from imtalker.dubbing.lips import onto_clip, resampled, speech_motion
from imtalker.dubbing.looking import Look, Looked, look
from imtalker.dubbing.options import DubOptions
from imtalker.dubbing.own_articulation import own_articulation
from imtalker.dubbing.references import References
from imtalker.dubbing.remarks import lost_remarks, plan_remarks
from imtalker.dubbing.timing import Fading, Plan, make_plan, pauses
from imtalker.dubbing.tracking import FaceTrack
from imtalker.errors import InputError
from imtalker.generator.voice_activity import sound_remarks
from imtalker.media.ahead import Ahead
from imtalker.media.audio import Audio, load_clip_sound
from imtalker.media.frame_order import frames_in_order
from imtalker.media.labels import AI_LABEL, Label
from imtalker.media.remark import Remark
from imtalker.media.side_by_side import SideBySide, SideBySideWriter
from imtalker.media.sound_blocks import AudioTrack, SoundMix
from imtalker.pipeline.animation import Animation, FrameChunk
from imtalker.pipeline.finishing import CHUNK_BYTES
from imtalker.pipeline.inputs import Speech
from imtalker.pipeline.recipe import make_recipe
from imtalker.pipeline.rendering import record
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings
from imtalker.pipeline.workers import Workers, by_one_thread

Progress = Callable[[int, int, str], None]  # see ``Looked``


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

    Here the clip's first seconds are looked at, or more of it where that is asked for (``DubOptions.adapt``); while
    iterating the face is followed, a few seconds ahead of the frames that are drawn. Frames are not kept, so memory
    does not depend on the clip's length. Where the face is lost or turned beyond 30 degrees, or its mouth covered, the
    original is shown, faded in and out; ``Animation.remarks`` says for how long, once all of the clip has been
    followed.

    Args:
        pipeline: with a preset whose motion has named parts ("tiny").
        video: the clip.
        audio: path, samples at 16 kHz, ``(sample_rate, samples)``, or ``Speech``, which ``speak`` makes of a text; the
            video keeps its quality.
        options: see ``DubOptions``.
        sampling: of the motion; the preset's by default.
        engine: "completion", "renderer", or an object that draws mouths; None: see ``engine_name``.
        progress: called with what has been done before anything is drawn, see ``Looked``.

    Raises:
        NoFaceError: no face, or none that can be dubbed.
        InputError: unusable clip, speech, options or preset; several people and none chosen.
    """
    steps = dub_in_steps(pipeline, video, audio, options, sampling, engine=engine, timings=timings)
    while True:
        try:
            looked = next(steps)
        except StopIteration as end:
            return end.value
        if progress is not None:
            progress(*looked)


def dub_in_steps(
    pipeline: TalkingHeadPipeline,
    video: str | Path | DubClip,
    audio: Audio | Speech,
    options: DubOptions | None = None,
    sampling: SamplingOptions | None = None,
    *,
    engine: MouthEngine | str | None = None,
    timings: Timings | None = None,
) -> Generator[Looked, None, Animation]:
    """``dub`` for a caller who goes on with other things while the clip is looked at, or gives up."""
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
    found = yield from look(pipeline, clip, plan, options, timings)
    if options.adapt:
        found, engine = yield from adapt(clip, found, engine, options.adapt, timings)
    windows: list[Tensor] = []
    late: list[Remark] = []
    lips = record(_lips(pipeline, found, _own_sound(clip, found, options), speech, options, sampling), windows)
    silent = pauses(speech.waveform, plan.times) if options.keep_pauses else np.zeros(plan.total, bool)
    groups = _groups(pipeline, clip, plan, found, lips, silent, late)
    chunks = _finished(pipeline, engine, groups, found.references, clip, plan, options.label, timings)
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
    early = *clip.remarks, *sound_remarks(speech.waveform), *plan_remarks(plan, clip.num_frames), *found.remarks
    return Animation(
        chunks, plan.total, clip.size, recipe, timings, sound, 0.0, early, late, windows=windows, fps=clip.fps
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


def _own_sound(clip: DubClip, found: Look, options: DubOptions) -> np.ndarray | None:
    """What is heard in the part of a clip that has been looked at, where that matters and there is something."""
    if options.articulation != "own" or not clip.info.has_audio:
        return None
    return load_clip_sound(clip.path, clip.info.audio_offset, found.until)


def _lips(
    pipeline: TalkingHeadPipeline,
    found: Look,
    own_sound: np.ndarray | None,
    speech: Speech,
    options: DubOptions,
    sampling: SamplingOptions,
) -> Iterator[Tensor]:
    """Windows of motion ``(1, n, 32)`` for the speech, as the clip's person articulates."""
    if options.articulation == "own":
        fitted, references = options.adapt > 0, found.references
        way = own_articulation(pipeline, found.seen, own_sound, speech.waveform, references, sampling, fitted)
    else:
        way = Articulation(float(options.articulation))
    motion = speech_motion(pipeline, speech.waveform, found.references, sampling)
    yield from way.apply(motion, found.references)


class _Group(NamedTuple):
    """Some frames, and what their mouths shall do."""

    start: int  # number of the first one
    frames: np.ndarray  # uint8 RGB (n, H, W, 3)
    active: list[int]  # those of them that get a new mouth
    strength: np.ndarray  # (n,) how much of it is shown
    rows: FaceTrack  # of the active ones
    motion: Tensor  # (m, 32) of the active ones


def _groups(
    pipeline: TalkingHeadPipeline,
    clip: DubClip,
    plan: Plan,
    found: Look,
    windows: Iterator[Tensor],
    silent: np.ndarray,
    late: list[Remark],
) -> Iterator[_Group]:
    """Read and follow a few frames at a time, while the speech is heard; ``late`` gets what is to be said once all has
    been followed."""
    height, width = clip.size
    fps = float(plan.fps)
    step = max(1, min(pipeline.batch_size, CHUNK_BYTES // (3 * height * width)))
    fading, followed = Fading(plan, silent), False
    with ExitStack() as threads:
        follower = threads.enter_context(following(clip, found, plan.used))
        heard = threads.enter_context(closing(Ahead(by_one_thread(windows))))
        pictures = threads.enter_context(closing(Ahead(frames_in_order(clip.path, fps, plan.index))))
        lips = resampled(heard, fps, plan.speech_frames)
        start = 0
        while group := list(islice(pictures, step)):
            stop = start + len(group)
            strength = fading.strength(start, stop, follower.until(fading.needs(stop)))
            mouths = list(islice(lips, len(group)))
            active = [i for i in range(len(mouths)) if strength[i] > 0]
            rows = follower.take(plan.index[[start + i for i in active]])
            motion = torch.from_numpy(rows.motion)
            if active:
                motion = onto_clip(torch.stack([mouths[i] for i in active]), motion)
            if follower.ended and not followed:
                followed = True
                late += lost_remarks(follower.until(plan.used), plan.fps)
            yield _Group(start, np.stack(group), active, strength, rows, motion)
            start = stop


def _finished(
    pipeline: TalkingHeadPipeline,
    engine: MouthEngine,
    groups: Iterable[_Group],
    references: References,
    clip: DubClip,
    plan: Plan,
    labelled: bool,
    timings: Timings,
) -> Iterator[FrameChunk]:
    """New mouths in their frames; several groups are drawn at the same time.

    "rendering" in the timings is the time that is waited for them.
    """
    blender = Blender()
    label = Label(AI_LABEL, clip.size[0], "lower right") if labelled else None

    def drawn(group: _Group) -> tuple[_Group, list[Patch]]:
        if not group.active:
            return group, []
        frames = [group.frames[i] for i in group.active]
        return group, engine.draw(frames, group.rows, group.motion, references)

    # Half of the drawing is the CPU's, whatever computes the networks.
    workers = pipeline.workers if pipeline.workers.count else Workers(torch.get_num_threads())
    with closing(workers.map(drawn, groups)) as results:
        for (start, frames, active, strength, rows, _), patches in timings.iterate("rendering", results):
            with timings.measure("blending"):
                for row, (i, patch) in enumerate(zip(active, patches, strict=True)):
                    blender(frames[i], patch, rows.lower[row], rows.to_image[row], strength[i], rows.first[row])
                if label is not None:
                    for frame in frames:
                        label.stamp(frame)
            yield FrameChunk(frames, start, plan.total, plan.fps)
