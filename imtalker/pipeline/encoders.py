"""The inputs of a run for the networks: encoded portraits, driving clips, motion windows."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imtalker.config import SamplingOptions
from imtalker.faces.mesh import NUM_FACE
from imtalker.faces.motion_reading import SQUARE, read_portrait
from imtalker.generator.controls import MotionControls
from imtalker.media.audio import MAX_SECONDS, Audio
from imtalker.media.clip_framing import ClipFraming
from imtalker.media.crop import crop_and_resize
from imtalker.media.framing import Crop, Framing
from imtalker.media.image import WHITE
from imtalker.pipeline.inputs import DrivingClip, Picture, Portrait, SourceImage, Speech
from imtalker.pipeline.landmark_motion import clip_motion, square_landmarks
from imtalker.pipeline.rendering import default_batch_size, encode_clip, to_tensor, wide_picture
from imtalker.pipeline.timing import Timings
from imtalker.pipeline.workers import Workers
from imtalker.renderer.backdrop import Backdrop
from imtalker.renderer.eyes import Eyes
from imtalker.renderer.fuse import precision_of
from imtalker.renderer.landmark_guide import FaceGeometry
from imtalker.renderer.mouth_interior import MouthInterior, denture_of
from imtalker.renderer.painter import to_frames
from imtalker.weights.load import Models


class Encoders:
    """What the pipeline does with its inputs; arguments as ``TalkingHeadPipeline``."""

    def __init__(self, models: Models, batch_size: int | None = None, size: int | None = None):
        self.models = models
        self.preset = models.preset
        self.framing = Framing(self.preset.crop)
        self._like = next(models.renderer.parameters())
        self.device, self.dtype = self._like.device, self._like.dtype
        self.precision = precision_of(models.renderer)
        self.batch_size = batch_size or default_batch_size(self.device, models.renderer.config.output_size)
        self.size = models.renderer.check_size(size or models.renderer.config.sizes[-1])
        self.workers = Workers.for_device(self.device)

    # ---- inputs ----

    def encode_source(
        self,
        portrait: Picture | SourceImage,
        *,
        face: int | None = None,
        crop: Crop = "auto",
        background: tuple[int, int, int] = WHITE,
        size: int | None = None,
        timings: Timings | None = None,
    ) -> Portrait:
        """Find the face, cut the square, compute everything that depends on the portrait alone.

        Args:
            portrait: path, PIL image or array, see ``load_portrait``; or a ``SourceImage``, whose square is made
                already, then the next three do not count.
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
            source = portrait
            if not isinstance(source, SourceImage):
                source = SourceImage.read(source, self.framing, face, crop, background)
            square = crop_and_resize(source.image, source.box, renderer.config.input_size)
        with timings.measure("source_encoding"), torch.no_grad():
            wide = wide_picture(source.image, source.box, size, self._like) if renderer.config.pixel_gate else None
            geometry, mouth, eyes = self._face(source) or (None, None, None)
            backdrop = None if wide is None or geometry is None else self._backdrop(wide, geometry)
            motion = None if geometry is None else geometry.motion[None].to(self.dtype)
            pixels = to_tensor(square[None], self._like)
            features = renderer.encode_source(pixels, motion, wide, geometry, mouth, eyes, backdrop)
        return Portrait(source.image, source.box, source.recipe, features, size)

    def encode_driver(
        self,
        video: str | Path | DrivingClip,
        *,
        face: int | None = None,
        crop: Crop | ClipFraming = "auto",
        max_seconds: float = MAX_SECONDS,
        timings: Timings | None = None,
    ) -> DrivingClip:
        """Open, probe and crop a driving clip, once for any number of runs.

        The square keeps its place where the head does, else it follows slowly, see ``ClipFraming``.

        Args:
            video: path; a ``DrivingClip`` is given back as it is.
            face: which face of the clip, 0 the largest in its first picture that shows one.
            crop: "auto", a ``CropBox``, None for whole pictures, or what ``framing.clip`` found for this clip.
            max_seconds: a longer clip is refused.

        Raises:
            InputError: unusable clip or box; NoFaceError: no usable face in it.
        """
        if isinstance(video, DrivingClip):
            return video
        with (timings or Timings()).measure("crop"):
            return DrivingClip.read(video, self.framing, face, crop, max_seconds)

    # ---- motion ----

    def motion_from_audio(
        self,
        portrait: Portrait,
        audio: Audio | Speech,
        controls: MotionControls | None = None,
        options: SamplingOptions | None = None,
        *,
        timings: Timings | None = None,
    ) -> Iterator[Tensor]:
        """Motion windows ``(1, n, 32)`` for speech, at 25 frames per second.

        Raises:
            InputError: unusable speech, controls or options.
        """
        timings = timings or Timings()
        waveform = self._speech(audio, timings).waveform
        features = timings.iterate("audio_encoding", self.models.audio_encoder.encode_stream(waveform))
        windows = self.models.generator.generate(
            features, portrait.features.motion, controls, options or self.preset.sampling
        )
        return timings.iterate("motion_generation", windows)

    def motion_from_video(
        self,
        video: str | Path | DrivingClip,
        *,
        face: int | None = None,
        crop: Crop | ClipFraming = "auto",
        timings: Timings | None = None,
    ) -> Iterator[Tensor]:
        """Motion windows of a driving clip, resampled to 25 frames per second: ``(1, n, 32)``, or wider
        by the body (``imtalker.renderer.body_tracker``) where the preset's motion is read from landmarks.

        Where no face is seen the last pose is held. Arguments and errors as ``encode_driver``.
        """
        timings = timings or Timings()
        clip = self.encode_driver(video, face=face, crop=crop, timings=timings)
        return self._motion_of_clip(clip, timings)

    def _face(self, source: SourceImage) -> tuple[FaceGeometry, MouthInterior, Eyes] | None:
        """The portrait's landmarks, the motion read from them, its mouth and eyes; None: the networks do without."""
        basis = self.models.motion_basis
        points = None if basis is None else square_landmarks(source.image, source.box)
        if basis is None or points is None:
            return None
        geometry = FaceGeometry.of(points, read_portrait(points, basis), basis)
        square = crop_and_resize(source.image, source.box, SQUARE)
        mouth = MouthInterior.of(denture_of(square, points, geometry, basis), points, geometry, basis)
        eyes = Eyes.of(square, points, geometry)
        return geometry.to(self.device), mouth.to(self.device), eyes.to(self.device)

    def _backdrop(self, wide: tuple[Tensor, float], geometry: FaceGeometry) -> Backdrop | None:
        """What the person stands before in the portrait, see ``wide_picture``; None where nothing tells the two
        apart."""
        if (person_matte := self.models.person_matte) is None:
            return None
        picture = to_frames(wide[0])[0]
        face = geometry.landmarks[:NUM_FACE].cpu().numpy()
        backdrop = Backdrop.of(picture, wide[1], person_matte(picture), face)
        return None if backdrop is None else backdrop.to(self.device)

    def _motion_of_clip(self, clip: DrivingClip, timings: Timings) -> Iterator[Tensor]:
        seen = False
        if (basis := self.models.motion_basis) is not None:
            frames = clip_motion(clip.squares(SQUARE), basis, self.models.person_matte, timings)
            while group := list(islice(frames, self.batch_size)):
                seen = True
                yield self._as_motion(group)
        if not seen:
            yield from encode_clip(self.models.renderer, clip, self.batch_size, timings)

    def _as_motion(self, frames: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(frames)).to(self._like)[None]

    def _portrait(self, portrait: Portrait | Picture, timings: Timings) -> Portrait:
        return portrait if isinstance(portrait, Portrait) else self.encode_source(portrait, timings=timings)

    def _speech(self, audio: Audio | Speech, timings: Timings) -> Speech:
        if isinstance(audio, Speech):
            return audio
        with timings.measure("audio_encoding"):
            return Speech.read(audio)
