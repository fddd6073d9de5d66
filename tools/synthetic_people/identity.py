"""Who a synthetic person is: body type, age, ancestry mix and the sliders of the face, drawn from a seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tools.synthetic_people.geometry import Array
from tools.synthetic_people.head import Head

Gender = Literal["female", "male"]
ANCESTRIES = ("african", "asian", "caucasian")
# MakeHuman's average looks stern: eyes a little larger, mouth corners a little higher
SLIDER_MEANS = {"eye-scale": 0.16, "mouth-angles": 0.12, "head-oval": 0.15}


@dataclass(frozen=True)
class TraitOverrides:
    """What a caller fixes about a person; None leaves it to the seed."""

    gender: Gender | None = None
    ancestry: tuple[float, float, float] | None = None  # shares of ANCESTRIES
    age: float | None = None  # 0 young adult .. 1 old
    hair: str | None = None  # a key of hair.STYLES
    hair_colour: str | None = None  # a key of appearance.HAIR_COLOURS
    beard: float | None = None  # 0 shaved .. 0.4 stubble, from 0.7 a beard, longer with the value
    eye_colour: str | None = None  # a key of appearance.IRIS_COLOURS
    variation: float = 1.0  # scale of the face sliders; smaller is closer to the average face
    sliders: Mapping[str, float] = field(default_factory=dict)  # Head.sliders names -> -1..1


@dataclass(frozen=True)
class Identity:
    """Everything that shapes the mesh."""

    gender: float  # 0 female .. 1 male
    ancestry: Array  # (3,) shares of ANCESTRIES
    old: float  # 0..1
    child: float  # 0..1
    muscle: float
    weight: float
    details: dict[str, float]  # slider name -> -1..1

    @property
    def male(self) -> bool:
        return self.gender > 0.5

    def macro(self) -> dict[str, float]:
        """MakeHuman's macro targets: products of gender, age, ancestry, muscle and weight shares."""
        genders = {"female": 1 - self.gender, "male": self.gender}
        ages = {
            "child": self.child,
            "young": (1 - self.child) * (1 - self.old),
            "old": (1 - self.child) * self.old,
        }
        weights: dict[str, float] = {}
        for gender, share_g in genders.items():
            for age, share_a in ages.items():
                for ancestry, share_r in zip(ANCESTRIES, self.ancestry, strict=True):
                    weights[f"{ancestry}-{gender}-{age}"] = share_g * share_a * float(share_r)
                for muscle, share_m in _thirds(self.muscle).items():
                    for weight, share_w in _thirds(self.weight).items():
                        name = f"universal-{gender}-{age}-{muscle}muscle-{weight}weight"
                        weights[name] = share_g * share_a * share_m * share_w
        return weights


def _thirds(value: float) -> dict[str, float]:
    """Piecewise linear shares of min, average and max for a value in 0..1."""
    return {
        "min": max(0.0, 1 - 2 * value),
        "average": 1 - abs(2 * value - 1),
        "max": max(0.0, 2 * value - 1),
    }


def sample_identity(head: Head, rng: np.random.Generator, overrides: TraitOverrides) -> Identity:
    """Draw a person. The order of the draws is fixed, so a wish never changes what it does not name."""
    male = rng.random() < 0.5
    male_gender, female_gender = rng.uniform(0.75, 1.0), rng.uniform(0, 0.2)
    if overrides.gender is not None:
        male = overrides.gender == "male"
    ancestry = rng.dirichlet([0.45] * 3)
    if overrides.ancestry is not None:
        ancestry = np.array(overrides.ancestry) / sum(overrides.ancestry)
    old = float(np.clip(rng.beta(1.1, 2.6), 0, 0.8))
    is_child, child = rng.random() < 0.06, rng.uniform(0.3, 0.6)
    if overrides.age is not None:
        old, is_child = overrides.age, False
    muscle, weight = rng.uniform(0.35, 0.7), rng.uniform(0.25, 0.62)
    details: dict[str, float] = {}
    for name, ends in sorted(head.sliders.items()):
        used, value = rng.random() < 0.6, rng.normal(0, 0.16 if "ear" in name else 0.24)
        mean = SLIDER_MEANS.get(name, 0.0)
        if used or mean:
            value = float(np.clip(mean + value * used * overrides.variation, -0.6, 0.6))
            details[name] = abs(value) * 0.7 if len(ends) == 1 else value
    details.update(overrides.sliders)
    return Identity(
        gender=male_gender if male else female_gender,
        ancestry=ancestry,
        old=0.0 if is_child else old,
        child=child if is_child else 0.0,
        muscle=muscle,
        weight=weight,
        details=details,
    )
