"""Windows, streaming, seeds, guidance and controls of the motion generator, on a small random network."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from imtalker.config import GeneratorConfig, SamplingOptions
from imtalker.errors import InputError
from imtalker.generator.controls import ControlTracks, MotionControls
from imtalker.generator.explicit_head import EYE_LIMIT
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.generator.motion_layout import CAMERA_CHANNELS, HEAD_CHANNELS, camera_gaze
from imtalker.generator.motion_style import MotionStyle

LEARNED = GeneratorConfig(audio_dim=8, condition_dim=16, hidden_dim=32, num_layers=2, num_heads=2)
EXPLICIT = replace(LEARNED, motion_layout="explicit")
STATISTICS = replace(EXPLICIT, statistics_dim=15, speech_attention=True)
OPTIONS = SamplingOptions(num_steps=2)
REFERENCE = torch.randn(1, 32, generator=torch.Generator().manual_seed(5))


def network(config: GeneratorConfig = LEARNED) -> MotionGenerator:
    torch.manual_seed(0)
    return MotionGenerator(config).eval()


def features(num_frames: int) -> Tensor:
    return torch.randn(1, num_frames, 8, generator=torch.Generator().manual_seed(1))


def motion(model: MotionGenerator, audio: Tensor, controls=None, options: SamplingOptions = OPTIONS) -> Tensor:
    return torch.cat(list(model.generate(audio, REFERENCE, controls, options)), dim=1)


class Counter:
    """Batch sizes of the network's calls."""

    def __init__(self, model: MotionGenerator) -> None:
        self.batches: list[int] = []
        model.transformer.register_forward_pre_hook(lambda _, args: self.batches.append(args[0].shape[0]))


def test_windows_cover_the_clip_and_the_last_is_as_short_as_it_is() -> None:
    pieces = list(network().generate(features(128), REFERENCE, options=OPTIONS))
    assert [tuple(piece.shape) for piece in pieces] == [(1, 50, 32), (1, 50, 32), (1, 28, 32)]
    assert all(piece.dtype == torch.float32 and piece.isfinite().all() for piece in pieces)


def test_one_frame_is_enough() -> None:
    assert motion(network(), features(1)).shape == (1, 1, 32)


def test_the_same_seed_gives_the_same_motion_and_another_seed_another() -> None:
    model, audio = network(), features(60)
    first = motion(model, audio)
    assert torch.equal(first, motion(model, audio))
    assert not torch.allclose(first, motion(model, audio, options=replace(OPTIONS, seed=26)))


def test_streamed_features_give_the_same_motion() -> None:
    model, audio = network(), features(128)
    whole = motion(model, audio)
    pieces = audio.split([7, 90, 1, 30], dim=1)
    streamed = torch.cat(list(model.generate(iter(pieces), REFERENCE, options=OPTIONS)), dim=1)
    assert torch.equal(whole, streamed)


def test_a_window_comes_as_soon_as_its_own_features_have_arrived() -> None:
    taken = []

    def pieces() -> Iterator[Tensor]:
        for i, piece in enumerate(features(200).split(25, dim=1)):
            taken.append(i)
            yield piece

    next(network().generate(pieces(), REFERENCE, options=OPTIONS))
    assert taken == [0, 1]


def test_what_comes_later_does_not_change_what_came_before() -> None:
    model, audio = network(), features(120)
    assert torch.equal(motion(model, audio)[:, :100], motion(model, audio[:, :100]))


