"""What a person looks like besides the shape of the head: colours, cut, beard, make-up, resting expression."""

from dataclasses import dataclass

import numpy as np

from tools.synthetic_people.facial_hair import BrowShape
from tools.synthetic_people.geometry import Array
from tools.synthetic_people.hair import BALD, HairCut
from tools.synthetic_people.identity import Identity, TraitOverrides

# root and tip, linear RGB
HAIR_COLOURS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "black": ((0.010, 0.008, 0.007), (0.028, 0.021, 0.017)),
    "darkbrown": ((0.022, 0.013, 0.008), (0.06, 0.036, 0.022)),
    "brown": ((0.05, 0.028, 0.016), (0.13, 0.074, 0.042)),
    "auburn": ((0.06, 0.02, 0.01), (0.19, 0.066, 0.028)),
    "blond": ((0.17, 0.105, 0.05), (0.46, 0.32, 0.17)),
    "ash": ((0.10, 0.08, 0.06), (0.28, 0.235, 0.18)),
    "ginger": ((0.16, 0.055, 0.018), (0.38, 0.155, 0.06)),
    "grey": ((0.12, 0.12, 0.12), (0.34, 0.34, 0.34)),
    "white": ((0.36, 0.36, 0.35), (0.62, 0.62, 0.60)),
}
# outer and inner ring, linear RGB
IRIS_COLOURS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "brown": ((0.05, 0.022, 0.010), (0.11, 0.05, 0.02)),
    "dark": ((0.035, 0.016, 0.008), (0.07, 0.032, 0.016)),
    "hazel": ((0.11, 0.06, 0.022), (0.17, 0.105, 0.04)),
    "blue": ((0.085, 0.125, 0.165), (0.16, 0.205, 0.24)),
    "steel": ((0.05, 0.075, 0.11), (0.10, 0.14, 0.18)),
    "green": ((0.075, 0.10, 0.05), (0.15, 0.15, 0.07)),
    "grey": ((0.10, 0.115, 0.12), (0.19, 0.21, 0.22)),
}
# linear reflectance from deep to fair
SKIN_TONES = np.array(
    [
        [0.060, 0.029, 0.018],
        [0.105, 0.052, 0.031],
        [0.19, 0.100, 0.060],
        [0.29, 0.168, 0.105],
        [0.39, 0.245, 0.168],
        [0.47, 0.310, 0.228],
        [0.54, 0.372, 0.290],
    ]
)
LIPSTICKS = np.array([[0.38, 0.04, 0.06], [0.42, 0.11, 0.11], [0.30, 0.06, 0.10], [0.5, 0.16, 0.14]])
MALE_CUTS = {
    "buzz": 0.12,
    "crop": 0.25,
    "sidepart": 0.25,
    "slick": 0.12,
    "curly": 0.09,
    "afro": 0.05,
    BALD: 0.05,
    "long": 0.02,
    "fringe": 0.05,
}
FEMALE_CUTS = {
    "bob": 0.22,
    "long": 0.2,
    "longwavy": 0.22,
    "bun": 0.14,
    "crop": 0.04,
    "curly": 0.08,
    "afro": 0.04,
    "fringe": 0.03,
    "sidepart": 0.03,
}


@dataclass(frozen=True)
class Appearance:
    """Colours are linear RGB (3,)."""

    cut: HairCut
    hair_colour: str
    hair_root: Array
    hair_tip: Array
    brow: BrowShape
    skin_tone: Array
    fairness: float  # 0 deep .. 1 fair
    lip_colour: Array
    upper_lip: float  # height of the lip mask, scale
    lower_lip: float
    stubble: float
    beard: float  # length scale; 0 is none
    makeup: float
    lipstick: int
    freckles: float
    num_moles: int
    iris: str
    iris_shade: float
    pupil: float  # radius, fraction of the iris
    eye_seed: float
    teeth_tint: Array
    gloss: float
    oil: float
    resting: dict[str, float]  # face units of the neutral face

    @property
    def hair_mean(self) -> Array:
        return self.hair_root * 0.9 + self.hair_tip * 0.1

    @property
    def scalp_cover(self) -> float:
        """How much of the hair's colour the scalp takes."""
        return {BALD: 0.0, "buzz": 0.6}.get(self.cut.style, 0.96)


def _pick(rng: np.random.Generator, weights: dict[str, float]) -> str:
    share = np.array(list(weights.values()))
    return str(rng.choice(list(weights), p=share / share.sum()))


