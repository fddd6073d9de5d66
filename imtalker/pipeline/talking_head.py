"""Portrait and speech, a driving clip or saved motion -> frames: the entry for CLI, app and programs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from imtalker.config import SAMPLE_RATE, SamplingOptions
from imtalker.devices import resolve_device, resolve_dtype
from imtalker.errors import InputError
from imtalker.generator.audio_encoder import num_video_frames
from imtalker.generator.controls import MotionControls, pose_remarks
from imtalker.generator.head_transfer import head_controls, relative_motion
from imtalker.generator.voice_activity import sound_remarks
from imtalker.media.audio import Audio, load_waveform
from imtalker.media.clip_framing import ClipFraming
from imtalker.media.crop import CropBox, crop_and_resize
from imtalker.media.framing import Crop, Framing
from imtalker.media.image import WHITE, load_portrait
from imtalker.media.remark import Remark
from imtalker.media.sound_blocks import AudioTrack
from imtalker.media.video import count_frames, probe_video, read_frames
from imtalker.pipeline.animation import Animation
from imtalker.pipeline.finishing import MAX_SIDE, Finishing, FinishOptions
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
            features = renderer.encode_source(to_tensor(square[None], self._like), wide=wide)
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
        crop: Crop | ClipFraming = "auto",
        timings: Timings | None = None,
    ) -> Iterator[Tensor]:
        """Motion windows ``(1, n, 32)`` of a driving clip, resampled to 25 frames per second.

        The square keeps its place where the head does, else it follows slowly, see ``ClipFraming``. Where no face is
        seen the last pose is held.

        Args:
            crop: "auto", a ``CropBox``, None for whole pictures, or what ``framing.clip`` found for this clip.

        Raises:
            InputError: unusable clip; NoFaceError: no usable face in it.
        """
        timings = timings or Timings()
        framing = self._framed(video, face, crop, timings)
        return encode_frames(self.models.renderer, read_frames(video), framing, self.batch_size, timings)

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
        max_side: int = MAX_SIDE,
        bare: bool = False,
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
            paste_back: give whole pictures instead of the square.
            label: write "AI-generated" into a corner.
            max_side: longer side of whole pictures at most, 128..4096 pixels.
            bare: give the rendered squares untouched, to be finished by ``Finishing`` later.

        Raises:
            InputError: unusable input; raised here, before anything is generated.
        """
        timings = timings or Timings()
        portrait = self._understood(portrait, timings)
        with timings.measure("audio_encoding"):
            waveform = load_waveform(audio)
        total = num_video_frames(len(waveform))
        options = options or self.preset.sampling
        remarks = sound_remarks(waveform)
        if head_from is not None:
            controls, about_clip = self._head_of_clip(head_from, total, controls, timings)
            remarks += about_clip
        if controls is not None and self._motion_layout == "explicit":
            remarks += pose_remarks(controls, portrait.features.motion[0].float().cpu().numpy())
        windows = self.motion_from_audio(portrait, waveform, controls, options, timings=timings)
        track: AudioTrack = (SAMPLE_RATE, audio) if isinstance(audio, np.ndarray) else audio
        recipe = self._recipe("audio", audio, options, controls, head_from=_name(head_from))
        finish = FinishOptions(paste_back, label, max_side, bare)
        run = self._animation(portrait, windows, total, recipe, timings, finish, track)
        run.remarks = remarks
        return run

    def animate_from_video(
        self,
        portrait: Portrait | Picture,
        video: str | Path,
        *,
        face: int | None = None,
        crop: Crop | ClipFraming = "auto",
        relative: bool = False,
        paste_back: bool = False,
        label: bool = False,
        max_side: int = MAX_SIDE,
        bare: bool = False,
        timings: Timings | None = None,
    ) -> Animation:
        """Let a portrait move like the person in a clip; the clip's sound is kept.

        Args:
            video: the driving clip.
            face: which face of the clip, 0 the largest in its first picture that shows one.
            crop: of the clip, see ``motion_from_video``.
            relative: add the driver's change since the first frame to the portrait's own pose, instead of
                taking the driver's pose as it is. Keeps the portrait's framing. With named channels (tiny)
                this concerns head and camera only, else the whole motion latent.

        Raises:
            InputError: unusable input.
        """
        timings = timings or Timings()
        portrait = self._understood(portrait, timings)
        info = probe_video(video)
        framing = self._framed(video, face, crop, timings)
        windows = self.motion_from_video(video, crop=framing, timings=timings)
        if relative:
            windows = relative_motion(windows, portrait.features.motion, self._motion_layout)
        total = count_frames(video)
        recipe = self._recipe("video", video, relative=relative)
        track = video if info.has_audio else None
        finish = FinishOptions(paste_back, label, max_side, bare)
        run = self._animation(portrait, windows, total, recipe, timings, finish, track)
        run.audio_offset = info.audio_offset
        run.remarks = framing.remarks
        if info.has_unusable_audio:
            silent = Remark("silent_clip", "the clip's sound cannot be decoded and is left out; convert it to AAC")
            run.remarks += (silent,)
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
        max_side: int = MAX_SIDE,
        bare: bool = False,
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
        finish = FinishOptions(paste_back, label, max_side, bare)
        return self._animation(portrait, iter(motion), total or 0, recipe, timings, finish, audio)

    # ---- inside ----

    def _animation(
        self,
        portrait: Portrait,
        windows: Iterator[Tensor],
        total: int,
        recipe: dict,
        timings: Timings,
        options: FinishOptions,
        audio: AudioTrack | None,
    ) -> Animation:
        kept: list[Tensor] = []
        finish = Finishing(portrait.image, portrait.box, portrait.size, options, timings)
        windows = remembered(windows, kept)
        painter = Painter(self.models.renderer, portrait.features, portrait.size)
        chunks = render_chunks(painter, windows, total, self.batch_size, finish, timings)
        return Animation(chunks, total, finish.size, recipe, timings, audio, windows=kept)

    def _framed(self, video: str | Path, face: int | None, crop: Crop | ClipFraming, timings: Timings) -> ClipFraming:
        if isinstance(crop, ClipFraming):
            return crop
        with timings.measure("crop"):
            return self.framing.clip(video, crop, face)

    def _head_of_clip(
        self, clip: str | Path, total: int, controls: MotionControls | None, timings: Timings
    ) -> tuple[MotionControls, tuple[Remark, ...]]:
        if self._motion_layout != "explicit":
            raise InputError(
                f"preset {self.preset.name!r} has no readable head motion to take from {clip}; "
                "use preset tiny, or give pose and gaze as a control file"
            )
        framing = self._framed(clip, None, "auto", timings)
        windows = self.motion_from_video(clip, crop=framing, timings=timings)
        frames = torch.cat([part[0].float().cpu() for part in up_to(windows, total)])
        return head_controls(frames[:total], total, controls), framing.remarks

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
