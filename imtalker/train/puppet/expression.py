"""Controls -> displaced face, for one frame or many. Order of the steps matters: later ones see earlier ones."""

from collections.abc import Mapping

import numpy as np

from imtalker.faces.mesh import (
    BROW_L,
    BROW_R,
    EYE_L_LOWER,
    EYE_L_UPPER,
    EYE_R_LOWER,
    EYE_R_UPPER,
    LIP_INNER_LOWER,
    LIP_INNER_UPPER,
    LIP_OUTER_LOWER,
    LIP_OUTER_UPPER,
)
from imtalker.faces.neutral import jaw_displacement
from imtalker.train.puppet.topology import (
    BROW_HANDLES,
    BROW_OPERATOR,
    JAW_WEIGHT,
    LID_HANDLES,
    LID_OPERATOR,
    LIP_HANDLES,
    LIP_OPERATOR,
    MEAN_NEUTRAL,
    SMILE,
)

_MID = 1 - np.linspace(-1, 1, 11) ** 2  # 1 at the lips' middle, 0 at the corners
_LIP_LOOPS = (LIP_OUTER_UPPER, LIP_OUTER_LOWER, LIP_INNER_UPPER, LIP_INNER_LOWER)
_LIP_INDEX = {v: i for i, v in enumerate(LIP_HANDLES)}
_LOOP_COLUMNS = [np.array([_LIP_INDEX[v] for v in loop]) for loop in _LIP_LOOPS]
_LID_INDEX = {v: i for i, v in enumerate(LID_HANDLES)}
_BROW_INDEX = {v: i for i, v in enumerate(BROW_HANDLES)}


def _puff_field() -> np.ndarray:
    field = np.zeros((len(MEAN_NEUTRAL), 3))
    for centre in ((-3.9, -6.2, 0.6), (3.9, -6.2, 0.6)):
        g = np.exp(-((MEAN_NEUTRAL - centre) ** 2).sum(1) / (2 * 1.5**2))
        field[:, 0] += g * 0.5 * np.sign(centre[0])
        field[:, 2] += g * 0.5
    field[list(LIP_HANDLES)] *= 0.25
    return field


_PUFF = _puff_field()
_SIDE = np.tanh(MEAN_NEUTRAL[:, 0] / 1.5)  # -1 image left .. 1 image right


def _shape_lips(face: np.ndarray, c: Mapping[str, np.ndarray]) -> np.ndarray:
    """Lip handle displacements (T,40,3) of the lip shapes, before the jaw opens."""
    loops = [face[:, list(loop)] for loop in _LIP_LOOPS]
    centre_x = (loops[0][:, :1, 0] + loops[0][:, -1:, 0]) / 2
    centre_y = (loops[2][:, 5:6, 1] + loops[3][:, 5:6, 1]) / 2
    half_width = (loops[0][:, -1:, 0] - loops[0][:, :1, 0]) / 2
    protrude = np.minimum(c["pucker"] + 0.75 * c["funnel"], 1.2)
    raise_upper = 0.62 * c["ulr"] + 0.40 * c["funnel"]
    lower_lower = 0.70 * c["lld"] + 0.50 * c["funnel"]
    handles = np.zeros((len(face), 40, 3))
    for k, (loop, columns) in enumerate(zip(loops, _LOOP_COLUMNS, strict=True)):
        outer, upper = k < 2, k in (0, 2)
        x, y = loop[..., 0] - centre_x, loop[..., 1] - centre_y
        t = x / half_width
        dx = c["wide"] * 0.62 * t * np.abs(t) ** 0.5 - (0.15 * c["jaw"] + 0.40 * protrude) * x + 0.35 * c["mouth_x"]
        dy = -c["frown"] * 0.55 * np.abs(t) ** 2.5 - 0.05 * c["press"] * _MID
        dz = -c["wide"] * 0.35 * t**2 + protrude * (0.75 + 0.25 * _MID)
        if outer:
            sign = np.sign(y) * _MID
            dy = dy - c["wide"] * 0.10 * sign + protrude * 0.16 * sign - c["press"] * 0.42 * y * _MID**0.5
            dz = dz - c["press"] * 0.25 * _MID
        else:
            dz = dz - c["press"] * 0.2 * _MID
        reach = 0.85 * _MID if outer else _MID**0.8
        dy = dy + (raise_upper * reach if upper else -lower_lower * reach)
        handles[:, columns] = np.stack([dx, dy, dz], -1)
    return handles


