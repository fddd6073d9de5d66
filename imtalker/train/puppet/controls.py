"""The puppet's controls and the distribution they are drawn from for training."""

from collections.abc import Mapping

import numpy as np

from imtalker.errors import InputError

Controls = Mapping[str, float]

# Absolute: 0 is the mean portrait. Degrees (yaw pitch roll gx gy); cm (tx ty, right and up); factor (scale: size of the
# head on the screen); -1..1 (mouth_x: lips to image right; smile_skew, brow_skew: more on image right); the rest 0..1.
DEFAULTS: dict[str, float] = {
    "yaw": 0.0, "pitch": 0.0, "roll": 0.0, "tx": 0.0, "ty": 0.0, "scale": 1.0,
    "jaw": 0.0, "close": 0.0, "ulr": 0.0, "lld": 0.0, "wide": 0.0, "smile": 0.0, "frown": 0.0, "pucker": 0.0,
    "funnel": 0.0, "press": 0.0, "fv": 0.0, "tongue": 0.0,
    "blinkL": 0.0, "blinkR": 0.0, "squint": 0.0, "eyewide": 0.0,
    "brow_in": 0.0, "brow_out": 0.0, "brow_down": 0.0, "puff": 0.0,
    "mouth_x": 0.0, "smile_skew": 0.0, "brow_skew": 0.0,
    "gx": 0.0, "gy": 0.0,
    "photo": 0.0,  # 1 adds the photo's own expression back
    # the still camera: zoom of the whole picture, and its shift right and up in image sides
    "zoom": 1.0, "view_x": 0.0, "view_y": 0.0,
}  # fmt: skip
CONTROL_NAMES = tuple(DEFAULTS)

EXPRESSION_NAMES = CONTROL_NAMES[CONTROL_NAMES.index("jaw") : CONTROL_NAMES.index("gx")]
_ODD_NAMES = ("yaw", "roll", "tx", "gx", "view_x", "mouth_x", "smile_skew", "brow_skew")  # change sign under a flip

MOUTH_NAMES = ("jaw", "ulr", "lld", "wide", "pucker", "funnel", "tongue")
# Targets of viseme classes in the order of MOUTH_NAMES. Opening and width of the lips are those that the speakers of
# five real clips reach (least squares over the phonemes' dominance): consonants of the tongue part them by 6 to 9 mm,
# open vowels by 8 to 14 mm, and rounding narrows the mouth by 4 to 13 mm. All in all the mouth is
# as wide as at rest, less .7 mm (the five clips, and 36 minutes of another speaker's landmarks).
VISEME_TARGETS: dict[str, tuple[float, ...]] = {
    "PAUSE": (0.12, 0.15, 0.25, 0.17, 0.00, 0.00, 0.0),
    "sil": (0.02, 0.00, 0.00, 0.00, 0.00, 0.00, 0.0),
    "PBM": (0.05, 0.00, 0.00, 0.00, 0.03, 0.00, 0.0),
    "FV": (0.07, 0.12, 0.00, 0.06, 0.00, 0.00, 0.0),
    "TH": (0.14, 0.20, 0.30, 0.14, 0.00, 0.00, 0.8),
    "TD": (0.10, 0.20, 0.28, 0.05, 0.00, 0.00, 0.7),
    "L": (0.15, 0.14, 0.21, 0.02, 0.00, 0.00, 0.9),
    "SZ": (0.05, 0.34, 0.53, 0.08, 0.00, 0.00, 0.3),
    "SH": (0.08, 0.37, 0.50, 0.00, 0.11, 0.11, 0.3),
    "KG": (0.19, 0.16, 0.28, 0.09, 0.00, 0.00, 0.2),
    "R": (0.05, 0.05, 0.08, 0.00, 0.21, 0.09, 0.3),
    "W": (0.06, 0.00, 0.07, 0.00, 0.51, 0.05, 0.0),
    "HH": (0.27, 0.15, 0.25, 0.41, 0.00, 0.00, 0.1),
    "Y": (0.10, 0.26, 0.37, 0.34, 0.00, 0.00, 0.4),
    "AA": (0.40, 0.06, 0.14, 0.48, 0.00, 0.00, 0.0),
    "AE": (0.38, 0.15, 0.24, 0.52, 0.00, 0.00, 0.0),
    "AH": (0.23, 0.06, 0.11, 0.10, 0.00, 0.00, 0.0),
    "AO": (0.27, 0.04, 0.08, 0.00, 0.18, 0.15, 0.0),
    "EH": (0.33, 0.18, 0.28, 0.48, 0.00, 0.00, 0.0),
    "ER": (0.14, 0.07, 0.13, 0.00, 0.11, 0.05, 0.2),
    "IH": (0.21, 0.19, 0.27, 0.21, 0.00, 0.00, 0.2),
    "IY": (0.16, 0.29, 0.38, 0.24, 0.00, 0.00, 0.4),
    "OW": (0.23, 0.00, 0.05, 0.00, 0.19, 0.09, 0.0),
    "UH": (0.20, 0.00, 0.12, 0.00, 0.20, 0.08, 0.0),
    "UW": (0.15, 0.00, 0.06, 0.00, 0.15, 0.03, 0.0),
}
_VISEMES = np.array(list(VISEME_TARGETS.values()))


