"""A driver's head is followed as far as a single picture can be turned, and no further."""

import pytest
import torch

from imtalker.generator.head_transfer import TURNED, TURNS, within_reach
from imtalker.generator.motion_layout import ANGLE_UNIT
from imtalker.media.remark import Remark


def turned(yaw: float, pitch: float, own: float = 0.0, remarks: list[Remark] | None = None) -> torch.Tensor:
    """Yaw and pitch (2,) in degrees of a driver's frame as it is shown on a portrait that is turned by ``own``."""
    motion = torch.randn(1, 1, 32, generator=torch.Generator().manual_seed(0))
    motion[..., TURNED] = torch.tensor([yaw, pitch]) / ANGLE_UNIT
    portrait = torch.zeros(1, 32)
    portrait[:, 0] = own / ANGLE_UNIT
    (shown,) = within_reach(iter([motion]), portrait, [] if remarks is None else remarks)
    torch.testing.assert_close(shown[..., TURNED.stop :], motion[..., TURNED.stop :])
    return shown[0, 0, TURNED] * ANGLE_UNIT


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (-23, 14), (24, -15)])
def test_a_head_within_reach_is_followed(yaw: float, pitch: float) -> None:
    torch.testing.assert_close(turned(yaw, pitch), torch.tensor([yaw, pitch], dtype=torch.float32))


def test_a_head_far_turned_is_followed_ever_less() -> None:
    shown = torch.stack([turned(angle, -angle) for angle in (25.0, 35.0, 60.0, 90.0)])
    steps = shown.diff(dim=0)
    assert (steps[:, 0] >= 0).all() and (steps[:, 1] <= 0).all()
    assert shown[:, 0].max() <= TURNS[0][1] + 1e-3 and shown[:, 1].min() >= -TURNS[1][1] - 1e-3


def test_reach_is_counted_from_the_portraits_own_pose() -> None:
    assert turned(44.0, 0.0, own=20.0)[0] == pytest.approx(44.0, abs=1e-3)
    assert turned(-30.0, 0.0, own=20.0)[0] > -16.0


@pytest.mark.parametrize(
    ("yaw", "pitch", "own", "words"),
    [
        (24, -15, 0, None),
        (44, 0, 20, None),
        (-38, 0, 0, "by 38 degrees to the side (followed to 24, never beyond 34)"),
        (5, -25, 0, "by 25 degrees up or down (followed to 15, never beyond 22)"),
        (0, 20, 30, "by 30 degrees to the side (followed to 24, never beyond 34) and 20 degrees up or down"),
    ],
)
def test_a_head_that_is_not_followed_is_remarked_on(yaw: float, pitch: float, own: float, words: str | None) -> None:
    remarks: list[Remark] = []
    turned(yaw, pitch, own, remarks)
    assert [remark.code for remark in remarks] == ["turn_limited"] * (words is not None)
    assert words is None or words in remarks[0].words


def test_the_remark_tells_the_furthest_turn_so_far_and_comes_once() -> None:
    motion = torch.zeros(4, 1, 3, 32)
    motion[:, 0, 1, 0] = torch.tensor([0.0, 30.0, 40.0, -35.0]) / ANGLE_UNIT
    remarks: list[Remark] = []
    found = [str(*remarks) for _ in within_reach(iter(motion), torch.zeros(1, 32), remarks)]
    assert found[0] == "" and "30 degrees" in found[1] and "40 degrees" in found[2] and found[3] == found[2]
