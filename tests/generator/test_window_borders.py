"""Laws of the borders between windows: nothing jumps, and what was moved comes back."""

import torch

from imtalker.config import GeneratorConfig, SamplingOptions
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.generator.motion_layout import GAZE_CHANNELS, HEAD_CHANNELS
from imtalker.generator.window_borders import FACE_FADE_FRAMES, FADE_FRAMES, HURRY_FRAMES, continue_motion, fade

NAMED = slice(0, GAZE_CHANNELS.stop)


def smooth(num_frames: int, seed: int, pace: float = 1.0) -> torch.Tensor:
    """Slow motion (1, T, 32) of unit size."""
    time = pace * torch.arange(num_frames)[:, None] / 25
    phase = torch.rand(2, 1, 32, generator=torch.Generator().manual_seed(seed)) * 6.3
    return (torch.sin(2 * time + phase[0]) + torch.sin(3.1 * time + phase[1]))[None]


def test_the_fade_starts_full_ends_empty_and_only_falls() -> None:
    values = fade(10, 20)
    assert values[0] > 0.9 and (values[10:] == 0).all() and (values.diff() <= 0).all()


def test_place_and_speed_go_on_over_the_border() -> None:
    context, window = smooth(10, 1), smooth(50, 2) + 3
    moved = continue_motion(window, context)
    joined = torch.cat([context, moved], 1)[..., NAMED]
    inside = torch.cat([context.diff(dim=1), window.diff(dim=1)], 1)[..., NAMED]
    largest = inside.abs().amax(1) + 3.5 * 1.9 / FADE_FRAMES  # the fade of the offset moves too
    assert (joined.diff(dim=1).abs() <= largest[:, None]).all()
    bend = joined.diff(n=2, dim=1).abs()
    assert bend[:, 7:10].max() < 0.5  # the offset of 3 units without the law


def test_lips_and_head_come_back_to_their_own_way() -> None:
    context, window = smooth(10, 3), smooth(50, 4) + 1
    moved = continue_motion(window, context)
    face = slice(NAMED.stop, None)
    assert torch.equal(moved[:, FACE_FADE_FRAMES:, face], window[:, FACE_FADE_FRAMES:, face])
    apart, left = ((motion - context[:, -1:])[:, 0, face].abs().mean() for motion in (window, moved))
    assert left < 0.35 * apart
    assert torch.equal(moved[:, FADE_FRAMES:], window[:, FADE_FRAMES:])


def test_a_head_that_hurries_from_the_context_goes_at_its_later_pace() -> None:
    context, window = smooth(10, 6), smooth(50, 7)
    hurried = window.clone()
    hurried[:, :HURRY_FRAMES, NAMED] += torch.linspace(1, 0, HURRY_FRAMES + 1)[:-1, None] ** 2
    assert torch.equal(continue_motion(hurried, context)[..., NAMED], continue_motion(window, context)[..., NAMED])


def test_windows_too_short_to_tell_a_pace_go_on_too() -> None:
    context, window = smooth(10, 8), smooth(50, 9)[:, :6] + 1
    moved = continue_motion(window, context)
    apart, left = ((motion - context[:, -1:])[:, 0].abs().mean() for motion in (window, moved))
    assert moved.shape == window.shape and left < 0.35 * apart


def test_a_window_that_goes_on_by_itself_is_hardly_changed() -> None:
    whole = smooth(60, 5, pace=0.5)
    moved = continue_motion(whole[:, 10:], whole[:, :10])
    assert (moved - whole[:, 10:]).abs().max() < 0.15


def test_generated_heads_step_at_borders_as_anywhere() -> None:
    config = GeneratorConfig(
        audio_dim=8, condition_dim=16, hidden_dim=32, num_layers=2, num_heads=2, motion_layout="explicit"
    )
    torch.manual_seed(0)
    model = MotionGenerator(config).eval()
    # A trained network moves the head slowly; here slow noise does: the network's own velocity is nothing.
    torch.nn.init.zeros_(model.transformer.output_projection.weight)
    torch.nn.init.zeros_(model.transformer.output_projection.bias)
    audio = torch.randn(1, 300, 8, generator=torch.Generator().manual_seed(1))
    options = SamplingOptions(num_steps=1)
    motion = torch.cat(list(model.generate(audio, torch.zeros(1, 32), None, options)), 1)
    steps = motion.diff(dim=1)[0, :, HEAD_CHANNELS].abs()
    border = steps[49::50].mean()
    assert border < 1.3 * steps.mean()
