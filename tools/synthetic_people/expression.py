"""The project's mouth, eye and brow controls as the 52 face units of the 3D head, so one speech model drives both."""

from collections.abc import Mapping

# control -> face units per unit of the control (both sides where a name ends in "*")
_LINEAR: dict[str, dict[str, float]] = {
    "jaw": {"jawOpen": 1.35},
    "ulr": {"mouthUpperUp*": 1.35},
    "lld": {"mouthLowerDown*": 0.6},
    "wide": {"mouthSmile*": 0.62, "mouthStretch*": 0.6},
    "pucker": {"mouthPucker": 0.8},
    "funnel": {"mouthFunnel": 1.0},
    "tongue": {"tongueUp": 1.0},
    "smile": {"mouthSmile*": 0.75, "cheekSquint*": 0.5, "mouthDimple*": 0.12},
    "frown": {"mouthFrown*": 0.7},
    "brow_in": {"browInnerUp": 0.9},
    "brow_out": {"browOuterUp*": 0.7},
    "squint": {"eyeSquint*": 0.8},
    "blinkL": {"eyeBlinkLeft": 1.0},
    "blinkR": {"eyeBlinkRight": 1.0},
}
# lips pressed together, and lower lip under the upper teeth: reached exactly, whatever the vowel wants
_CLOSED = {
    "jawOpen": 0.06,
    "mouthClose": 0.10,
    "mouthPress*": 0.30,
    "mouthRollLower": 0.22,
    "mouthRollUpper": 0.15,
}
_LIP_TEETH = {
    "jawOpen": 0.09,
    "mouthClose": 0.04,
    "mouthRollLower": 0.7,
    "mouthUpperUp*": 0.22,
    "mouthShrugUpper": 0.1,
}
_OPENING = ("jawOpen", "mouthUpperUp*", "mouthLowerDown*", "mouthFunnel", "tongueUp")
LIP_TEETH_WEIGHT = 0.85


def face_units(controls: Mapping[str, float]) -> dict[str, float]:
    """Face units for controls named as in imtalker.train.puppet.controls; pose and gaze names are left out."""
    units: dict[str, float] = {}
    for control, shares in _LINEAR.items():
        value = controls.get(control, 0.0)
        for name, share in shares.items():
            units[name] = units.get(name, 0.0) + share * value
    for weight, target in (
        (LIP_TEETH_WEIGHT * controls.get("fv", 0.0), _LIP_TEETH),
        (controls.get("close", 0.0), _CLOSED),
    ):
        for name in {*_OPENING, *target}:
            units[name] = units.get(name, 0.0) * (1 - weight) + weight * target.get(name, 0.0)
    pairs = {name: value for name, value in units.items() if name.endswith("*")}
    single = {name: value for name, value in units.items() if not name.endswith("*")}
    for name, value in pairs.items():
        for side in ("Left", "Right"):
            single[name[:-1] + side] = single.get(name[:-1] + side, 0.0) + value
    return single
