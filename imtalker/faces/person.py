"""Which pixels of a picture show a person, by a small network of our own (``imtalker.train.person_matte``)."""

import json
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from imtalker.errors import WeightsError
from imtalker.faces.person_network import PersonConfig, PersonNetwork

WEIGHTS = Path(__file__).parents[1] / "weights" / "tiny" / "person.safetensors"


@torch.no_grad()
def person_matte(image: np.ndarray) -> np.ndarray:
    """How surely each pixel shows a person: uint8 RGB (H,W,3) -> float32 (H,W) in [0,1].

    Made for heads and shoulders. The picture is looked at as a square of 160 pixels, as it is and mirrored: the mean of
    both answers is surer than either.

    Raises:
        WeightsError: the network's file is missing or damaged.
    """
    network = _network()
    side = network.config.side
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    picture = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
    plain, mirrored = network(torch.cat([picture, picture.flip(3)]))
    logits = ((plain + mirrored.flip(2)) / 2)[0].numpy()
    enlarged = cv2.resize(logits, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    return (np.tanh(enlarged / 2) + 1) / 2  # the logistic function, which cannot overflow so


def outline_distance(matte: np.ndarray) -> np.ndarray:
    """Distance of each pixel (H,W) from the outline of the person, pixels, below 0 inside."""
    person = (matte > 0.5).astype(np.uint8)
    return cv2.distanceTransform(1 - person, cv2.DIST_L2, 5) - cv2.distanceTransform(person, cv2.DIST_L2, 5)


@lru_cache(maxsize=1)
def _network() -> PersonNetwork:
    try:
        with safe_open(WEIGHTS, framework="pt") as file:
            sizes = json.loads(file.metadata()["config"])
            state = {name: file.get_tensor(name) for name in file.keys()}
        network = PersonNetwork(PersonConfig(sizes["side"], tuple(sizes["channels"])))
        counters = {name: value for name, value in network.state_dict().items() if name not in state and not value.ndim}
        network.load_state_dict({**counters, **state})
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsError(f"{WEIGHTS} is missing or damaged ({reason}); install imtalker again") from error
    return network.eval().requires_grad_(False)
