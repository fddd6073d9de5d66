"""How hair and shoulders of a driving clip move, beyond what goes with a head anyway: dense optical flow.

Every frame is brought in line with the clip's first one that shows a face: first as ``body.around_face`` says, from
there by DIS optical flow (Kroeger et al., 2016). What the flow adds is told in centimetres on a lattice round the
head, each node the mean of what is seen near it of the person, where both frames agree and there is something to see.
"""

from collections.abc import Callable

import cv2
import numpy as np
import torch

from imtalker.config import BODY_CELLS, BODY_DIM, MOTION_DIM
from imtalker.faces.motion_reading import SQUARE, HeadReading, MotionBasis
from imtalker.faces.smooth import smoothstep
from imtalker.renderer.body import BODY_REACH, CORE, around_face, head_place
from imtalker.renderer.face_outline import depth
from imtalker.renderer.landmark_guide import FaceGeometry
from imtalker.renderer.motion_transfer import remap
from imtalker.renderer.portrait_part import face_unit

SIDE = 256  # pixels, of the squares looked at
FARTHEST = 24.0  # pixels that the flow may add; more is an error of it
UNLIKE = 20.0  # levels by which frames brought in line differ, where they agree to a third (1 / e)
AGREEMENT = (0.2, 0.4)  # of all of the person: below it is another picture, after a cut, above it is followed fully
SEEN = 1.5  # pixels, deviation of what is compared
TEXTURE = 2.0  # pixels, deviation of the mean of the squared gradient
NEAR = 0.5  # of the way between nodes, deviation of what counts for each
SURE = 0.003  # mean gradient (levels / 255, Sobel) of the person that counts as much as a body that is still


class BodyTracker:
    """Feed it the squares of a clip in order; the first one with a face is where the body begins.

    Args:
        person_matte: picture -> where a person is in it, see ``PersonMatte``.
    """

    def __init__(self, person_matte: Callable[[np.ndarray], np.ndarray], basis: MotionBasis) -> None:
        self._person_matte = person_matte
        self._basis = basis
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._geometry: FaceGeometry | None = None  # of the first face
        self._key = np.zeros((SIDE, SIDE), np.uint8)
        self._person = np.zeros((SIDE, SIDE), np.float32)  # 1 on the person in the key frame
        self._body = np.zeros(BODY_DIM, np.float32)

    @torch.no_grad()
    def __call__(self, square: np.ndarray, points: np.ndarray | None, reading: HeadReading | None) -> np.ndarray:
        """Body ``(BODY_DIM,)``: where what is seen lies in the first frame, against where a usual body's would, cm.

        Args:
            square: uint8 RGB (512,512,3).
            points: the face's landmarks (478,3) in it, pixels, and what is read from them; None: no face is seen, and
                nothing moves.
        """
        if points is None or reading is None:
            return self._body
        grey = cv2.resize(cv2.cvtColor(square, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        motion = np.zeros(MOTION_DIM, np.float32)
        motion[: len(reading.motion)] = reading.motion
        if self._geometry is None:
            self._geometry = FaceGeometry.of(points, motion, self._basis)
            self._key = grey
            matte = cv2.resize(self._person_matte(square), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            self._person = (matte > 0.5).astype(np.float32)
            return self._body
        targets = torch.from_numpy((points[None, :, :2] / (SQUARE / 2) - 1).astype(np.float32))
        way, weights = self._beyond_usual(grey, torch.from_numpy(motion)[None], targets, self._geometry)
        self._body = lattice(way, weights, torch.from_numpy(motion)[None]).astype(np.float32).ravel()
        return self._body

    def _beyond_usual(
        self, grey: np.ndarray, motion: torch.Tensor, targets: torch.Tensor, geometry: FaceGeometry
    ) -> tuple[np.ndarray, np.ndarray]:
        """What flow adds to the coordinates of a usual body, ``(SIDE, SIDE, 2)`` pixels, and how far it counts."""
        usual = (around_face(motion, targets, geometry, SIDE)[0][0].numpy() + 1) * (SIDE / 2) - 0.5
        here = np.stack(np.meshgrid(*[np.arange(SIDE, dtype=np.float32)] * 2), -1)
        there = here + self._flow.calc(grey, self._key, (usual - here).astype(np.float32))
        way = there - usual
        unlike = cv2.GaussianBlur(cv2.absdiff(remap(self._key, there), grey).astype(np.float32), (0, 0), SEEN)
        outside = 1 - (depth(targets, SIDE)[0].numpy() / CORE).clip(0, 1)
        person = remap(self._person, there) * outside
        alike = np.exp(-((unlike / UNLIKE) ** 2))
        agreement = (person * alike).sum() / max(person.sum(), 1.0)
        known = person * alike * (np.hypot(*np.moveaxis(way, -1, 0)) < FARTHEST) * _texture(grey)
        return way * smoothstep(*AGREEMENT, agreement), known


def _texture(grey: np.ndarray) -> np.ndarray:
    """How much there is to see round each pixel."""
    x, y = (cv2.Sobel(grey, cv2.CV_32F, *order) / 255 for order in ((1, 0), (0, 1)))
    return np.sqrt(cv2.GaussianBlur(x * x + y * y, (0, 0), TEXTURE))


def lattice(way: np.ndarray, weights: np.ndarray, motion: torch.Tensor) -> np.ndarray:
    """Means ``(BODY_CELLS, BODY_CELLS, 2)`` in cm of ways ``(SIDE, SIDE, 2)`` in pixels, with weights, round the head
    of a motion ``(1, 32)``; what ``body.sway`` undoes."""
    unit = face_unit(motion).item() * (SIDE / 2)  # pixels in a centimetre
    place = (head_place(motion)[0].numpy() + 1) * (SIDE / 2) - 0.5
    nodes = np.linspace(-BODY_REACH, BODY_REACH, BODY_CELLS) * unit
    deviation = NEAR * (nodes[1] - nodes[0])
    pixels = np.arange(SIDE)
    x, y = (np.exp(-0.5 * ((pixels - (middle + nodes)[:, None]) / deviation) ** 2) for middle in place)
    area = 2 * np.pi * deviation**2
    # By torch, on as many threads as this one may use: NumPy's has a second one wait for more without resting.
    parts = torch.from_numpy(np.stack([weights, *(weights * way[..., i] for i in range(2))]).astype(x.dtype))
    total, *sums = (torch.from_numpy(y) @ parts @ torch.from_numpy(x).mT / area).numpy()
    return np.stack(sums, -1) / (total + SURE)[..., None] / unit