def complete(controls: Controls) -> dict[str, float]:
    """Fill missing controls with their defaults; raises InputError on an unknown name."""
    unknown = set(controls) - set(DEFAULTS)
    if unknown:
        raise InputError(f"unknown puppet controls {sorted(unknown)}; known: {', '.join(CONTROL_NAMES)}")
    return {**DEFAULTS, **controls}


def mirror_controls(controls: Controls) -> dict[str, float]:
    """Controls of the horizontally flipped picture."""
    c = complete(controls)
    flipped = {name: -c[name] for name in _ODD_NAMES}
    return {**c, **flipped, "blinkL": c["blinkR"], "blinkR": c["blinkL"]}


def sample_mouth(rng: np.random.Generator) -> dict[str, float]:
    """Lips, jaw and tongue: visemes, pairs of them, closed lips, free combinations; a fifth is at rest or closed."""
    c: dict[str, float] = {}
    u = rng.random
    kind = u()
    if kind < 0.12:  # at rest
        c["jaw"] = float(rng.choice([0.0, 0.04 * u()]))
    elif kind < 0.22:  # exactly closed over any jaw position
        c.update(jaw=0.18 * u(), close=1.0)
        c.update(press=float(rng.choice([0.0, 0.45, u()])), pucker=float(rng.choice([0, 0, u()])))
    elif kind < 0.72:
        first, second = rng.integers(len(_VISEMES), size=2)
        mix, amplitude = u(), rng.uniform(0.7, 1.5)
        c.update(zip(MOUTH_NAMES, amplitude * ((1 - mix) * _VISEMES[first] + mix * _VISEMES[second]), strict=True))
        t = u()
        if t < 0.18:
            c["close"] = 1.0 if u() < 0.6 else u()
            c["press"] = 0.45 * c["close"]
        elif t < 0.28:
            c["fv"] = 1.0 if u() < 0.6 else u()
    else:
        c.update(
            jaw=float(rng.choice([0, 0.3 * u(), 0.6 * u()])),
            pucker=float(rng.choice([0, 0, u()])),
            funnel=float(rng.choice([0, 0, 0.5 * u()])),
            ulr=0.3 * u(), lld=0.4 * u(),
            tongue=float(rng.choice([0, u()])),
            close=float(rng.choice([0, 0, 0, 1.0])),
        )  # fmt: skip
        c["wide"] = float(rng.choice([0, 0, 0.7 * u()])) * (1 - c["pucker"])
    c["jaw"] = min(c["jaw"], 0.65)
    c["pucker"] = min(c.get("pucker", 0.0), 1.0)
    c["tongue"] = min(c.get("tongue", 0.0), 1.0)
    c["smile"] = float(np.clip(rng.normal(0.2, 0.35), 0, 1))
    c["frown"] = float(rng.choice([0, 0, 0, 0.5 * u()]))
    c["puff"] = float(rng.choice([0] * 9 + [u()]))
    c["mouth_x"] = float(rng.choice([0] * 7 + [rng.uniform(-1, 1)]))
    c["smile_skew"] = float(rng.choice([0] * 4 + [rng.uniform(-1, 1)]))
    return c


