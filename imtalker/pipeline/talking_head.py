"""Portrait and speech, a driving clip or saved motion -> frames: the entry for CLI, app and programs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import Tensor

from imtalker.config import MOTION_DIM, SamplingOptions
from imtalker.devices import DTYPES, MIXED, resolve_device, resolve_precision
from imtalker.errors import InputError
from imtalker.generator.controls import MotionControls, pose_remarks
from imtalker.generator.head_transfer import head_controls, relative_motion, within_reach
from imtalker.generator.motion_parts import Part, check_parts, combine
from imtalker.generator.motion_style import MotionStyle
from imtalker.generator.voice_activity import sound_remarks
from imtalker.media.audio import Audio
from imtalker.media.clip_framing import ClipFraming
from imtalker.media.framing import Crop
from imtalker.media.remark import Remark
from imtalker.media.sound_blocks import AudioTrack
from imtalker.pipeline.animation import Animation
from imtalker.pipeline.encoders import Encoders
from imtalker.pipeline.finishing import Finisher, Finishing, FinishOptions
from imtalker.pipeline.inputs import DrivingClip, Picture, Portrait, Speech, as_track, describe_file
from imtalker.pipeline.motion_clip import MotionClip, check_motion, describe_motion
from imtalker.pipeline.recipe import Mode, make_recipe
from imtalker.pipeline.rendering import (
    record,
    render_chunks,
    take,
)
from imtalker.pipeline.timing import Timings
from imtalker.renderer import Painter
from imtalker.renderer.fuse import fuse, round_inside
from imtalker.weights.load import Models, load_models


class TalkingHeadPipeline(Encoders):
    """Portrait + speech | clip | motion -> ``Animation``, an iterator of ``FrameChunk``.

    It holds the networks and no state of a run: several runs may be under way at the same time.

    Args:
        models: renderer, generator and audio encoder, on one device, and their preset.
        batch_size: frames rendered at a time; None: what suits the device and the resolution.
        size: side of the frames, pixels; None: the best the preset has (tiny: 256 or 512, base: 512).

    Raises:
        InputError: the preset's renderer does not make frames of that size.
    """

    def style_of_clip(
        self, video: str | Path | DrivingClip, *, face: int | None = None, crop: Crop = "auto"
    ) -> MotionStyle:
        """The manner of the person in a clip, for ``MotionControls.style``: motion statistics as in IF-MDM.

        Raises:
            InputError: unusable clip, shorter than two seconds, or a preset without styles; NoFaceError.
        """
        windows = self.motion_from_video(video, face=face, crop=crop)
        return self.models.generator.style_of(
            torch.cat([window[0, :, :MOTION_DIM].float().cpu() for window in windows])
        )

    def animate_from_audio(
        self,
        portrait: Portrait | Picture,
        audio: Audio | Speech,
        controls: MotionControls | None = None,
        options: SamplingOptions | None = None,
        *,
        head_from: str | Path | DrivingClip | None = None,
        timings: Timings | None = None,
        **finishing: Unpack[Finishing],
    ) -> Animation:
        """Let a portrait speak.

        Args:
            portrait: a ``Portrait``, or a picture for ``encode_source``.
            audio: path, samples at 16 kHz, ``(sample_rate, samples)``, or ``Speech``; the video keeps its quality.
            controls: head pose, gaze and camera in degrees and canonical units; overrides ``head_from``.
            options: sampling; the preset's by default.
            head_from: a clip whose head motion and gaze are taken, repeated back and forth if it is shorter
                than the speech. Needs a preset whose motion has named channels ("tiny").
            finishing: ``paste_back``, ``label``, ``max_side``, ``bare``, see ``FinishOptions``

        Raises:
            InputError: unusable input; raised here, before anything is generated.
        """
        timings = timings or Timings()
        portrait = self._portrait(portrait, timings)
        speech = self._speech(audio, timings)
        options = options or self.preset.sampling
        recipe = self._recipe("audio", portrait, options, controls, speech=speech.recipe)
        remarks = sound_remarks(speech.waveform)
        if head_from is not None:
            self._check_named(head_from)
            clip = self.encode_driver(head_from, timings=timings)
            controls = self._head_of_clip(clip, speech.num_frames, controls, timings)
            recipe["head_from"] = clip.recipe
            remarks += clip.framing.remarks
        if controls is not None and self._motion_layout == "explicit":
            remarks += pose_remarks(controls, portrait.features.motion[0].float().cpu().numpy())
        windows = self.motion_from_audio(portrait, speech, controls, options, timings=timings)
        finish = FinishOptions(**finishing)
        total = speech.num_frames
        return self._animation(portrait, windows, total, recipe, timings, finish, speech.track, early_remarks=remarks)

    def animate_from_video(
        self,
        portrait: Portrait | Picture,
        video: str | Path | DrivingClip,
        *,
        face: int | None = None,
        crop: Crop | ClipFraming = "auto",
        relative: bool = False,
        parts: Part | Iterable[Part] = "all",
        keep_sound: bool = True,
        timings: Timings | None = None,
        **finishing: Unpack[Finishing],
    ) -> Animation:
        """Let a portrait move like the person in a clip; the clip's sound is kept.

        Args:
            video: the driving clip: a path, or the value of ``encode_driver``.
            face, crop: of a clip given as a path, see ``encode_driver``.
            relative: add the driver's change since the first frame to the portrait's own pose, instead of
                taking the driver's pose as it is. Keeps the portrait's framing. With named channels (tiny)
                this concerns head and camera only, else the whole motion latent.
            parts: what the driver moves: "all", or some of "expression" (lips and eyes), "lips", "eyes" (gaze, lids,
                brows), "head"; the rest stays as in the portrait. Other values than "all" need named channels.
            keep_sound: give the clip's sound to the finished video.

        Raises:
            InputError: unusable input.
        """
        timings = timings or Timings()
        portrait = self._portrait(portrait, timings)
        clip = self.encode_driver(video, face=face, crop=crop, timings=timings)
        windows = self.motion_from_video(clip, timings=timings)
        if relative:
            windows = relative_motion(windows, portrait.features.motion, self._motion_layout)
        taken = check_parts(parts)
        late_remarks: list[Remark] = []
        if self._motion_layout == "explicit" and "head" in taken:
            windows = within_reach(windows, portrait.features.motion, late_remarks)
        if taken != check_parts("all"):
            windows = self._only(windows, portrait, parts)
        recipe = self._recipe(
            "video", portrait, driving=clip.recipe, relative=relative, parts=sorted(taken), keep_sound=keep_sound
        )
        audio, offset = clip.track if keep_sound else None, clip.info.audio_offset
        finish = FinishOptions(**finishing)
        total = clip.num_frames
        remarks = clip.remarks, late_remarks
        return self._animation(portrait, windows, total, recipe, timings, finish, audio, offset, *remarks)

    def render_motion(
        self,
        portrait: Portrait | Picture,
        motion: MotionClip | Tensor | Iterable[Tensor],
        *,
        total: int | None = None,
        audio: Audio | AudioTrack | None = None,
        audio_offset: float = 0.0,
        timings: Timings | None = None,
        **finishing: Unpack[Finishing],
    ) -> Animation:
        """Apply motion made before to any portrait, at the cost of rendering.

        Args:
            motion: from ``load_motion`` or ``Animation.motion``, a tensor ``([1,] T, 32)`` or, with a
                body, wider (see ``check_motion``), or windows.
            total: frames, needed with windows only.
            audio: sound of the finished video.
            audio_offset: seconds by which it starts after the first frame.

        Raises:
            InputError: the motion was made with another preset.
        """
        timings = timings or Timings()
        portrait = self._portrait(portrait, timings)
        heard = {} if audio is None else {"speech": describe_file(audio), "audio_offset": audio_offset}
        recipe = self._recipe("motion", portrait, motion=describe_motion(motion), **heard)
        if isinstance(motion, MotionClip):
            self._check_motion(motion)
            motion = motion.motion
        windows: Iterable[Tensor] = motion
        if isinstance(motion, Tensor):
            windows = [check_motion(motion, "the motion")[None]]
            total = windows[0].shape[1]
        track = None if audio is None else as_track(audio)
        finish = FinishOptions(**finishing)
        return self._animation(portrait, iter(windows), total or 0, recipe, timings, finish, track, audio_offset)

    # ---- inside ----

    def _animation(
        self,
        portrait: Portrait,
        windows: Iterator[Tensor],
        total: int,
        recipe: dict,
        timings: Timings,
        options: FinishOptions,
        audio: AudioTrack | None = None,
        audio_offset: float = 0.0,
        early_remarks: tuple[Remark, ...] = (),
        late_remarks: list[Remark] | None = None,
    ) -> Animation:
        kept: list[Tensor] = []
        finisher = Finisher(portrait, portrait.size, options, timings)
        painter = Painter(self.models.renderer, portrait.features, portrait.size)
        squares = render_chunks(painter, record(windows, kept), total, self.batch_size, timings, self.workers)
        recipe |= finisher.recipe
        chunks = finisher.finish(squares)
        remarks = early_remarks, [] if late_remarks is None else late_remarks
        return Animation(chunks, total, finisher.size, recipe, timings, audio, audio_offset, *remarks, windows=kept)

    def _only(self, windows: Iterator[Tensor], portrait: Portrait, parts: Part | Iterable[Part]) -> Iterator[Tensor]:
        if self._motion_layout != "explicit":
            raise InputError(f"preset {self.preset.name!r} has no parts of a motion; use preset tiny, or parts all")
        still = portrait.features.motion.float().cpu()
        taken = tuple(check_parts(parts))
        return (combine(window.float().cpu(), still, taken).to(window) for window in windows)

    def _head_of_clip(
        self, clip: DrivingClip, total: int, controls: MotionControls | None, timings: Timings
    ) -> MotionControls:
        windows = self.motion_from_video(clip, timings=timings)
        frames = torch.cat([part[0].float().cpu() for part in take(windows, total)])
        return head_controls(frames[:total], total, controls)

    def _recipe(
        self,
        mode: Mode,
        portrait: Portrait,
        options: SamplingOptions | None = None,
        controls: MotionControls | None = None,
        **inputs: Any,
    ) -> dict[str, Any]:
        return make_recipe(
            self.models, self.precision, mode, portrait.recipe, options, controls, size=portrait.size, **inputs
        )

    def _check_named(self, clip: str | Path | DrivingClip) -> None:
        if self._motion_layout != "explicit":
            name = clip.path if isinstance(clip, DrivingClip) else clip
            raise InputError(
                f"preset {self.preset.name!r} has no readable head motion to take from {name}; "
                "use preset tiny, or give pose and gaze as a control file"
            )

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
        dtype: auto, float32, mixed, float16 or bfloat16; of the renderer, see ``resolve_precision``.
        progress: receives a line before every long step of the first use of "base".
        batch_size, size: see ``TalkingHeadPipeline``.

    Raises:
        InputError: unknown preset, device, type or size.
        WeightsError: weights missing, damaged, or not to be fetched.
    """
    where = resolve_device(device)
    precision = resolve_precision(dtype, where)
    return TalkingHeadPipeline(made_fast(load_models(preset_or_dir, progress), precision, where), batch_size, size)


def made_fast(models: Models, precision: str, device: torch.device) -> Models:
    """Networks read on the CPU, as they run: on a device, the renderer in one of ``imtalker.devices.DTYPES``; rewritten
    in place."""
    renderer = fuse(models.renderer).to(DTYPES[precision])  # fused in full precision, then rounded once
    if precision == MIXED:
        renderer = round_inside(renderer)
    return replace(
        models,
        renderer=renderer.to(device),
        generator=models.generator.to(device),
        audio_encoder=models.audio_encoder.to(device),
    )