def _close_lips(face: np.ndarray, c: Mapping[str, np.ndarray], incisal_edge: float) -> np.ndarray:
    """Lip handle displacements (T,40,3): closing (exact at close = 1, never crossing) and lip-to-teeth."""
    outer_upper, outer_lower, inner_upper, inner_lower = (columns[1:-1] for columns in _LOOP_COLUMNS)
    upper, lower = face[:, list(LIP_INNER_UPPER)[1:-1]], face[:, list(LIP_INNER_LOWER)[1:-1]]
    protrude = np.minimum(c["pucker"] + 0.4 * c["funnel"], 1.0)
    amount = 1 - (1 - c["close"]) * (1 - 0.55 * protrude)  # protruded lips close over the opening, too
    crossed = upper[..., 1] < lower[..., 1]
    amount = np.where(crossed, 1.0, amount)[..., None]
    meet = 0.28 * lower + 0.72 * upper
    handles = np.zeros((len(face), 40, 3))
    handles[:, inner_upper] = amount * (meet - upper)
    handles[:, inner_lower] = amount * (meet - lower)
    handles[:, outer_upper] = 0.6 * handles[:, inner_upper]
    handles[:, outer_lower] = 0.75 * handles[:, inner_lower]
    weight = c["fv"] * _MID[1:-1] ** 0.6
    target = np.minimum(incisal_edge + 0.18, upper[..., 1] - 0.06)
    rise = (target - lower[..., 1]) * weight
    handles[:, inner_upper, 1] += 0.10 * weight
    handles[:, outer_upper, 1] += 0.08 * weight
    handles[:, inner_lower, 1] += rise
    handles[:, inner_lower, 2] -= 0.25 * weight
    handles[:, outer_lower, 1] += 0.75 * rise
    handles[:, outer_lower, 2] -= 0.10 * weight
    return handles


def _move_lids(face: np.ndarray, c: Mapping[str, np.ndarray]) -> np.ndarray:
    """Lid handle displacements (T,28,3); the lids meet exactly at blink = 1."""
    handles = np.zeros((len(face), 28, 3))
    look_down = np.clip(-c["gy"] / 30, -0.35, 0.6)  # the upper lid follows the gaze
    arch = np.sqrt(1 - ((np.arange(1, 8) - 4) / 4.2) ** 2)
    for upper, lower, side in ((EYE_R_UPPER, EYE_R_LOWER, "blinkR"), (EYE_L_UPPER, EYE_L_LOWER, "blinkL")):
        blink = c[side]
        drop = blink + (1 - blink) * np.clip(look_down, 0, 1) * 0.75
        lift = blink * 0.14 + (1 - blink) * 0.30 * c["squint"]
        gap = face[:, list(upper)[1:-1]] - face[:, list(lower)[1:-1]]
        up = [_LID_INDEX[v] for v in upper[1:-1]]
        low = [_LID_INDEX[v] for v in lower[1:-1]]
        handles[:, up] = -0.86 * drop[..., None] * gap
        handles[:, up, 1] += (1 - blink) * arch * (0.22 * c["eyewide"] + 0.30 * np.maximum(-look_down, 0))
        handles[:, low] = lift[..., None] * gap
        handles[:, low, 1] -= (1 - blink) * arch * (0.08 * c["eyewide"] + 0.12 * np.clip(look_down, 0, 1))
    return handles


def _move_brows(c: Mapping[str, np.ndarray], num_frames: int) -> np.ndarray:
    """Brow handle displacements (T,20,3)."""
    handles = np.zeros((num_frames, 20, 3))
    inward = np.tile(np.arange(5) / 4, 2)  # 0 at the outer end, 1 at the inner
    for brow, sign in ((BROW_R, 1), (BROW_L, -1)):
        columns = [_BROW_INDEX[v] for v in brow]
        rise = c["brow_in"] * inward**1.2 + c["brow_out"] * (1 - inward) ** 0.8
        rise = rise * (1 - sign * c["brow_skew"])
        handles[:, columns, 1] = 0.75 * rise - 0.55 * c["brow_down"] * (0.45 + 0.55 * inward)
        handles[:, columns, 0] = sign * 0.22 * c["brow_down"] * inward
    return handles


def express(neutral: np.ndarray, controls: Mapping[str, np.ndarray], incisal_edge: float) -> np.ndarray:
    """Deform a neutral face.

    neutral: (468,3) head frame, cm, lips sealed. controls: every name of ``DEFAULTS`` as an array (T,).
    incisal_edge: height of the upper teeth's edge, cm. Returns (T,468,3).
    """
    c = {name: np.asarray(value, np.float64).reshape(-1, 1) for name, value in controls.items()}
    skew = 1 + c["smile_skew"] * _SIDE
    face = neutral + SMILE * (c["smile"] * skew)[..., None]
    face = face + LIP_OPERATOR @ _shape_lips(face, c)
    face = face + _PUFF * c["puff"][..., None]
    face = face + jaw_displacement(face, c["jaw"][:, 0]) * JAW_WEIGHT[:, None]
    face = face + LIP_OPERATOR @ _close_lips(face, c, incisal_edge)
    face = face + LID_OPERATOR @ _move_lids(face, c)
    return face + BROW_OPERATOR @ _move_brows(c, len(face))
