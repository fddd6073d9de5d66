"""Speech features and controls -> motion, window by window (paper 3.3): the iterator the pipeline consumes."""

from collections.abc import Iterable, Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from imtalker.config import GeneratorConfig, SamplingOptions
from imtalker.errors import InputError
from imtalker.generator.blinks import BlinkRate
from imtalker.generator.conditions import ConditionProjections, Conditions
from imtalker.generator.controls import ControlTracks, MotionControls
from imtalker.generator.explicit_head import ExplicitHead
from imtalker.generator.flow import apply_guidance, check_options, integrate, noise_windows, time_grid
from imtalker.generator.lip_closures import LipClosures, calm_lips
from imtalker.generator.motion_layout import HEAD_DIM
from imtalker.generator.motion_statistics import READOUT_NAMES, RESPONSE_GRID, amounts_to_ask, measured_style
from imtalker.generator.motion_style import HEAD_AMOUNTS, MIN_AMOUNT, STYLE_DIM, MotionStyle
from imtalker.generator.transformer import FlowMatchingTransformer
from imtalker.generator.window_borders import continue_motion


class MotionGenerator(nn.Module):
    """Flow-matching generator of motion latents ``(1, n, 32)`` at 25 frames per second.

    With statistics, buffers set by training say what a style is measured by (``motion_statistics.py``): ``typical
    (9,)``, the amounts that count as 1; ``readout (32, 4)``, readings of a motion; ``response (9, 5)``, the amounts
    measured when the network was given those of a grid.
    """

    typical: Tensor
    readout: Tensor
    response: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        explicit = config.motion_layout == "explicit"
        if config.statistics_dim and not (explicit and config.statistics_dim == HEAD_DIM + STYLE_DIM):
            raise InputError(
                f"statistics_dim is {config.statistics_dim} with a {config.motion_layout} motion layout; "
                f"statistics need the explicit layout and {HEAD_DIM + STYLE_DIM} numbers"
            )
        if config.hears_lips and not config.statistics_dim:
            raise InputError("hears_lips needs the readings of the motion that come with statistics_dim")
        self.config = config
        self.projections = ConditionProjections(config)
        self.transformer = FlowMatchingTransformer(config)
        if config.statistics_dim:
            self.register_buffer("typical", torch.ones(STYLE_DIM))
            self.register_buffer("readout", torch.zeros(config.motion_dim, len(READOUT_NAMES)))
            self.register_buffer("response", torch.tensor(RESPONSE_GRID).repeat(STYLE_DIM, 1))

    def forward(self, x_t: Tensor, t: Tensor, conditions: Conditions, context: Tensor, reference: Tensor) -> Tensor:
        """Velocity ``(B, W, 32)``: what training fits to ``motion - noise`` (eq. 11).

        Args:
            x_t: noisy motion of the window ``(B, W, 32)``, W = ``window_frames``.
            t: flow time ``(B,)`` in [0, 1].
            conditions: projected, of the context frames followed by the window's: ``(B, C + W, ...)``.
            context: motion before the window ``(B, C, 32)``; zeros where there is none.
            reference: the portrait's motion ``(B, 32)``.
        """
        return self.transformer(x_t, t, conditions.total(), context, reference, conditions.audio)

    def generate(
        self,
        audio_features: Tensor | Iterable[Tensor],
        reference_motion: Tensor,
        controls: MotionControls | ControlTracks | None = None,
        options: SamplingOptions | None = None,
    ) -> Iterator[Tensor]:
        """Motion of a clip, ``(1, n, 32)`` float32 per window of 50 frames; the last window may be shorter.

        A window is computed as soon as its own features have arrived; memory does not grow with the clip.

        Args:
            audio_features: ``(1, T, feature_dim)`` at 25 frames per second, or pieces of it in order.
            reference_motion: the portrait's motion ``(1, 32)``.
            controls: requested pose, gaze, camera and style; ``ControlTracks`` are taken in the preset's own units.
            options: steps, guidance, solver, seed and noise.

        Raises:
            InputError: options, controls or shapes that cannot be used, at the call; no frames, at the first.
        """
        options = options or SamplingOptions()
        controls = controls or MotionControls()
        check_options(options)
        if tuple(reference_motion.shape) != (1, self.config.motion_dim):
            raise InputError(
                f"the reference motion has the shape {tuple(reference_motion.shape)}; "
                f"give (1, {self.config.motion_dim})"
            )
        if self._style(controls) != MotionStyle() and not self.config.statistics_dim:
            raise InputError(
                "expressiveness and the other options of the style need a preset that was trained with them, "
                "such as tiny; leave them out"
            )
        pieces = [audio_features] if isinstance(audio_features, Tensor) else audio_features
        return self._generate(self._windows(pieces), reference_motion, controls, options)

    def style_of(self, motion: Tensor) -> MotionStyle:
        """The style of a motion ``(T, 32)``, such as a clip's, to be asked for in another.

        Raises:
            InputError: the preset has no styles, or the motion is shorter than two seconds.
        """
        if not self.config.statistics_dim:
            raise InputError("this preset has no styles to measure; use the tiny preset")
        return measured_style(motion.float(), self.readout.float().to(motion.device), self.typical.to(motion.device))

    @staticmethod
    def _style(controls: MotionControls | ControlTracks) -> MotionStyle:
        return controls.style if isinstance(controls, MotionControls) else MotionStyle()

    @property
    def _names_the_head(self) -> bool:
        return self.config.motion_layout == "explicit"

    def _windows(self, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        """Regroup pieces of audio features into windows, the last one as short as it is."""
        size = self.config.window_frames
        waiting: Tensor | None = None
        for piece in pieces:
            if piece.ndim != 3 or piece.shape[0] != 1 or piece.shape[2] != self.config.feature_dim:
                raise InputError(
                    f"audio features have the shape {tuple(piece.shape)}; give (1, T, {self.config.feature_dim})"
                )
            waiting = piece if waiting is None else torch.cat([waiting, piece], dim=1)
            while waiting.shape[1] >= size:
                yield waiting[:, :size]
                waiting = waiting[:, size:]
        if waiting is not None and waiting.shape[1]:
            yield waiting

    def _generate(
        self,
        windows: Iterator[Tensor],
        reference: Tensor,
        controls: MotionControls | ControlTracks,
        options: SamplingOptions,
    ) -> Iterator[Tensor]:
        first = next(windows, None)
        if first is None:
            raise InputError("the speech has no frames; give at least 40 ms")
        config = self.config
        weight = self.transformer.input_projection.weight
        reference = reference.to(weight.device, torch.float32)
        shape = (1, config.window_frames, config.motion_dim)
        noises = noise_windows(shape, options.seed, options.noise)
        context = reference.new_zeros(1, config.context_frames, config.motion_dim)
        head = self._plan_head(controls, reference)
        blinks = None
        if config.statistics_dim:
            blinks = BlinkRate(self.readout, self._style(controls).blinks, options.seed)
        lips = LipClosures(self.readout) if config.hears_lips else None
        before: Conditions | None = None
        start = 0
        for features, noise in zip(chain([first], windows), noises, strict=False):
            stop = start + features.shape[1]
            audio, heard = features[..., : config.audio_dim], features[..., config.audio_dim :]
            with torch.inference_mode():
                tracks = self._tracks(controls, start, stop, reference)
                inputs = tracks if head is None else head.conditions(tracks)
                if head is not None and head.statistics is not None:
                    inputs["statistics"] = head.statistics
                inputs = {name: value.to(weight) for name, value in {"audio": audio, **inputs}.items()}
                conditions = self.projections(**inputs).padded(config.window_frames)
                noise = noise if lips is None else calm_lips(noise)
                motion = self._sample(noise.to(reference), conditions, before, context, reference, options)
                if start and self._names_the_head:
                    motion = continue_motion(motion, context)
                if lips is not None:
                    motion = torch.cat([lips.apply(motion[:, : stop - start], heard), motion[:, stop - start :]], 1)
                before = conditions.last(config.context_frames)
                context = motion[:, -config.context_frames :]
                result = motion[:, : stop - start]
                if head is not None:
                    result = head.apply_head_targets(result, tracks)
                if blinks is not None:
                    result = blinks.apply(result)
            yield result
            start = stop

    def _tracks(
        self, controls: MotionControls | ControlTracks, start: int, stop: int, reference: Tensor
    ) -> dict[str, Tensor]:
        """Controls of the window as network inputs ``(1, n, d)``."""
        if isinstance(controls, MotionControls):
            tracks = controls.tracks(self.config, start, stop, reference[0].cpu().numpy())
        else:
            tracks = controls.window(start, stop)
        named = {"pose": tracks.pose, "camera": tracks.camera, "gaze": tracks.gaze}
        return {k: torch.from_numpy(v)[None].to(reference) for k, v in named.items() if v is not None}

    def _plan_head(self, controls: MotionControls | ControlTracks, reference: Tensor) -> ExplicitHead | None:
        """What is asked of the head over the whole clip, where the motion names it."""
        if not self._names_the_head:
            return None
        length = controls.num_frames
        tracks = self._tracks(controls, 0, length, reference)
        style = self._style(controls)
        if not self.config.statistics_dim:
            return ExplicitHead.plan(tracks, length, reference, None, None)
        smile = float(reference[0] @ self.readout[:, READOUT_NAMES.index("smile")].to(reference))
        asked = torch.tensor(style.amounts(smile))
        given, expected = amounts_to_ask(asked, self.response)
        scale = style.still * asked.clamp(min=MIN_AMOUNT) / expected
        return ExplicitHead.plan(tracks, length, reference, self.typical, scale[HEAD_AMOUNTS], given)

    def _sample(
        self,
        noise: Tensor,
        conditions: Conditions,
        before: Conditions | None,
        context: Tensor,
        reference: Tensor,
        options: SamplingOptions,
    ) -> Tensor:
        """Solve the flow of one window from ``noise (1, W, 32)`` with guidance; one network call per evaluation."""
        length = self.config.context_frames
        conditions = conditions.after(before, length)
        nulls, scales = self._guidance(conditions, options)
        # Guidance takes away a condition of the window only; the context keeps it, as in the official sampler.
        variants = [conditions.without(*n, start=length) for n in nulls] + [conditions]
        condition = torch.cat([v.total() for v in variants])
        speech = torch.cat([v.audio for v in variants])
        batch, dtype = len(variants), condition.dtype
        context, reference = (v.to(dtype).expand(batch, *v.shape[1:]) for v in (context, reference))

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            x = x.to(dtype).expand(batch, -1, -1)
            *nulled, conditional = self.transformer(x, t, condition, context, reference, speech).float().split(1)
            return apply_guidance(conditional, nulled, scales)

        return integrate(velocity, noise, time_grid(options.num_steps, options.solver), options.solver)

    @staticmethod
    def _guidance(conditions: Conditions, options: SamplingOptions) -> tuple[list[tuple[str, ...]], list[float]]:
        """Conditions to null and their scales; a scale of 1 or a condition that is absent costs nothing."""
        candidates = (
            (("audio",), options.guidance_scale),
            (("pose", "camera"), options.pose_guidance),
            (("gaze",), options.gaze_guidance),
        )
        active = [
            (names, scale)
            for names, scale in candidates
            if scale != 1 and any(getattr(conditions, name) is not None for name in names)
        ]
        return [names for names, _ in active], [scale for _, scale in active]
