import numpy as np
import pytest
import torch
from torch import nn

from imtalker.errors import InputError, WeightsError
from imtalker.evaluate.av_offset import UNKNOWN, av_offset, shift_sound
from imtalker.evaluate.face_metrics import aed, angular_error, apd, csim, finite_mean, gaze_direction, lip_distance
from imtalker.evaluate.image_metrics import FeatureNetwork, Lpips, frames_to_tensor, frechet_distance, psnr, ssim
from imtalker.evaluate.lip_sync import closure_rate, lip_sync
from imtalker.evaluate.phonemes import PhonemeTrack
from imtalker.evaluate.stability import (
    background_mask,
    frame_change,
    landmark_jitter,
    longest_freeze,
    value_range,
)
from imtalker.faces.canonical import canonical_face
from imtalker.faces.readings import HeadFrame


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# pictures


def test_psnr_of_known_errors():
    target = torch.full((3, 3, 16, 16), 0.5)
    result = target + torch.tensor([0.0, 0.1, 0.01])[:, None, None, None]
    values = psnr(result, target)
    assert np.isinf(values[0])
    assert values[1:] == pytest.approx([20, 40], abs=1e-3)  # 10 log10(1 / 0.1^2), 10 log10(1 / 0.01^2)


def test_ssim_of_equal_inverted_and_flat_pictures():
    picture = noise(1, 3, 32, 32)
    assert ssim(picture, picture) == pytest.approx([1], abs=1e-5)
    assert ssim(1 - picture, picture)[0] < -0.9
    # Flat pictures have no structure: only the luminance term (2ab + c) / (a^2 + b^2 + c) is left.
    a, b, c = 0.4, 0.6, 0.01**2
    expected = (2 * a * b + c) / (a * a + b * b + c)
    assert ssim(torch.full((1, 3, 32, 32), a), torch.full((1, 3, 32, 32), b)) == pytest.approx([expected], abs=1e-3)


def test_pictures_of_different_shape_are_refused():
    with pytest.raises(InputError, match="cannot be compared"):
        psnr(noise(1, 3, 8, 8), noise(1, 3, 16, 16))


def test_frames_to_tensor_averages_and_keeps_range():
    frames = np.zeros((2, 512, 512, 3), np.uint8)
    frames[:, ::2] = 255
    images = frames_to_tensor(frames)
    assert images.shape == (2, 3, 256, 256) and torch.allclose(images, torch.tensor(0.5), atol=1e-3)


def test_frechet_distance_of_gaussians():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(4000, 3))
    assert frechet_distance(samples, samples) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(samples, np.add(samples, [3, 0, 4])) == pytest.approx(25, rel=1e-6)  # |shift|^2
    # Scaling by k adds tr(C + k^2 C - 2 k C) = (k - 1)^2 tr C to the shift of the mean.
    expected = np.trace(np.cov(samples.T)) + (samples.mean(0) ** 2).sum()
    assert frechet_distance(samples, 2 * samples) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(InputError):
        frechet_distance(samples[:1], samples)


def save_random_alexnet(path):
    torch.manual_seed(0)
    shapes = {
        0: (64, 3, 11, 11),
        3: (192, 64, 5, 5),
        6: (384, 192, 3, 3),
        8: (256, 384, 3, 3),
        10: (256, 256, 3, 3),
    }
    state = {f"features.{i}.weight": torch.randn(*shape) * 0.05 for i, shape in shapes.items()}
    state |= {f"features.{i}.bias": torch.zeros(shape[0]) for i, shape in shapes.items()}
    torch.save(state, path)


def test_lpips_is_zero_for_equal_pictures_and_grows(tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        Lpips(tmp_path / "missing.pth")
    save_random_alexnet(tmp_path / "alexnet.pth")
    lpips = Lpips(tmp_path / "alexnet.pth")
    picture = noise(1, 3, 64, 64)
    distances = [lpips(picture, picture + step * noise(1, 3, 64, 64, seed=1))[0] for step in (0, 0.05, 0.2)]
    assert distances[0] == 0 and 0 < distances[1] < distances[2]
    result = torch.zeros_like(picture).requires_grad_()
    lpips.distance(result, picture).sum().backward()
    assert result.grad is not None and result.grad.isfinite().all() and result.grad.abs().max() > 0
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="not torchvision's AlexNet"):
        Lpips(tmp_path / "other.pth")