def test_the_context_carries_over_into_the_next_window() -> None:
    model, audio = network(), features(100)
    changed = audio.clone()
    changed[:, 45:50] += 1
    options = replace(OPTIONS, noise="repeat")
    second = motion(model, audio, options=options)[:, 50:]
    assert (second - motion(model, changed, options=options)[:, 50:]).abs().max() > 1e-4
    # With the same noise and the same features a window after context still differs from the first one.
    twice = motion(model, audio[:, :50].repeat(1, 2, 1), options=options)
    assert (twice[:, 50:] - twice[:, :50]).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("options", "batch"),
    [
        (SamplingOptions(num_steps=3, guidance_scale=1.0), 1),
        (SamplingOptions(num_steps=3), 2),
        (SamplingOptions(num_steps=3, pose_guidance=2.0, gaze_guidance=2.0), 4),
        (SamplingOptions(num_steps=3, guidance_scale=1.0, gaze_guidance=2.0), 2),
        (SamplingOptions(num_steps=4, solver="heun"), 2),
    ],
)
def test_one_call_per_evaluation_and_guidance_of_one_is_free(options: SamplingOptions, batch: int) -> None:
    model = network()
    counter = Counter(model)
    motion(model, features(50), MotionControls(yaw=10, gaze_x=5), options)
    assert counter.batches == [batch] * options.num_steps


def test_guidance_on_an_absent_condition_is_free_and_without_effect() -> None:
    model, audio = network(), features(50)
    plain = motion(model, audio)
    counter = Counter(model)
    guided = motion(model, audio, options=replace(OPTIONS, pose_guidance=3.0, gaze_guidance=3.0))
    assert torch.equal(plain, guided) and counter.batches == [2, 2]


@pytest.mark.parametrize("name", ["guidance_scale", "pose_guidance", "gaze_guidance"])
def test_each_guidance_has_an_effect_of_its_own(name: str) -> None:
    model, audio, controls = network(), features(50), MotionControls(yaw=10, gaze_x=5)
    base = motion(model, audio, controls)
    assert (motion(model, audio, controls, replace(OPTIONS, **{name: 4.0})) - base).abs().max() > 1e-4


@pytest.mark.parametrize("config", [LEARNED, EXPLICIT, STATISTICS])
def test_a_constant_control_is_a_track_of_that_value(config: GeneratorConfig) -> None:
    model, audio = network(config), features(70)
    assert motion(model, audio, MotionControls()).equal(motion(model, audio))
    constant = motion(model, audio, MotionControls(yaw=10, pitch=-5, gaze_y=3))
    track = motion(model, audio, MotionControls(yaw=[10.0] * 70, pitch=[-5.0], gaze_y=3))
    torch.testing.assert_close(constant, track)
    assert (constant - motion(model, audio)).abs().max() > 1e-4


def test_a_short_track_holds_its_last_value_or_is_padded_with_zeros_as_upstream() -> None:
    model, audio = network(), features(60)
    pose = torch.randn(30, 3, generator=torch.Generator().manual_seed(2)).numpy()
    held, zero = (ControlTracks(pose=pose, tail=tail) for tail in ("hold", "zero"))
    assert not torch.allclose(motion(model, audio, held), motion(model, audio, zero))
    assert held.window(0, 60).pose is not None and (held.window(0, 60).pose[30:] == pose[-1]).all()


def test_a_head_that_is_asked_to_be_still_is_still_and_the_default_style_is_no_style() -> None:
    model, audio = network(STATISTICS), features(60)
    still = motion(model, audio, MotionControls(style=MotionStyle(head=0)))
    torch.testing.assert_close(still[..., HEAD_CHANNELS], REFERENCE[:, None, HEAD_CHANNELS].expand(1, 60, 6))
    assert torch.equal(motion(model, audio), motion(model, audio, MotionControls(style=MotionStyle())))


def test_every_option_of_the_style_reaches_the_network() -> None:
    model, audio = network(STATISTICS), features(50)
    natural = motion(model, audio)
    for name in MotionStyle.names():
        value = 0.7 if name == "smile" else 40.0 if name == "blinks" else 1.6
        changed = motion(model, audio, MotionControls(style=MotionStyle(**{name: value})))
        assert not torch.allclose(changed, natural), name


