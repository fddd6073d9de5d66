"""What a person may ask of the motion: head pose, gaze, camera, style; and its form as conditions.

Angles are degrees, seen on the screen: yaw > 0 turns the nose to the right edge of the picture, pitch > 0 up,
roll > 0 tilts the head counter-clockwise; gaze_x > 0 looks to the right edge, gaze_y > 0 up. 0 faces the camera.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imtalker.config import GeneratorConfig
from imtalker.errors import InputError
from imtalker.faces.rigid import rotation_matrix, rotation_vector
from imtalker.generator.control_files import read_csv_columns, read_npz_columns
from imtalker.generator.motion_layout import ANGLE_UNIT, POSE_CHANNELS, camera_gaze
from imtalker.generator.motion_style import MotionStyle
from imtalker.media.remark import Remark

Curve = float | NDArray[np.float32] | None
FloatArray = NDArray[np.float32]

POSE_NAMES = ("yaw", "pitch", "roll")
GAZE_NAMES = ("gaze_x", "gaze_y")
CAMERA_COLUMNS = ("camera_scale", "camera_x", "camera_y")
COLUMNS = (*POSE_NAMES, *GAZE_NAMES, *CAMERA_COLUMNS)
LIMITS = {"yaw": 60.0, "pitch": 45.0, "roll": 45.0, "gaze_x": 60.0, "gaze_y": 60.0}  # degrees; beyond: a mistake
# Degrees from the portrait's own pose within which an explicit motion is drawn well; further out skin-coloured bubbles
# appear in hair and background, so what is asked for beyond is brought back.
REACH = {"yaw": 22.0, "pitch": 15.0, "roll": 8.0}
TOLERANCE = 0.5  # degrees beyond the reach that are not worth a remark
MAX_CAMERA = 1000.0


@dataclass(frozen=True, eq=False)
class ControlTracks:
    """Controls in the preset's own units, as the network takes them; each ``(T, d)`` float32 or None.

    Frames beyond a track's end hold its last value. The official code appends zeros instead, which the network
    reads as a pose, not as the absence of one; ``tail="zero"`` reproduces that.
    """

    pose: FloatArray | None = None  # (T, 3)
    camera: FloatArray | None = None  # (T, 3)
    gaze: FloatArray | None = None  # (T, 2)
    tail: Literal["hold", "zero"] = "hold"

    def __post_init__(self) -> None:
        if self.tail not in ("hold", "zero"):
            raise InputError(f"tail is {self.tail!r}; choose 'hold' or 'zero'")
        for name, width in (("pose", 3), ("camera", 3), ("gaze", 2)):
            value = getattr(self, name)
            if value is None:
                continue
            track = np.asarray(value, dtype=np.float32)
            if track.ndim != 2 or track.shape[1] != width or not len(track):
                raise InputError(f"the {name} track has the shape {track.shape}; give (frames, {width})")
            if not np.isfinite(track).all():
                raise InputError(f"the {name} track has values that are not finite; remove or repair them")
            object.__setattr__(self, name, track)

    @property
    def num_frames(self) -> int:
        """Length of the longest track, at least 1."""
        return max([1, *(len(track) for track in (self.pose, self.camera, self.gaze) if track is not None)])

    def window(self, start: int, stop: int) -> "ControlTracks":
        """Frames ``start`` to ``stop``, always of that length."""

        def cut(track: FloatArray | None) -> FloatArray | None:
            if track is None:
                return None
            frames = np.arange(start, stop)
            part = track[np.minimum(frames, len(track) - 1)]
            return np.where(frames[:, None] < len(track), part, 0) if self.tail == "zero" else part

        return ControlTracks(cut(self.pose), cut(self.camera), cut(self.gaze), self.tail)


@dataclass(frozen=True, eq=False)
class MotionControls:
    """Optional controls of the motion; None leaves a quantity to the network.

    ``yaw`` (-60..60), ``pitch``, ``roll`` (-45..45) and ``gaze_x``, ``gaze_y`` (-60..60) are degrees, ``camera`` three
    numbers in the preset's own units (scale and translation); each is constant or has one value per frame at
    25 frames per second, and a track shorter than the clip holds its last value. Where only some angles of the
    head (or of the gaze) are given, the others stay as in the portrait if the preset can tell, else 0.
    ``style`` says how lively the person is; another than the default needs a preset trained with styles. Where the
    motion names the head, a track of the head is followed exactly and a constant angle moves the natural motion
    there, both within ``REACH`` of the portrait's own pose; elsewhere they are conditions that the network follows as
    it learned.

    Raises:
        InputError: a value that is not finite, out of range or of the wrong shape.
    """

    yaw: Curve = None
    pitch: Curve = None
    roll: Curve = None
    gaze_x: Curve = None
    gaze_y: Curve = None
    camera: FloatArray | None = None  # (T, 3) or (3,)
    style: MotionStyle = field(default_factory=MotionStyle)

    def __post_init__(self) -> None:
        for name, limit in LIMITS.items():
            object.__setattr__(self, name, _checked_curve(name, getattr(self, name), limit, "degrees"))
        if self.camera is not None:
            camera = np.atleast_2d(_numbers("camera", self.camera, MAX_CAMERA, "units of the preset"))
            if camera.ndim != 2 or camera.shape[1] != 3:
                raise InputError(f"camera has the shape {camera.shape}; give (frames, 3)")
            object.__setattr__(self, "camera", camera)
        if not isinstance(self.style, MotionStyle):
            raise InputError(f"style is {self.style!r:.60}; give a MotionStyle")

    @classmethod
    def from_columns(cls, columns: Mapping[str, ArrayLike], source: str = "the controls") -> "MotionControls":
        """From named columns: any of yaw, pitch, roll, gaze_x, gaze_y, camera_scale, camera_x, camera_y."""
        unknown = sorted(set(columns) - set(COLUMNS))
        if unknown or not columns:
            found = f"unknown columns {', '.join(unknown)}" if unknown else "no columns"
            raise InputError(f"{source}: {found}; use any of {', '.join(COLUMNS)}")
        camera = [columns[name] for name in CAMERA_COLUMNS if name in columns]
        if camera and len(camera) < len(CAMERA_COLUMNS):
            raise InputError(f"{source}: the camera is incomplete; give {', '.join(CAMERA_COLUMNS)} together")
        angles = {name: columns[name] for name in LIMITS if name in columns}
        try:
            return cls(**angles, camera=np.stack(camera, axis=-1) if camera else None)  # pyright: ignore[reportArgumentType]
        except InputError as error:
            raise InputError(f"{source}: {error}") from error

    @classmethod
    def from_csv(cls, path: str | Path) -> "MotionControls":
        """From a text file: a header line with column names, then one line of numbers per frame."""
        return cls.from_columns(read_csv_columns(Path(path)), str(path))

    @classmethod
    def from_npz(cls, path: str | Path) -> "MotionControls":
        """From a NumPy archive with one array ``(T,)`` (or a single number) per column name."""
        return cls.from_columns(read_npz_columns(Path(path)), str(path))

    @classmethod
    def from_file(cls, path: str | Path) -> "MotionControls":
        """From a ``.csv`` or ``.npz`` file, see ``from_csv`` and ``from_npz``.

        Raises:
            InputError: another kind of file, or one that cannot be used.
        """
        readers = {".csv": cls.from_csv, ".npz": cls.from_npz}
        reader = readers.get(Path(path).suffix.lower())
        if reader is None:
            raise InputError(f"control file {path} is neither .csv nor .npz; save it as one of these")
        return reader(path)

    @property
    def is_neutral(self) -> bool:
        """True where nothing is asked for."""
        return self.style == MotionStyle() and all(
            getattr(self, f.name) is None for f in fields(self) if f.name != "style"
        )

    @property
    def num_frames(self) -> int:
        """Length of the longest track, 1 where all are constant."""
        values = [getattr(self, f.name) for f in fields(self)]
        return max([1, *(len(value) for value in values if isinstance(value, np.ndarray))])

    def window(self, start: int, stop: int) -> "MotionControls":
        """The controls of frames ``start`` to ``stop``; constants stay, tracks hold their last value."""
        frames = np.arange(start, stop)

        def cut(value: Curve | MotionStyle) -> Curve | MotionStyle:
            return value[np.minimum(frames, len(value) - 1)] if isinstance(value, np.ndarray) else value

        return MotionControls(**{f.name: cut(getattr(self, f.name)) for f in fields(self)})  # pyright: ignore

    def tracks(
        self, config: GeneratorConfig, start: int, stop: int, reference: FloatArray | None = None
    ) -> ControlTracks:
        """Frames ``start`` to ``stop`` in the units of a generator; ``reference (32,)`` is the portrait's motion.

        ``motion_layout="explicit"``: pose (yaw, pitch, roll) and gaze, both from the camera, per 10 degrees.
        ``"learned"`` (official): pose is SMIRK's global rotation as an axis-angle vector in radians, x to the
        right, y up, z to the viewer; gaze is L2CS's pair in radians, horizontal (positive to the left edge)
        then vertical. The official release states neither axes nor signs: these follow from the conventions of
        the two estimators and have not been checked against the trained weights.
        """
        explicit = config.motion_layout == "explicit"
        rest_pose = rest_gaze = np.zeros(3, np.float32)
        if explicit and reference is not None:
            rest_pose, rest_gaze = (part * ANGLE_UNIT for part in (reference[POSE_CHANNELS], camera_gaze(reference)))
        part = self.window(start, stop)
        pose = _columns([part.yaw, part.pitch, part.roll], rest_pose, stop - start)
        gaze = _columns([part.gaze_x, part.gaze_y], rest_gaze, stop - start)
        if pose is not None and explicit and reference is not None:
            reach = np.array([REACH[name] for name in POSE_NAMES], np.float32)
            pose = rest_pose + (pose - rest_pose).clip(-reach, reach)
        if pose is not None:
            pose = pose / ANGLE_UNIT if explicit else rotation_vectors(pose)
        if gaze is not None:
            gaze = gaze / ANGLE_UNIT if explicit else np.radians(gaze) * np.array([-1, 1], np.float32)
        return ControlTracks(pose, part.camera, gaze)


def pose_remarks(controls: MotionControls, reference: FloatArray) -> tuple[Remark, ...]:
    """What is said where a head is asked to turn further than an explicit motion reaches.

    Args:
        reference: the portrait's motion ``(32,)``.
    """
    remarks = []
    for rest, name in zip(reference[POSE_CHANNELS] * ANGLE_UNIT, POSE_NAMES, strict=True):
        asked = getattr(controls, name)
        if asked is None:
            continue
        low, high = float(rest) - REACH[name], float(rest) + REACH[name]
        if np.min(asked) < low - TOLERANCE or np.max(asked) > high + TOLERANCE:
            remarks.append(
                Remark(
                    "pose_limited",
                    f"{name} is kept within {low:.0f} to {high:.0f} degrees: this portrait's own is {rest:.0f}, and "
                    f"{REACH[name]:.0f} degrees from it are drawn well",
                )
            )
    return tuple(remarks)


def rotation_vectors(angles: FloatArray) -> FloatArray:
    """(yaw, pitch, roll) in degrees ``(T, 3)`` -> axis-angle vectors in radians ``(T, 3)``.

    The head turns by yaw, then pitches, then rolls, about axes fixed to the camera: x right, y up, z to the
    viewer. A right-handed turn about x lowers the nose, hence the sign of the pitch.
    """
    return rotation_vector(rotation_matrix(*angles.astype(np.float64).T)).astype(np.float32)


def _columns(curves: list[Curve], rest: FloatArray, length: int) -> FloatArray | None:
    """Curves side by side ``(length, n)``, missing ones at rest; None when all are missing."""
    if all(curve is None for curve in curves):
        return None
    values = [rest[i] if curve is None else curve for i, curve in enumerate(curves)]
    return np.stack([np.broadcast_to(np.asarray(v, np.float32), (length,)) for v in values], axis=1)


def _checked_curve(name: str, value: object, limit: float, unit: str) -> Curve:
    if value is None:
        return None
    numbers = _numbers(name, value, limit, unit)
    if numbers.ndim > 1:
        raise InputError(f"{name} has the shape {numbers.shape}; give one number or one per frame")
    return numbers if numbers.ndim else float(numbers)


def _numbers(name: str, value: object, limit: float, unit: str) -> FloatArray:
    try:
        with np.errstate(over="ignore"):  # infinite then, which is refused below
            numbers = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name} is {value!r:.60}; give numbers") from error
    if not numbers.size:
        raise InputError(f"{name} has no values; give one number or one per frame")
    if not np.isfinite(numbers).all():
        raise InputError(f"{name} has values that are not finite; remove or repair them")
    worst = float(numbers.flat[np.abs(numbers).argmax()])
    if abs(worst) > limit:
        raise InputError(f"{name} is {worst:g}; give values within {limit:g} {unit}")
    return numbers