class StubFeatures(nn.Module):
    def forward(self, x, return_features: bool = False, rescale: bool = False, resize: bool = False):
        return x.float().flatten(1).mean(1, keepdim=True)


def test_feature_network_windows_clips(tmp_path):
    torch.jit.script(StubFeatures()).save(str(tmp_path / "stub.pt"))
    network = FeatureNetwork(tmp_path / "stub.pt")
    assert network.frames(torch.ones(5, 3, 8, 8)) == pytest.approx(np.full((5, 1), 255))
    assert network.clip(torch.ones(40, 3, 8, 8)).shape == (2, 1)
    with pytest.raises(InputError, match="at least 16 frames"):
        network.clip(torch.ones(15, 3, 8, 8))
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(WeightsError, match="not a TorchScript"):
        FeatureNetwork(tmp_path / "text.pt")


# faces


def test_csim_is_the_cosine():
    one = np.array([[1.0, 0], [0, 2], [-3, 0], [1, 1]])
    assert csim(one, np.array([2.0, 0])) == pytest.approx([1, 0, -1, np.sqrt(0.5)])


def test_expression_and_pose_distances():
    base = np.random.default_rng(0).random((4, 52))
    changed = base.copy()
    changed[:, 0] += 0.7  # the neutral coefficient does not count
    changed[:, 10] += 0.51
    assert aed(changed, base) == pytest.approx(np.full(4, 0.01))
    pose = np.zeros((2, 3))
    assert apd(np.add(pose, [3, -6, 0]), pose) == pytest.approx([3, 3])
    assert apd(np.add(pose, [359, 0, 0]), pose) == pytest.approx([1 / 3, 1 / 3])


def test_gaze_turns_with_the_head():
    ahead = gaze_direction(np.zeros((1, 3)), np.zeros((1, 2)))
    assert ahead == pytest.approx(np.array([[0, 0, 1]]))
    right, up = gaze_direction(np.array([[20, 0, 0], [0, 20, 0]]), np.zeros((2, 2)))
    assert right[0] > 0.3 and abs(right[1]) < 1e-9 and up[1] > 0.3 and abs(up[0]) < 1e-9
    # Eyes that turn back as far as the head turned look at the camera again; roll alone leaves that gaze.
    back = gaze_direction(np.array([[20.0, 0, 0], [0, 0, 30]]), np.array([[-20.0, 0], [0, 0]]))
    assert angular_error(back, np.repeat(ahead, 2, 0)) == pytest.approx([0, 0], abs=1e-5)
    assert angular_error(gaze_direction(np.zeros((1, 3)), np.array([[0, 7.5]])), ahead) == pytest.approx([7.5])


def test_lip_distance_counts_shape_only():
    points = np.concatenate([canonical_face().vertices, np.zeros((10, 3))])
    frame = HeadFrame(points, np.eye(3), 20)
    assert lip_distance(HeadFrame(np.add(points, [0.3, 0.1, 0]), np.eye(3), 35), frame) == pytest.approx(0)
    wider = points.copy()
    wider[61, 0] -= 0.4
    assert lip_distance(HeadFrame(wider, np.eye(3), 20), frame) == pytest.approx(0.4 * 10 * 2 * 39 / 40 / 40)


def test_finite_mean_leaves_gaps_out():
    assert finite_mean(np.array([1, np.nan, 3, np.inf])) == 2
    assert np.isnan(finite_mean(np.array([np.nan])))


# lips and sound