def sample_upper_face(rng: np.random.Generator) -> dict[str, float]:
    """Lids and brows."""
    u = rng.random
    c: dict[str, float] = {}
    blink = float(rng.choice([0, 0, u(), 1.0]))
    c["blinkL"] = c["blinkR"] = blink
    if u() < 0.06:
        c["blinkL" if u() < 0.5 else "blinkR"] = u()
    c["squint"] = float(rng.choice([0, 0, 0.7 * u()]))
    c["eyewide"] = float(rng.choice([0, 0, 0, 0.7 * u()]))
    c["brow_in"] = float(rng.choice([0, 0, 0.9 * u()]))
    c["brow_out"] = float(rng.choice([0, 0, 0.9 * u()]))
    c["brow_down"] = float(rng.choice([0, 0, 0.7 * u()]))
    c["brow_skew"] = float(rng.choice([0] * 5 + [rng.uniform(-1, 1)]))
    return c


def sample_expression(rng: np.random.Generator) -> dict[str, float]:
    """Mouth, lids and brows; every tenth face is exactly neutral."""
    if rng.random() < 0.1:
        return {}
    return {**sample_mouth(rng), **sample_upper_face(rng)}


def _turn(rng: np.random.Generator, own: float, spread: float, limit: float, reach: float) -> float:
    """An absolute angle within ``limit``, at most ``reach`` from the photo's own.

    Turning back past a photo that already looks aside uncovers skin the photo does not show: less reach there.
    """
    spare = max(abs(own) - 8.0, 0.0)
    low = own - reach + (spare if own > 0 else 0.0)
    high = own + reach - (spare if own < 0 else 0.0)
    return float(np.clip(rng.normal(0, spread), max(low, -limit), min(high, limit)))


def sample_view(rng: np.random.Generator) -> dict[str, float]:
    """A framing: the whole picture enlarged and shifted, so that hardly anything outside the photo is seen."""
    zoom = float(np.exp(rng.choice([0.0, rng.uniform(0, 0.22)])))
    slack = (zoom - 1) / 2 + 0.02
    return {"zoom": zoom, "view_x": rng.uniform(-slack, slack), "view_y": rng.uniform(-slack, slack)}


def sample_controls(rng: np.random.Generator, own: Controls | None = None) -> dict[str, float]:
    """Draw a full set of controls from the training distribution.

    own: the photo's own pose, place and view (``PuppetAsset.photo_pose``). The view is kept; the head's pose, place and
    size stay within what that photo can show.
    """
    own = complete(own or {})
    c = {**DEFAULTS, **sample_expression(rng), **{name: own[name] for name in ("zoom", "view_x", "view_y")}}
    c["yaw"] = _turn(rng, own["yaw"], 9, 24, 22)
    c["pitch"] = _turn(rng, own["pitch"], 6, 14, 13)
    c["roll"] = _turn(rng, own["roll"], 5, 13, 14)
    c["tx"] = own["tx"] + float(np.clip(rng.normal(0, 0.7), -1.8, 1.8))
    c["ty"] = own["ty"] + float(np.clip(rng.normal(0, 0.6), -1.5, 1.5))
    c["scale"] = own["scale"] * float(np.exp(np.clip(rng.normal(0, 0.04), -0.1, 0.1)))
    if rng.random() < 0.7:
        c["gx"], c["gy"] = rng.normal(0, 8), rng.normal(0, 4)
    else:  # looking at the camera
        c["gx"], c["gy"] = -0.8 * c["yaw"] + rng.normal(0, 3), -0.8 * c["pitch"] + rng.normal(0, 2)
    c["gx"], c["gy"] = float(np.clip(c["gx"], -20, 20)), float(np.clip(c["gy"], -11, 10))
    return c


def sample_nearby(rng: np.random.Generator, controls: Controls) -> dict[str, float]:
    """A new expression in almost the same pose and place, as in the next seconds of a video."""
    c = {**complete(controls), **{n: DEFAULTS[n] for n in EXPRESSION_NAMES}, **sample_expression(rng), "photo": 0.0}
    for name, spread in (("yaw", 2), ("pitch", 1.5), ("roll", 1), ("tx", 0.12), ("ty", 0.1), ("gx", 3), ("gy", 1.5)):
        c[name] += float(np.clip(rng.normal(), -2, 2)) * spread
    c["scale"] *= float(np.exp(0.01 * np.clip(rng.normal(), -2, 2)))
    return c
