"""The parts of Sync-C and Sync-D that can be tested without the public weights."""

import numpy as np
import pytest
import torch

from imtalker.errors import WeightsError
from imtalker.evaluate.syncnet import SyncNet, cepstra, cut_face, cut_faces, load_syncnet, score_features
from imtalker.faces.landmarks import find_faces
from tests.support.drawn_face import draw_face


def test_shift_of_features_is_found():
    sound = torch.randn(80, 16, generator=torch.Generator().manual_seed(0))
    score = score_features(torch.roll(sound, 3, 0), sound)
    assert score.shift == 3 and score.distance < 0.5 and score.confidence > 3
    unrelated = score_features(torch.randn(80, 16, generator=torch.Generator().manual_seed(1)), sound)
    assert unrelated.confidence < 0.5


def test_cepstra_of_a_tone():
    time = np.arange(16_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    features = cepstra(tone)
    assert features.shape == (99, 13)
    assert np.abs(features[10:90] - features[50]).max() < 0.5  # the same everywhere inside
    # Half the amplitude: a quarter of the energy; the shape of the spectrum stays.
    quiet = cepstra(tone / 2)
    assert features[50, 0] - quiet[50, 0] == pytest.approx(np.log(4), abs=1e-3)
    assert np.allclose(features[50, 1:], quiet[50, 1:], atol=0.05)
    assert np.isfinite(cepstra(np.zeros(800, np.float32))).all()


def test_towers_take_what_the_public_network_takes(tmp_path):
    torch.manual_seed(0)
    network = SyncNet().eval()
    with torch.inference_mode():
        assert network.lips(torch.zeros(1, 3, 5, 224, 224)).shape == (1, 1024)
        assert network.sound(torch.zeros(2, 1, 13, 20)).shape == (2, 1024)
    # Layers sit at the public network's places.
    names = set(network.state_dict())
    assert {"netcnnaud.18.weight", "netcnnlip.18.weight", "netfclip.3.bias", "netcnnlip.15.running_var"} <= names
    with pytest.raises(WeightsError, match="do not exist"):
        load_syncnet(tmp_path / "none.model")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.model")
    with pytest.raises(WeightsError, match="does not fit"):
        load_syncnet(tmp_path / "other.model")


def test_faces_are_cut_around_the_mouth():
    frame = draw_face()
    (face,) = find_faces(frame)
    picture = cut_face(frame, face)
    assert picture.shape == (224, 224, 3)
    pictures = cut_faces([frame, frame], [None, face])
    assert pictures is not None and np.array_equal(pictures[0], pictures[1])
    assert cut_faces([frame], [None]) is None