def speech(seconds=6.0, seed=0):
    """A random openness curve, 50 values a second, with closures where it reaches zero."""
    rng = np.random.default_rng(seed)
    curve = np.convolve(rng.random(int(seconds * 50) + 20), np.hanning(11) / 5, "same")[10:-10]
    closures = np.sort(rng.choice(np.arange(20, len(curve) - 20), 8, replace=False))
    for index in closures:
        curve[index - 3 : index + 4] = 0
    return PhonemeTrack(np.clip(curve, 0, 1), (closures + 0.5) / 50)


@pytest.mark.parametrize("offset", [-0.4, -0.08, 0.0, 0.2])
def test_lip_sync_finds_the_offset(offset):
    cues = speech()
    times = (np.arange(150) + 0.5) / 25
    opening = 1.3 * cues.openness_at(times - offset) + 0.2 * times  # a slow drift is not speech
    result = lip_sync(opening, cues, 25)
    assert result is not None
    assert result.offset == pytest.approx(offset, abs=0.015)
    assert result.correlation > 0.95 and result.confidence > 0.7
    assert result.curve.max() == result.correlation and len(result.curve) == len(result.offsets)


def test_lip_sync_has_no_confidence_in_unrelated_lips():
    result = lip_sync(speech(seed=5).openness_at((np.arange(150) + 0.5) / 25), speech(), 25)
    assert result is not None and result.confidence < 0.5


def test_lip_sync_says_nothing_without_speech_face_or_motion():
    cues = speech()
    assert lip_sync(np.full(150, np.nan), cues, 25) is None
    assert lip_sync(np.ones(150), cues, 25) is None
    assert lip_sync(np.random.default_rng(0).random(150), PhonemeTrack(np.zeros(300), np.zeros(0)), 25) is None


def sound_of(cues):
    """Noise as loud as the mouth is asked to be open, at 16 kHz."""
    noise = np.random.default_rng(0).normal(0, 0.1, 320 * len(cues.openness))
    return (noise * np.repeat(cues.openness, 320)).astype(np.float32)


def hear(waveform):
    """The other way: a recogniser that takes loudness for openness, and quiet moments for closures."""
    loud = np.sqrt((waveform.reshape(-1, 320) ** 2).mean(1)) / 0.1
    quiet = np.flatnonzero(np.convolve(loud < 0.02, np.ones(7), "same") == 7)
    inside = quiet[(quiet > 25) & (quiet < len(loud) - 25)]  # silence that fills a gap is no closure
    return PhonemeTrack(np.clip(loud, 0, 1), (inside + 0.5) / 50)


@pytest.mark.parametrize("frames", [-6, -2, 0, 5])
def test_a_recording_with_its_sound_moved_measures_so_and_scores_as_before(frames):
    cues = speech(12.0)
    opening = cues.openness_at((np.arange(300) + 0.5) / 25)
    sound = sound_of(cues)
    moved = shift_sound(sound, frames / 25)
    found = av_offset(opening, np.zeros(300), hear(moved), 25)
    assert found.trusted and found.seconds == pytest.approx(-frames / 25, abs=0.008)
    right = hear(shift_sound(moved, found.seconds))
    syncs = [lip_sync(opening, c, 25) for c in (right, hear(sound))]
    assert syncs[0] is not None and syncs[1] is not None
    assert syncs[0].correlation_as_is == pytest.approx(syncs[1].correlation_as_is, abs=0.06)
    assert closure_rate(opening, right, 25) == pytest.approx(closure_rate(opening, hear(sound), 25), abs=0.06)


def test_an_offset_that_cannot_be_told_is_none():
    wrong = [
        av_offset(speech(8, seed=i).openness_at((np.arange(200) + 0.5) / 25), np.zeros(200), speech(8, seed=i + 50), 25)
        for i in range(20)
    ]
    assert sum(offset.trusted for offset in wrong) <= 4
    assert all(offset.seconds == 0 for offset in wrong if not offset.trusted)
    cues = speech()
    for opening in (np.full(150, np.nan), np.ones(150), np.ones(40)):
        assert av_offset(opening, opening, cues, 25) is UNKNOWN
    moving = np.random.default_rng(0).random(150)
    assert av_offset(moving, moving, PhonemeTrack(np.zeros(0), np.zeros(0)), 25) is UNKNOWN