def sample_appearance(identity: Identity, seed: int, overrides: TraitOverrides) -> Appearance:
    """Draw from the seed. Every aspect has its own stream, so a wish changes only what it names."""

    def stream(number: int) -> np.random.Generator:
        return np.random.default_rng([seed, 1, number])

    male, old, adult = identity.male, identity.old, identity.child == 0
    dark = float(identity.ancestry[0] + identity.ancestry[1])
    rng = stream(0)
    style = _pick(rng, MALE_CUTS if male else FEMALE_CUTS)
    cut = HairCut(
        style=overrides.hair or style,
        part=float(rng.choice([-1, 1]) * rng.uniform(0.1, 0.45)),
        length=float(rng.uniform(0.8, 1.2)),
        volume=float(rng.uniform(0.7, 1.15)),
        seed=int(rng.integers(1 << 30)),
    )
    rng = stream(1)
    fair_share = 1 - dark
    colours = {
        "black": dark * 1.6 + 0.08,
        "darkbrown": 0.5 + 0.5 * dark,
        "brown": 0.9 * fair_share + 0.1,
        "auburn": 0.25 * fair_share + 0.03,
        "blond": 0.5 * fair_share + 0.01,
        "ash": 0.3 * fair_share + 0.01,
        "ginger": 0.12 * fair_share + 0.001,
    }
    hair_colour, turns_grey = _pick(rng, colours), rng.random() < old * 1.5
    grey = _pick(rng, {"grey": 2, "white": 1})
    if old > 0.38 and turns_grey:
        hair_colour = grey
    hair_colour = overrides.hair_colour or hair_colour
    shade = rng.uniform(0.8, 1.2) * (1 + rng.uniform(-0.04, 0.04, 3) * (hair_colour not in ("grey", "white")))
    root, tip = (np.array(c) * shade for c in HAIR_COLOURS[hair_colour])

    rng = stream(2)
    level = float(np.clip(identity.ancestry @ np.array([1.1, 4.0, 5.0]) + rng.normal(0, 0.55), 0, 6))
    tone = np.array([np.interp(level, range(7), SKIN_TONES[:, c]) for c in range(3)]) * rng.uniform(0.95, 1.05, 3)
    fair = level / 6
    deep_lip, fair_lip = np.array([0.80, 0.55, 0.58]), np.array([0.86, 0.53, 0.53])
    lip = tone * (deep_lip * (1 - fair) + fair_lip * fair) * rng.uniform(0.85, 1.12)
    lip = lip * (1 + np.array([0.0, 0.12, 0.08]) * rng.normal()) + np.array([0.02, 0, 0.005]) * fair
    freckled, freckles, moles = rng.random() < 0.3, rng.uniform(0.3, 0.8), int(rng.integers(0, 4))

    rng = stream(3)
    beard = float(rng.choice([0.1, 0.3, 0.7, 1.0], p=[0.32, 0.35, 0.19, 0.14]))
    length, grows = float(rng.uniform(0.45, 1.0)), rng.random() < 0.75
    if overrides.beard is not None:
        beard, grows, length = overrides.beard, overrides.beard >= 0.7, overrides.beard - 0.3
    if not male or not adult:
        beard, grows = 0.0, False
    makeup = float(rng.choice([0, 0.2, 0.4, 0.65], p=[0.3, 0.32, 0.25, 0.13]))
    lipstick = int(rng.integers(len(LIPSTICKS)))

    rng = stream(4)
    light_eyes = 0.9 * fair_share + 0.01
    irises = {"brown": 1.0, "dark": 1.0, "hazel": 0.5} | dict.fromkeys(("blue", "steel", "green", "grey"), light_eyes)
    iris = overrides.eye_colour or _pick(rng, irises)
    iris_shade, pupil, eye_seed = (
        float(rng.uniform(0.85, 1.15)),
        float(rng.uniform(0.3, 0.42)),
        float(rng.random() * 10),
    )

    rng = stream(5)
    brow = BrowShape(
        height=7.452 + float(rng.normal(0, 0.01)),
        arch=float(rng.uniform(0.03, 0.07)),
        thickness=float(rng.uniform(0.018, 0.028)) * (1.08 if male else 0.8),
        density=float(rng.uniform(0.75, 1.15)),
    )
    smile, squint, lift = rng.uniform(0.14, 0.34), rng.uniform(0, 0.14), rng.uniform(0.08, 0.32)
    uneven = rng.uniform(0.92, 1.08)
    resting = {
        "mouthSmileLeft": smile,
        "mouthSmileRight": smile * uneven,
        "cheekSquintLeft": smile * 0.5,
        "cheekSquintRight": smile * 0.5 * uneven,
        "eyeSquintLeft": squint,
        "eyeSquintRight": squint,
        "eyeWideLeft": 0.08,
        "eyeWideRight": 0.08,
        "browInnerUp": lift,
    }
    teeth = np.array([1.0, 0.96, 0.88]) * rng.uniform(0.85, 1.0) * (1 - 0.15 * old)
    return Appearance(
        cut=cut,
        hair_colour=hair_colour,
        hair_root=root,
        hair_tip=tip,
        brow=brow,
        skin_tone=tone,
        fairness=fair,
        lip_colour=lip,
        upper_lip=float(rng.uniform(1.0, 1.35)),
        lower_lip=float(rng.uniform(0.88, 1.12)),
        stubble=beard,
        beard=length if grows and beard >= 0.7 else 0.0,
        makeup=0.0 if male or not adult else makeup,
        lipstick=lipstick,
        freckles=freckles if freckled and fair > 0.5 else 0.0,
        num_moles=moles,
        iris=iris,
        iris_shade=iris_shade,
        pupil=pupil,
        eye_seed=eye_seed,
        teeth_tint=teeth,
        gloss=float(rng.uniform(0.65, 1.1)),
        oil=float(rng.uniform(0.1, 0.45)),
        resting={name: float(value) for name, value in resting.items()},
    )