@pytest.mark.parametrize("config", [EXPLICIT, STATISTICS])
def test_a_track_of_a_named_head_is_followed_exactly(config: GeneratorConfig) -> None:
    model, audio = network(config), features(70)
    yaw = (REFERENCE[0, 0] * 10 + 20 * torch.sin(torch.arange(70) / 8)).numpy()
    followed = motion(
        model, audio, MotionControls(yaw=yaw, pitch=float(REFERENCE[0, 1]) * 10 + 5, camera=[[1, 2, 3], [2, 3, 4]])
    )
    torch.testing.assert_close(followed[0, :, 0] * 10, torch.from_numpy(yaw))
    torch.testing.assert_close(followed[0, 1:, CAMERA_CHANNELS], torch.tensor([[2.0, 3, 4]]).expand(69, 3))
    # The pitch is constant, hence alive about its value; the roll is left alone.
    assert followed[0, :, 1].std() > 0.01 and followed[0, :, 2].std() > 0.01


def test_a_constant_moves_the_natural_motion_to_the_angle() -> None:
    model, audio = network(EXPLICIT), features(60)
    yaw, _, roll = (REFERENCE[0, :3] * 10).tolist()
    natural, turned = motion(model, audio), motion(model, audio, MotionControls(yaw=yaw + 15, roll=roll - 5))
    shift = turned[..., :3] - natural[..., :3]
    expected = torch.tensor([[1.5, 0, -0.5]])
    torch.testing.assert_close(shift, expected[:, None].expand_as(shift), atol=1e-5, rtol=1e-5)
    assert torch.equal(turned[..., 8:], natural[..., 8:])


def test_eyes_keep_their_target_while_the_head_is_turned_as_far_as_they_can() -> None:
    model, audio = network(EXPLICIT), features(60)
    natural = motion(model, audio)
    turned = motion(model, audio, MotionControls(yaw=float(REFERENCE[0, 0]) * 10 + 2))
    held = (natural[..., 6] - 0.2).abs() < natural[..., 6].abs().clamp(min=EYE_LIMIT) - 1e-4
    assert held.any()
    torch.testing.assert_close(camera_gaze(turned)[held], camera_gaze(natural)[held], atol=1e-5, rtol=1e-5)
    far = motion(model, audio, MotionControls(yaw=60))
    assert (far[..., 6].abs() <= natural[..., 6].abs().clamp(min=EYE_LIMIT) + 1e-6).all()


def test_a_style_needs_a_preset_trained_with_it() -> None:
    with pytest.raises(InputError, match="style"):
        network().generate(features(50), REFERENCE, MotionControls(style=MotionStyle(head=0.5)))
    with pytest.raises(InputError, match="styles"):
        network().style_of(torch.zeros(60, 32))


@pytest.mark.parametrize(
    ("audio", "reference"),
    [(torch.zeros(1, 5, 9), REFERENCE), (torch.zeros(2, 5, 8), REFERENCE), (torch.zeros(1, 5, 8), torch.zeros(32))],
)
def test_wrong_shapes_are_named(audio: Tensor, reference: Tensor) -> None:
    with pytest.raises(InputError, match="shape"):
        list(network().generate(audio, reference))


def test_bad_options_fail_at_the_call_and_no_frames_at_the_first() -> None:
    model = network()
    with pytest.raises(InputError, match="num_steps"):
        model.generate(features(50), REFERENCE, options=SamplingOptions(num_steps=0))
    with pytest.raises(InputError, match="no frames"):
        next(model.generate(features(50)[:, :0], REFERENCE))


def test_statistics_need_the_explicit_layout() -> None:
    with pytest.raises(InputError, match="statistics"):
        MotionGenerator(replace(LEARNED, statistics_dim=15))


def test_half_precision_follows_single_precision() -> None:
    model, audio = network(), features(60)
    single = motion(model, audio, MotionControls(yaw=10))
    half = motion(model.bfloat16(), audio, MotionControls(yaw=10))
    assert half.dtype == torch.float32
    assert (half - single).abs().max() < 0.05 * single.abs().max()
