"""A puppet's data: everything :func:`imtalker.train.puppet.render` needs, built once from one photo."""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from imtalker.errors import InputError
from imtalker.faces.denture import Denture, fit_denture
from imtalker.faces.eyeball import build_eye
from imtalker.faces.mesh import EYE_CORNERS, EYES, IRIS_L, IRIS_R, NUM_FACE
from imtalker.faces.motion_reading import MEAN_PIVOT, MEAN_SCALE, PIVOT, read_gaze
from imtalker.faces.neutral import remove_expression
from imtalker.faces.rigid import rotation_angles
from imtalker.train.puppet.geometry import TEXTURE_SIZE, Camera, fit_camera
from imtalker.train.puppet.matting import background_plate, refine_matte
from imtalker.train.puppet.rings import build_rings
from imtalker.train.puppet.topology import NEUTRAL_MODEL


@dataclass(frozen=True, eq=False)
class PuppetAsset:
    """One person. Texture px are those of the 512 px crop; cm are head-frame cm (see ``geometry``)."""

    texture: np.ndarray  # (512,512,4) uint8, foreground colour and matte
    plate: np.ndarray  # (512,512,3) uint8, background without the person
    eye_plates: np.ndarray  # (2,h,w,3) uint8, right eye first
    eye_origins: np.ndarray  # (2,2) texture px
    irises: np.ndarray  # (2,64,64,4) uint8
    iris_centres: np.ndarray  # (2,2) texture px
    iris_radii: np.ndarray  # (2,) texture px
    eye_corners: np.ndarray  # (2,2,3) cm: image-left and image-right corner of either eye
    teeth: np.ndarray  # (2,128,256,4) uint8 premultiplied, upper plate first
    uv: np.ndarray  # (756,2) texture px of every vertex
    photo: np.ndarray  # (756,3) cm, the face as in the photo
    neutral: np.ndarray  # (468,3) cm, expression removed, lips sealed
    head_weight: np.ndarray  # (288,)
    silhouette: np.ndarray  # (288,)
    falloff: np.ndarray  # (288,)
    camera_rotation: np.ndarray  # (3,3)
    camera_translation: np.ndarray  # (3,) cm
    camera_scale: float  # texture px per cm
    gaze: np.ndarray  # (2,) degrees in the head frame
    incisal_edge: float  # cm, height of the upper teeth's edge
    overbite: float  # cm, from it up to the lower row's edge when the jaw is closed
    tooth_scale: float
    mouth_light: float

    @property
    def camera(self) -> Camera:
        return Camera(self.camera_scale, self.camera_rotation, self.camera_translation)

    @property
    def denture(self) -> Denture:
        return Denture(
            self.teeth, self.mouth_centre, self.incisal_edge, self.overbite, self.tooth_scale, self.mouth_light
        )

    @property
    def pivot(self) -> np.ndarray:
        """(3,) centre of head rotation in the camera frame of the photo."""
        return self.camera_rotation @ PIVOT + self.camera_translation

    @property
    def mouth_centre(self) -> np.ndarray:
        return (self.neutral[13] + self.neutral[14]) / 2

    @cached_property
    def crown(self) -> np.ndarray:
        """(3,) px: centre and half width of the hair the photo's upper edge cuts off, and how high it goes on there.

        The height is that of a circle about as large as the head; all is 0 where nothing is cut.
        """
        cut = np.nonzero(self.texture[0, :, 3] >= 128)[0]
        if not len(cut):
            return np.zeros(3)
        centre, half = (cut[0] + cut[-1] + 1) / 2, (cut[-1] + 1 - cut[0]) / 2
        radius = max(9.0 * self.camera_scale, 1.15 * half)
        return np.array([centre, half, radius - np.sqrt(radius**2 - half**2)])

    def photo_pose(self, zoom: float = 1.0, view_x: float = 0.0, view_y: float = 0.0) -> dict[str, float]:
        """The photo's own pose, place, size and gaze as controls, seen by a camera with this zoom and shift."""
        yaw, pitch, roll = (float(angle) for angle in rotation_angles(self.camera_rotation))
        px_per_cm = self.camera_scale * zoom
        shift = np.array([view_x, view_y]) * TEXTURE_SIZE / px_per_cm
        tx, ty = self.pivot[:2] + shift - MEAN_PIVOT
        return {
            "yaw": yaw, "pitch": pitch, "roll": roll, "tx": float(tx), "ty": float(ty),
            "scale": px_per_cm / MEAN_SCALE, "gx": float(self.gaze[0]), "gy": float(self.gaze[1]),
            "zoom": zoom, "view_x": view_x, "view_y": view_y,
        }  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write a plain ``.npz`` (no pickle); about 2 MB."""
        with open(path, "wb") as file:
            arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> "PuppetAsset":
        """Raises InputError when the file is no puppet asset."""
        with np.load(path, allow_pickle=False) as data:
            missing = [f.name for f in fields(cls) if f.name not in data]
            if missing:
                raise InputError(f"{path} is no puppet asset: {', '.join(missing)} missing; build it again")
            arrays = {f.name: data[f.name] for f in fields(cls)}
        values: dict[str, Any] = {name: float(v) if v.ndim == 0 else v for name, v in arrays.items()}
        return cls(**values)


def _widen_lids(landmarks: np.ndarray) -> np.ndarray:
    """Move the lid points 1 px off the eyeball, so that the lids drag no white along when they close."""
    moved = landmarks.copy()
    arch = (1 - ((np.arange(1, 8) - 4) / 4.0) ** 2)[:, None]
    for upper, lower in EYES:
        up, low = list(upper[1:-1]), list(lower[1:-1])
        outward = landmarks[up, :2] - landmarks[low, :2]
        outward = outward / (np.linalg.norm(outward, axis=1, keepdims=True) + 1e-6) * arch
        moved[up, :2] += 1.3 * outward
        moved[low, :2] -= 0.6 * outward
    return moved


def build_asset(
    rgb: np.ndarray,
    landmarks: np.ndarray,
    person_mask: np.ndarray,
    *,
    plate: np.ndarray | None = None,
    exact_mask: bool = False,
    seed: int = 0,
) -> PuppetAsset:
    """Turn a face crop into a puppet; about 0.6 s.

    rgb: (512,512,3) uint8. landmarks: (478,3) px in that crop, z in px away from the camera (``landmarks.crop_face``).
    person_mask: (512,512) float 0..1. exact_mask: the mask is already the exact matte (a rendered person), use it as
    it is. plate: (512,512,3) uint8 background without the person, where known. seed: of the drawn teeth.
    Raises InputError on a wrong shape.
    """
    side = TEXTURE_SIZE
    if rgb.shape != (side, side, 3) or rgb.dtype != np.uint8:
        raise InputError(f"a puppet is built from a ({side},{side},3) uint8 crop, not {rgb.shape} {rgb.dtype}")
    if landmarks.shape != (478, 3) or person_mask.shape != (side, side):
        raise InputError(
            f"a puppet needs landmarks (478,3) and a mask ({side},{side}), "
            f"not {landmarks.shape} and {person_mask.shape}"
        )
    landmarks = _widen_lids(landmarks.astype(np.float64))
    camera, head = fit_camera(landmarks)
    neutral, _ = remove_expression(head[:NUM_FACE], NEUTRAL_MODEL)
    if exact_mask:
        alpha, colours = person_mask.astype(np.float32), rgb.astype(np.float32)
    else:
        alpha, colours = refine_matte(rgb, landmarks, person_mask)
    background = background_plate(rgb, alpha, person_mask) if plate is None else plate
    rings = build_rings(head, camera, alpha)
    photo = np.concatenate([head[:NUM_FACE], rings.vertices])
    uv = camera.project(camera.to_camera(photo))
    uv[:NUM_FACE] = landmarks[:NUM_FACE, :2]
    corners = np.array([[head[a], head[b]] for a, b in EYE_CORNERS])
    gaze = read_gaze(head)
    eyes = [build_eye(rgb, landmarks, EYES[i], (IRIS_R, IRIS_L)[i], camera.scale) for i in range(2)]
    height, width = np.max([e.plate.shape[:2] for e in eyes], 0)
    plates = [np.pad(e.plate, ((0, height - e.plate.shape[0]), (0, width - e.plate.shape[1]), (0, 0)), mode="edge")
              for e in eyes]  # fmt: skip

    def to_photo(points: np.ndarray) -> np.ndarray:
        return camera.project(camera.to_camera(points))

    rng = np.random.default_rng(seed)
    denture = fit_denture(
        rgb, landmarks, to_photo, neutral, head, seed=int(rng.integers(2**31)), shade=rng.random() * 1.2,
        edge=rng.uniform(-0.52, -0.26), overbite=rng.uniform(0.18, 0.26), scale=rng.uniform(0.92, 1.06),
    )  # fmt: skip

    def as_bytes(image: np.ndarray) -> np.ndarray:
        return np.clip(image + 0.5, 0, 255).astype(np.uint8)

    return PuppetAsset(
        texture=as_bytes(np.concatenate([colours, 255 * alpha[..., None]], -1)),
        plate=as_bytes(background),
        eye_plates=as_bytes(np.stack(plates)),
        eye_origins=np.stack([e.origin for e in eyes]),
        irises=as_bytes(np.stack([e.iris for e in eyes])),
        iris_centres=np.stack([e.centre for e in eyes]),
        iris_radii=np.array([e.radius for e in eyes]),
        eye_corners=corners,
        teeth=as_bytes(denture.plates),
        uv=uv.astype(np.float32),
        photo=photo,
        neutral=neutral,
        head_weight=rings.head_weight,
        silhouette=rings.silhouette,
        falloff=rings.falloff,
        camera_rotation=camera.rotation,
        camera_translation=camera.translation,
        camera_scale=camera.scale,
        gaze=gaze,
        incisal_edge=denture.upper_edge,
        overbite=denture.overbite,
        tooth_scale=denture.scale,
        mouth_light=denture.light,
    )