def test_the_width_of_the_mouth_tells_an_offset_too():
    spread = np.convolve(np.random.default_rng(2).normal(size=420), np.hanning(13), "same")[10:-10]
    cues = PhonemeTrack(np.full(400, 0.4), np.zeros(0), spread / np.abs(spread).max())
    width = 5 + cues.spread_at((np.arange(200) + 0.5) / 25 + 0.12)
    assert av_offset(np.zeros(200), width, cues, 25).seconds == pytest.approx(-0.12, abs=0.008)


def test_moving_a_sound_and_moving_it_back_loses_only_what_fell_off():
    sound = np.arange(1, 16001, dtype=np.float32)
    assert np.array_equal(shift_sound(sound, 0.0), sound)
    back = shift_sound(shift_sound(sound, 0.25), -0.25)
    assert np.array_equal(back[:12000], sound[:12000]) and not back[12000:].any()
    assert not shift_sound(sound, 2.0).any() and not shift_sound(sound, -2.0).any()


def test_closure_rate_counts_closed_lips():
    cues = speech()
    times = (np.arange(150) + 0.5) / 25
    opening = np.where(np.abs(times[:, None] - cues.closures).min(1) < 0.06, 0.02, 1.0)
    assert closure_rate(opening, cues, 25) == 1.0
    assert closure_rate(np.ones(150), cues, 25) == 0.0
    near_first = np.abs(times - cues.closures[0]) < 0.06
    assert closure_rate(np.where(near_first, 0.0, 1.0), cues, 25) == pytest.approx(1 / 8, abs=0.13)
    assert closure_rate(np.full(150, np.nan), cues, 25) is None


# stability


def test_frame_change_and_background():
    frame = np.zeros((100, 100, 3), np.uint8)
    brighter = frame + np.uint8(2)
    assert frame_change(brighter, frame) == 2 == frame_change(frame, brighter)
    outside = background_mask(np.array([40, 40, 60, 65]), (100, 100))
    assert not outside[50, 50] and not outside[95, 50] and outside[5, 5] and outside[50, 2]
    talking = frame.copy()
    talking[45:60, 45:55] = 200
    assert frame_change(talking, frame, outside) == 0 < frame_change(talking, frame)
    assert np.isnan(frame_change(frame, frame, np.zeros((100, 100), bool)))


def test_jitter_ignores_smooth_motion_and_measures_noise():
    rng = np.random.default_rng(0)
    face = rng.random((478, 2)) * 100
    face[263] = face[33] + [50, 0]
    time = np.arange(60)[:, None, None]
    path = face + 0.3 * time + 0.02 * time**2  # uniform acceleration
    assert landmark_jitter(path) == pytest.approx(0, abs=1e-6)
    # White noise of one pixel in x and y, less what the parabola follows: 1/3 of it in the middle of seven.
    noisy = path + rng.normal(size=path.shape)
    assert landmark_jitter(noisy) == pytest.approx(100 * np.sqrt(2 * (1 - 1 / 3)) / 50, rel=0.03)
    noisy[20] = np.nan
    assert np.isfinite(landmark_jitter(noisy))
    assert np.isnan(landmark_jitter(path[:5]))


def test_value_range_and_freeze():
    assert value_range(np.append(np.linspace(-10, 10, 101), np.nan)) == pytest.approx(18)
    moving = np.ones(40)
    assert longest_freeze(moving) == (0, 0) == longest_freeze(np.zeros(0))
    frozen = moving.copy()
    frozen[10:20] = 0
    assert longest_freeze(frozen) == (9, 12)  # averaging takes in one moving frame on each side
    frozen[10:20] = np.tile([0.05, 0.3], 5)  # as a codec lets a frozen picture ripple
    assert longest_freeze(frozen) == (10, 10)
    frozen[10:20] = 0
    frozen[14:16] = 1
    assert longest_freeze(frozen)[1] <= 6
    assert longest_freeze(np.full(20, 0.01)) == (0, 20)  # a clip that never moves at all
