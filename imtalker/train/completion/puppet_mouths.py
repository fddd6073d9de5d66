"""Mouth patches of a puppet: a few poses of the head, each with several mouths in exactly the same pose."""

import numpy as np

from imtalker.dubbing.completion.mouth_patch import apply, cut_patch, inverse, patch_to_image
from imtalker.dubbing.mouth_space import mouth_space
from imtalker.dubbing.registration import register
from imtalker.faces.landmarks import FaceLandmarks
from imtalker.faces.mesh import NUM_FACE
from imtalker.faces.readings import head_frame, mouth_opening
from imtalker.train.completion.mouths import Mouths
from imtalker.train.puppet.asset import PuppetAsset
from imtalker.train.puppet.augment import draw_background
from imtalker.train.puppet.controls import (
    DEFAULTS,
    EXPRESSION_NAMES,
    sample_controls,
    sample_mouth,
    sample_nearby,
    sample_upper_face,
    sample_view,
)
from imtalker.train.puppet.motion_space import MotionSpace
from imtalker.train.puppet.render import RenderedFrame, express_asset, pose_vertices, render

POSES = 6
SPOKEN = 3  # mouths of speech in each pose, beside the one at rest and the one wide open
FRAME_SIZE = 256
NEARBY_SHARE = 0.6  # of the poses are near to one before
OWN_BACKGROUND = 0.5  # share of people before their photograph's own background


def puppet_mouths(
    asset: PuppetAsset, space: MotionSpace, rng: np.random.Generator, side: int, poses: int = POSES
) -> Mouths:
    """Frames of one puppet in some poses, patches of ``side`` pixels."""
    frames, groups = _sample_frames(rng, asset, poses)
    background = None if rng.random() < OWN_BACKGROUND else draw_background(rng)
    faces = express_asset(asset, frames)
    columns: dict[str, list] = {name: [] for name in ("patches", "landmarks", "turn", "pose", "opening")}
    for controls, face in zip(frames, faces, strict=True):
        frame = render(asset, controls, FRAME_SIZE, 2, background, face)
        points = _landmarks(asset, controls, face, frame)
        place = register(points)
        to_image = patch_to_image(place.to_image, place.turn, side)
        columns["patches"].append(cut_patch(frame.image, place.to_image, place.turn, side))
        columns["landmarks"].append(apply(inverse(to_image), points.points[mouth_space().landmarks, :2]))
        columns["turn"].append(place.turn)
        columns["pose"].append([place.yaw, place.pitch])
        columns["opening"].append(mouth_opening(head_frame(points.points)))
    arrays = {name: np.array(values) for name, values in columns.items()}
    arrays |= {name: array.astype(np.float32) for name, array in arrays.items() if name != "patches"}
    motion = space.encode_frames(asset, frames)
    return Mouths(motion=motion, group=np.array(groups, np.int32), apart=np.array(0, np.int32), **arrays)


def _sample_frames(
    rng: np.random.Generator, asset: PuppetAsset, poses: int
) -> tuple[list[dict[str, float]], list[int]]:
    own = asset.photo_pose(**sample_view(rng))
    heads: list[dict[str, float]] = []
    frames, groups = [], []
    for pose in range(poses):
        near = heads and rng.random() < NEARBY_SHARE
        head = sample_nearby(rng, heads[rng.integers(len(heads))]) if near else sample_controls(rng, own)
        head |= {name: DEFAULTS[name] for name in EXPRESSION_NAMES} | sample_upper_face(rng)
        heads.append(head)
        habits = {"smile": float(np.clip(rng.normal(0.1, 0.2), 0, 0.8))}
        rest = {"jaw": float(rng.choice([0.0, 0.05 * rng.random()])), **habits}
        wide = {"jaw": rng.uniform(0.25, 0.55), "ulr": rng.uniform(0, 0.3), "lld": rng.uniform(0, 0.4), **habits}
        wide["wide"] = float(rng.choice([0.0, rng.uniform(0, 0.5)]))
        for mouth in [rest, wide, *(sample_mouth(rng) for _ in range(SPOKEN))]:
            frames.append(head | mouth)
            groups.append(pose)
    return frames, groups


def _landmarks(asset: PuppetAsset, controls: dict[str, float], face: np.ndarray, frame: RenderedFrame) -> FaceLandmarks:
    """The exact landmarks of a rendered frame, depth on the picture's scale."""
    there = pose_vertices(asset, face, controls)[:NUM_FACE]
    screen = frame.geometry.screen[:NUM_FACE]
    scale = np.ptp(screen[:, 1]) / np.ptp(there[:, 1])
    return FaceLandmarks(np.column_stack([screen[:, :2] - 0.5, -scale * there[:, 2]]), np.zeros(0))
