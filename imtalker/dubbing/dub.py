"""``dub``: a video and new speech -> the same video with a new mouth, frame by frame."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imtalker.config import SAMPLE_RATE, SamplingOptions
from imtalker.dubbing.blending import Blender
from imtalker.dubbing.engine import MouthEngine
from imtalker.dubbing.lips import articulated, onto_clip, own_articulation, resampled, speech_motion
from imtalker.dubbing.mouth_reading import read_mouth
from imtalker.dubbing.options import DubOptions
from imtalker.dubbing.references import References, choose_references
from imtalker.dubbing.renderer_engine import RendererEngine
from imtalker.dubbing.rest_frames import RestFrames
from imtalker.dubbing.timing import MAX_YAW, Plan, lost_seconds, make_plan, pauses, strength
from imtalker.dubbing.tracking import FaceTrack, Sighting, TrackRecorder, watch
from imtalker.errors import InputError, NoFaceError
from imtalker.generator.audio_encoder import num_video_frames
from imtalker.media.audio import Audio, load_waveform
from imtalker.media.frame_order import frames_in_order
from imtalker.media.labels import AI_LABEL, Label
from imtalker.media.sound_blocks import AudioTrack, SoundMix
from imtalker.media.video import VideoInfo, count_frames, native_rate, probe_video, read_frames
from imtalker.pipeline.animation import Animation, FrameChunk
from imtalker.pipeline.finishing import CHUNK_BYTES
from imtalker.pipeline.rendering import record, to_tensor
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings
from imtalker.version import __version__

logger = logging.getLogger(__name__)

ENGINES = ("renderer",)
LOOK_SECONDS = 8.0  # of the clip that are looked at for frames with the mouth at rest, however short the speech is
Progress = Callable[[int, int], None]  # frames followed, frames to follow


@dataclass(frozen=True, eq=False)
class _Understood:
    """What the first pass over the clip has found."""

    plan: Plan
    track: FaceTrack
    references: References


def dub(
    pipeline: TalkingHeadPipeline,
    video: str | Path,
    audio: Audio,
    options: DubOptions | None = None,
    sampling: SamplingOptions | None = None,
    *,
    engine: MouthEngine | str = "renderer",
    timings: Timings | None = None,
    progress: Progress | None = None,
) -> Animation:
    """Give a person in a video new lips for new speech; head, eyes, background, size and frame rate are kept.

    The clip is read twice: here the face is followed, while iterating the frames are drawn. Neither keeps frames, so
    memory does not depend on the clip's length. Where the face is lost or turned beyond 30 degrees the original is
    shown, faded in and out.

    Args:
        pipeline: with a preset whose motion has named parts ("tiny").
        video: the clip.
        audio: path, samples at 16 kHz, or ``(sample_rate, samples)``; the video keeps its quality.
        options: see ``DubOptions``.
        sampling: of the motion; the preset's by default.
        engine: "renderer", or an object that draws mouths.
        progress: called with the frames followed so far and all of them.

    Raises:
        NoFaceError: no face, or none that can be dubbed.
        InputError: unusable clip, speech, options or preset; several people and none chosen.
    """
    options = options or DubOptions()
    timings = timings or Timings()
    engine = _engine(pipeline, engine)
    info = probe_video(video)
    fps = native_rate(video)
    with timings.measure("audio_encoding"):
        waveform = load_waveform(audio)
    with timings.measure("decoding"):
        plan = make_plan(count_frames(video, float(fps)), fps, len(waveform) / SAMPLE_RATE, options.length)
    found = _understand(pipeline, video, plan, options, timings, progress)
    silent = pauses(waveform, plan.times) if options.keep_pauses else np.zeros(plan.total, bool)
    shown = strength(plan, found.track, silent)
    kept: list[Tensor] = []
    windows, factor = _lips(pipeline, video, waveform, found, options, sampling, timings)
    size = (info.height, info.width)
    chunks = _draw(pipeline, engine, video, found, record(windows, kept), shown, options.label, size, timings)
    recipe = _recipe(pipeline, video, audio, options, sampling or pipeline.preset.sampling, factor)
    sound = _sound(audio, video, info, options.background_sound)
    return Animation(chunks, plan.total, size, recipe, timings, sound, fps=fps, windows=kept)


def _engine(pipeline: TalkingHeadPipeline, engine: MouthEngine | str) -> MouthEngine:
    if pipeline.models.generator.config.motion_layout != "explicit":
        raise InputError(
            f"preset {pipeline.preset.name!r} cannot dub: its motion does not tell the mouth from the rest; "
            "use preset tiny"
        )
    if not isinstance(engine, str):
        return engine
    if engine not in ENGINES:
        raise InputError(f"unknown engine {engine!r}; choose {' or '.join(ENGINES)}")
    return RendererEngine(pipeline.models.renderer)


def _understand(
    pipeline: TalkingHeadPipeline,
    video: str | Path,
    plan: Plan,
    options: DubOptions,
    timings: Timings,
    progress: Progress | None,
) -> _Understood:
    """First pass: follow the face, read its motion, find the references."""
    what = f"clip {video}"
    recorder, rest = TrackRecorder(), RestFrames()
    wanted = max(plan.used, round(LOOK_SECONDS * plan.fps))
    frames = timings.iterate("decoding", islice(read_frames(video, float(plan.fps)), wanted))
    side = pipeline.models.renderer.config.input_size
    sightings = timings.iterate("tracking", watch(frames, side, options.face, what))
    done = 0
    while group := list(islice(sightings, pipeline.batch_size)):
        with timings.measure("motion_encoding"):
            _record(pipeline, recorder, group)
        for index, sighting in enumerate(group, done):
            rest.add(index, sighting)
        done += len(group)
        if progress is not None:
            progress(done, max(done, plan.used))
    track = recorder.result(what)
    if done < plan.used:  # the file ends before its timestamps say so
        plan = replace(plan, index=plan.index.clip(0, done - 1))
    used = track.take(np.arange(plan.used))
    if not (used.seen & (np.abs(used.yaw) <= MAX_YAW)).any():
        raise NoFaceError(f"the head in {what} is turned beyond {MAX_YAW:g} degrees throughout; take a frontal clip")
    lost, turned = lost_seconds(used, plan.fps)
    for seconds, why in ((lost, "shows no face"), (turned, f"shows the head turned beyond {MAX_YAW:g} degrees")):
        if seconds:
            logger.warning("%s %s for %.1f s; there the original is kept", what, why, seconds)
    neutral = None if options.reference is None else round(options.reference * plan.fps)
    references = choose_references(track, neutral)
    track = replace(track, motion=read_mouth(track, references))
    return _Understood(plan, track, references.with_rest(rest.result(), track))


@torch.inference_mode()
def _record(pipeline: TalkingHeadPipeline, recorder: TrackRecorder, group: list[Sighting]) -> None:
    squares = [sighting.square for sighting in group if sighting.square is not None]
    motion = iter(())
    if squares:
        renderer = pipeline.models.renderer
        like = next(renderer.parameters())
        motion = iter(renderer.encode_motion(to_tensor(np.stack(squares), like)).float().cpu().numpy())
    for sighting in group:
        recorder.add(sighting, next(motion) if sighting.square is not None else None)


def _lips(
    pipeline: TalkingHeadPipeline,
    video: str | Path,
    waveform: np.ndarray,
    found: _Understood,
    options: DubOptions,
    sampling: SamplingOptions | None,
    timings: Timings,
) -> tuple[Iterator[Tensor], float]:
    """Motion windows of the mouth at 25 frames per second, and the amplitude they have."""
    plan, track, references = found.plan, found.track, found.references
    if options.articulation == "own":
        with timings.measure("motion_generation"):
            factor = own_articulation(pipeline, video, track.motion, float(plan.fps), references, sampling)
    else:
        factor = float(options.articulation)
    head = track.motion[plan.clip_frames_at(num_video_frames(len(waveform)))]
    windows = speech_motion(pipeline, waveform, references, head, sampling, timings)
    return articulated(windows, references, factor), factor


def _draw(
    pipeline: TalkingHeadPipeline,
    engine: MouthEngine,
    video: str | Path,
    found: _Understood,
    windows: Iterator[Tensor],
    shown: np.ndarray,
    labelled: bool,
    size: tuple[int, int],
    timings: Timings,
) -> Iterator[FrameChunk]:
    """Second pass: read, draw, blend, a few frames at a time."""
    plan, track = found.plan, found.track
    fps = float(plan.fps)
    pictures = timings.iterate("decoding", frames_in_order(video, fps, plan.index))
    lips = resampled(windows, fps, plan.speech_frames)
    label = Label(AI_LABEL, size[0], "lower right") if labelled else None
    blender = Blender()
    step = max(1, min(pipeline.batch_size, CHUNK_BYTES // (3 * size[0] * size[1])))
    start = 0
    while group := list(islice(pictures, step)):
        mouths = list(islice(lips, len(group)))
        numbers = np.arange(start, start + len(group))
        active = [i for i in range(len(mouths)) if shown[start + i] > 0]
        if active:
            rows = track.take(plan.index[numbers[active]])
            motion = onto_clip(torch.stack([mouths[i] for i in active]), torch.from_numpy(rows.motion))
            with timings.measure("rendering"):
                patches = engine.draw([group[i] for i in active], rows, motion, found.references)
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
        start += len(group)


def _recipe(
    pipeline: TalkingHeadPipeline,
    video: str | Path,
    audio: Audio,
    options: DubOptions,
    sampling: SamplingOptions,
    factor: float,
) -> dict:
    """JSON-able facts: an edited video, and what it was edited with. Of paths only the file names are kept."""
    return {
        "software": f"imtalker {__version__}",
        "torch": str(torch.__version__),
        "preset": pipeline.preset.name,
        "mode": "dub",
        "edited": Path(video).name,
        "speech": Path(audio).name if isinstance(audio, str | Path) else "samples",
        "dubbing": {**asdict(options), "articulation": round(factor, 4)},
        "sampling": asdict(sampling),
    }


def _sound(audio: Audio, video: str | Path, info: VideoInfo, level: float) -> AudioTrack:
    sound = (SAMPLE_RATE, audio) if isinstance(audio, np.ndarray) else audio
    if level == 0:
        return sound
    if not info.has_audio:
        raise InputError(f"clip {video} has no sound to keep; leave the background sound out")
    return SoundMix(sound, video, level, info.audio_offset)
