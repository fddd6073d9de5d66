"""Which pixels of a picture show a person, by a small network of our own (``imtalker.train.person_matte``)."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from imtalker.faces.person_network import PersonNetwork


@dataclass(frozen=True, eq=False)
class PersonMatte:
    """A trained network, as a function of pictures."""

    network: PersonNetwork  # in evaluation mode, on the CPU

    @torch.no_grad()
    def __call__(self, image: np.ndarray) -> np.ndarray:
        """How surely each pixel shows a person: uint8 RGB (H,W,3) -> float32 (H,W) in [0,1].

        Made for heads and shoulders. The picture is looked at as a square of 160 pixels, as it is and mirrored: the
        mean of both answers is surer than either.
        """
        side = self.network.config.side
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        picture = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
        plain, mirrored = self.network(torch.cat([picture, picture.flip(3)]))
        logits = ((plain + mirrored.flip(2)) / 2)[0].numpy()
        enlarged = cv2.resize(logits, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
        return (np.tanh(enlarged / 2) + 1) / 2  # the logistic function, which cannot overflow so


def outline_distance(matte: np.ndarray) -> np.ndarray:
    """Distance of each pixel (H,W) from the outline of the person, pixels, below 0 inside."""
    person = (matte > 0.5).astype(np.uint8)
    return cv2.distanceTransform(1 - person, cv2.DIST_L2, 5) - cv2.distanceTransform(person, cv2.DIST_L2, 5)
