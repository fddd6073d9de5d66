"""Portrait and speech, a driving clip or saved motion -> frames: the entry for CLI, app and programs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from imtalker.config import SAMPLE_RATE, SamplingOptions
from imtalker.devices import resolve_device, resolve_dtype
from imtalker.errors import InputError
from imtalker.faces.motion_reading import read_portrait
from imtalker.faces.motion_track import motion_track
from imtalker.generator.audio_encoder import num_video_frames
from imtalker.generator.controls import MotionControls
from imtalker.generator.head_transfer import head_controls, relative_motion
from imtalker.generator.motion_parts import Part, check_parts, combine
from imtalker.media.audio import Audio, load_waveform
from imtalker.media.crop import CropBox, crop_and_resize
from imtalker.media.framing import Crop, Framing
from imtalker.media.image import WHITE, load_portrait
from imtalker.media.video import count_frames, probe_video, read_frames
from imtalker.media.video_writer import AudioTrack
from imtalker.pipeline.animation import Animation
from imtalker.pipeline.finishing import Finishing
from imtalker.pipeline.landmark_motion import read_clip, square_landmarks
from imtalker.pipeline.motion_clip import MotionClip, check_motion
from imtalker.pipeline.recipe import make_recipe
from imtalker.pipeline.rendering import (
    encode_frames,
    remembered,
    render_chunks,
    suitable_batch,
    to_tensor,
    up_to,
    wide_picture,
)
from imtalker.pipeline.timing import Timings
from imtalker.renderer import Painter, SourceFeatures
from imtalker.renderer.fuse import fuse
from imtalker.weights.load import Models, load_models

Picture = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class Portrait:
    """A portrait the pipeline has understood: make it once, animate it often."""

    image: np.ndarray = field(repr=False)  # the whole picture, uint8 RGB (H, W, 3)
    box: CropBox  # the square that is animated
    features: SourceFeatures = field(repr=False)
    size: int  # side of the frames it is animated in, pixels


class TalkingHeadPipeline:
    """Portrait + speech | clip | motion -> ``Animation``, an iterator of ``FrameChunk``.

    It holds the networks and no state of a run: several runs may be under way at the same time.

    Args:
        models: renderer, generator and audio encoder, on one device, and their preset.
        batch_size: frames rendered at a time; None: what suits the device and the resolution.
        size: side of the frames, pixels; None: the best the preset has (tiny: 256 or 512, base: 512).

    Raises:
        InputError: the preset's renderer does not make frames of that size.
    """

    def __init__(self, models: Models, batch_size: int | None = None, size: int | None = None):
        self.models = models
        self.preset = models.preset
        self.framing = Framing(self.preset.crop)
        self._like = next(models.renderer.parameters())
        self.device, self.dtype = self._like.device, self._like.dtype
        self.batch_size = batch_size or suitable_batch(self.device, models.renderer.config.output_size)
        self.size = models.renderer.check_size(size or models.renderer.config.sizes[-1])

    # ---- portrait ----

    def encode_source(
        self,
        portrait: Picture,
        *,
        face: int | None = None,
        crop: Crop = "auto",
        background: tuple[int, int, int] = WHITE,
        size: int | None = None,
        timings: Timings | None = None,
    ) -> Portrait:
        """Find the face, cut the square, compute everything that depends on the portrait alone.

        Args:
            portrait: path, PIL image or array, see ``load_portrait``.
            face: which face, 0 the largest; None: the largest.
            crop: "auto" round the face, a ``CropBox``, or None for the whole picture.
            background: RGB laid under transparent parts.
            size: side of the frames this portrait is animated in, pixels; None: the pipeline's.

        Raises:
            InputError: unusable picture, box or size; NoFaceError: no usable face.
        """
        timings = timings or Timings()
        renderer = self.models.renderer
        size = renderer.check_size(size or self.size)
        with timings.measure("crop"):
            image = load_portrait(portrait, background)
            what = f"picture {portrait}" if isinstance(portrait, str | Path) else "the picture"
            box = self.framing.of_picture(image, crop, face, what)
            square = crop_and_resize(image, box, renderer.config.input_size)
        with timings.measure("source_encoding"), torch.no_grad():
            wide = wide_picture(image, box, size, self._like) if renderer.config.pixel_gate else None
            motion = self._read_portrait(image, box)
            features = renderer.encode_source(to_tensor(square[None], self._like), motion, wide)
        return Portrait(image, box, features, size)

    # ---- motion ----

    def motion_from_audio(
        self,
        portrait: Portrait,
        audio: Audio,
        controls: MotionControls | None = None,
        options: SamplingOptions | None = None,
        *,
        timings: Timings | None = None,
    ) -> Iterator[Tensor]:
        """Motion windows ``(1, n, 32)`` for speech, at 25 frames per second.

        Raises:
            InputError: unusable speech, controls or options.
        """
        waveform = load_waveform(audio)
        timings = timings or Timings()
        features = timings.iterate("audio_encoding", self.models.audio_encoder.encode_stream(waveform))
        windows = self.models.generator.generate(
            features, portrait.features.motion, controls, options or self.preset.sampling
        )
        return timings.iterate("motion_generation", windows)

    def motion_from_video(
        self,
        video: str | Path,
        *,
        face: int | None = None,
        crop: Crop = "auto",
        timings: Timings | None = None,
    ) -> Iterator[Tensor]:
        """Motion windows ``(1, n, 32)`` of a driving clip, resampled to 25 frames per second.

        One crop serves the whole clip: round the median position of the face, see ``stable_face_box``. Presets whose
        motion has named channels read it from face landmarks, and hold it where no face is seen; the others, and
        clips that show no face at all, are read by the motion encoder.

        Raises:
            InputError: unusable clip; NoFaceError: no usable face in it.
        """
        timings = timings or Timings()
        with timings.measure("crop"):
            box = self.framing.of_clip(video, crop, face)
        return self._motion_of_clip(video, box, timings)

    # ---- runs ----

    def animate_from_audio(
        self,
        portrait: Portrait | Picture,
        audio: Audio,
        controls: MotionControls | None = None,
        options: SamplingOptions | None = None,
        *,
        head_from: str | Path | None = None,
        paste_back: bool = False,
        label: bool = False,
        timings: Timings | None = None,
    ) -> Animation:
        """Let a portrait speak.

        Args:
            portrait: a ``Portrait``, or a picture for ``encode_source``.
            audio: path, samples at 16 kHz, or ``(sample_rate, samples)``; the video keeps its quality.
            controls: head pose, gaze and camera in degrees and canonical units; overrides ``head_from``.
            options: sampling; the preset's by default.
            head_from: a clip whose head motion and gaze are taken, repeated back and forth if it is shorter
                than the speech. Needs a preset whose motion has named channels ("tiny").
            paste_back: give whole pictures at the portrait's own resolution instead of the square.
            label: write "AI-generated" into a corner.

        Raises:
            InputError: unusable input; raised here, before anything is generated.
        """
        timings = timings or Timings()
        portrait = self._understood(portrait, timings)
        with timings.measure("audio_encoding"):
            waveform = load_waveform(audio)
        total = num_video_frames(len(waveform))
        options = options or self.preset.sampling
        if head_from is not None:
            controls = self._head_of_clip(head_from, total, controls, timings)
        windows = self.motion_from_audio(portrait, waveform, controls, options, timings=timings)
        track: AudioTrack = (SAMPLE_RATE, audio) if isinstance(audio, np.ndarray) else audio
        recipe = self._recipe("audio", audio, options, controls, head_from=_name(head_from))
        return self._animation(portrait, windows, total, recipe, timings, paste_back, label, track)

    def animate_from_video(
        self,
        portrait: Portrait | Picture,
        video: str | Path,
        *,
        face: int | None = None,
        crop: Crop = "auto",
        relative: bool = False,
        parts: Part | Iterable[Part] = "all",
        paste_back: bool = False,
        label: bool = False,
        timings: Timings | None = None,
    ) -> Animation:
        """Let a portrait move like the person in a clip; the clip's sound is kept.

        Args:
            video: the driving clip.
            face: which face of the clip, 0 the largest in its first frame.
            crop: of the clip: "auto", a ``CropBox``, or None for its whole pictures.
            relative: add the driver's change since the first frame to the portrait's own pose, instead of
                taking the driver's pose as it is. Keeps the portrait's framing. With named channels (tiny)
                this concerns head and camera only, else the whole motion latent.
            parts: what the driver moves: "all", or some of "expression" (lips and eyes), "lips", "eyes" (gaze, lids,
                brows), "head"; the rest stays as in the portrait. Other values than "all" need named channels.

        Raises:
            InputError: unusable input.
        """
        timings = timings or Timings()
        portrait = self._understood(portrait, timings)
        info = probe_video(video)
        windows = self.motion_from_video(video, face=face, crop=crop, timings=timings)
        if relative:
            windows = relative_motion(windows, portrait.features.motion, self._motion_layout)
        if check_parts(parts) != check_parts("all"):
            windows = self._only(windows, portrait, parts)
        total = count_frames(video)
        recipe = self._recipe("video", video, relative=relative, parts=sorted(check_parts(parts)))
        track = video if info.has_audio else None
        run = self._animation(portrait, windows, total, recipe, timings, paste_back, label, track)
        run.audio_offset = info.audio_offset
        return run

    def render_motion(
        self,
        portrait: Portrait | Picture,
        motion: MotionClip | Tensor | Iterable[Tensor],
        *,
        total: int | None = None,
        audio: AudioTrack | None = None,
        paste_back: bool = False,
        label: bool = False,
        timings: Timings | None = None,
    ) -> Animation:
        """Apply motion made before to any portrait, at the cost of rendering.

        Args:
            motion: from ``load_motion`` or ``Animation.motion``, a tensor ``([1,] T, 32)``, or windows.
            total: frames, needed with windows only.
            audio: sound of the finished video.

        Raises:
            InputError: the motion was made with another preset.
        """
        timings = timings or Timings()
        portrait = self._understood(portrait, timings)
        recipe = self._recipe("motion", "motion")
        if isinstance(motion, MotionClip):
            self._check_motion(motion)
            recipe, motion = motion.recipe, motion.motion
        if isinstance(motion, Tensor):
            motion = check_motion(motion, "the motion")[None]
            total, motion = motion.shape[1], [motion]
        return self._animation(portrait, iter(motion), total or 0, recipe, timings, paste_back, label, audio)

    # ---- inside ----

    def _read_portrait(self, image: np.ndarray, box: CropBox) -> Tensor | None:
        """Motion ``(1, 32)`` of the portrait by its landmarks; None: the motion encoder shall read it."""
        basis = self.models.motion_basis
        face = None if basis is None else square_landmarks(image, box)
        return None if basis is None or face is None else self._as_motion([read_portrait(face, basis)])[0]

    def _motion_of_clip(self, video: str | Path, box: CropBox, timings: Timings) -> Iterator[Tensor]:
        seen = False
        if (basis := self.models.motion_basis) is not None:
            frames = motion_track(read_clip(read_frames(video), box, basis, timings), basis)
            while group := list(islice(frames, self.batch_size)):
                seen = True
                yield self._as_motion(group)
        if not seen:
            yield from encode_frames(self.models.renderer, read_frames(video), box, self.batch_size, timings)

    def _as_motion(self, frames: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(frames)).to(self._like)[None]

    def _animation(
        self,
        portrait: Portrait,
        windows: Iterator[Tensor],
        total: int,
        recipe: dict,
        timings: Timings,
        paste_back: bool,
        label: bool,
        audio: AudioTrack | None,
    ) -> Animation:
        kept: list[Tensor] = []
        finish = Finishing(portrait.image, portrait.box, portrait.size, paste_back, label, timings)
        windows = remembered(windows, kept)
        painter = Painter(self.models.renderer, portrait.features, portrait.size)
        chunks = render_chunks(painter, windows, total, self.batch_size, finish, timings)
        return Animation(chunks, total, finish.size, recipe, timings, audio, windows=kept)

    def _only(self, windows: Iterator[Tensor], portrait: Portrait, parts: Part | Iterable[Part]) -> Iterator[Tensor]:
        if self._motion_layout != "explicit":
            raise InputError(f"preset {self.preset.name!r} has no parts of a motion; use preset tiny, or parts all")
        still = portrait.features.motion.float().cpu()
        taken = tuple(check_parts(parts))
        return (combine(window.float().cpu(), still, taken).to(window) for window in windows)

    def _head_of_clip(
        self, clip: str | Path, total: int, controls: MotionControls | None, timings: Timings
    ) -> MotionControls:
        if self._motion_layout != "explicit":
            raise InputError(
                f"preset {self.preset.name!r} has no readable head motion to take from {clip}; "
                "use preset tiny, or give pose and gaze as a control file"
            )
        windows = self.motion_from_video(clip, timings=timings)
        frames = torch.cat([part[0].float().cpu() for part in up_to(windows, total)])
        return head_controls(frames[:total], total, controls)

    def _understood(self, portrait: Portrait | Picture, timings: Timings) -> Portrait:
        return portrait if isinstance(portrait, Portrait) else self.encode_source(portrait, timings=timings)

    def _recipe(
        self,
        mode: str,
        source: object,
        options: SamplingOptions | None = None,
        controls: MotionControls | None = None,
        **extra: Any,
    ) -> dict:
        return make_recipe(mode, self.preset.name, self._motion_layout, source, options, controls, **extra)

    def _check_motion(self, clip: MotionClip) -> None:
        preset = clip.recipe.get("preset", self.preset.name)
        if preset != self.preset.name:
            raise InputError(
                f"this motion was made with preset {preset!r} and does not fit {self.preset.name!r}; "
                f"load preset {preset!r} or generate the motion again"
            )

    @property
    def _motion_layout(self) -> str:
        return self.models.generator.config.motion_layout


def load_pipeline(
    preset_or_dir: str | Path = "tiny",
    device: str | torch.device = "auto",
    dtype: str | torch.dtype = "auto",
    *,
    progress: Callable[[str], None] | None = None,
    batch_size: int | None = None,
    size: int | None = None,
) -> TalkingHeadPipeline:
    """A pipeline for a preset ("tiny", "base") or a folder of converted weights.

    Args:
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: auto, float32, float16 or bfloat16; of the renderer.
        progress: receives a line before every long step of the first use of "base".
        batch_size, size: see ``TalkingHeadPipeline``.

    Raises:
        InputError: unknown preset, device, type or size.
        WeightsError: weights missing, damaged, or not to be fetched.
    """
    where = resolve_device(device)
    precision = resolve_dtype(dtype, where)
    models = load_models(preset_or_dir, where, torch.float32, progress)
    renderer = fuse(models.renderer).to(precision)  # fused in full precision, then rounded once
    return TalkingHeadPipeline(replace(models, renderer=renderer), batch_size, size)


def _name(path: str | Path | None) -> str | None:
    return None if path is None else Path(path).name
