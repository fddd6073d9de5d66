"""Weight files: what is saved comes back, and nothing that does not fit or is damaged is loaded."""

import errno
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from imtalker.errors import InputError, OutputError, WeightsError
from imtalker.faces.person_network import PersonConfig, PersonNetwork
from imtalker.weights import file as weight_file
from imtalker.weights.file import (
    FORMAT,
    checksum,
    file_sha256,
    load_module,
    load_weights,
    read_metadata,
    read_weights,
    save_weights,
)
from imtalker.weights.load import MOTION_BASIS, PERSON, bundled_basis, describe_weights, load_models
from imtalker.weights.presets import get_preset
from tests.support.standin import save_small_models, small_models


@dataclass(frozen=True)
class Config:
    width: int = 3
    kind: str = "plain"
    sizes: tuple[int, ...] = (1, 2)
    scale: float | None = None


class Network(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.first = nn.Linear(2, config.width)
        self.norm = nn.BatchNorm1d(config.width)
        self.second = nn.Linear(config.width, 2)


CONFIG = Config(width=4, sizes=(5, 6), scale=2)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Network, Path]:
    torch.manual_seed(1)
    network = Network(CONFIG)
    save_weights(network, CONFIG, tmp_path / "network.safetensors", author="nobody")
    return network, tmp_path / "network.safetensors"


def same(a: nn.Module, b: nn.Module, tolerance: float = 0.0) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(x.dtype == y.dtype and torch.allclose(x, y, rtol=0, atol=tolerance) for x, y in pairs)


def test_network_and_configuration_come_back(saved: tuple[Network, Path]) -> None:
    network, path = saved
    loaded, config, metadata = load_module(path, Config, Network)
    assert config == CONFIG and metadata["author"] == "nobody" and metadata["format"] == FORMAT
    assert same(network, loaded) and not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_half_precision_files_load_to_single_precision(saved: tuple[Network, Path]) -> None:
    network, path = saved
    full_size = path.stat().st_size
    save_weights(network, CONFIG, path, dtype=torch.float16)
    assert path.stat().st_size < full_size
    loaded = Network(CONFIG)
    load_weights(loaded, path)
    assert same(network, loaded, tolerance=1e-3) and loaded.first.weight.dtype == torch.float32


def test_one_network_in_several_files(saved: tuple[Network, Path]) -> None:
    network, path = saved
    save_weights(network, CONFIG, path, parts={"second.": "second.safetensors"})
    loaded = Network(CONFIG)
    load_weights(loaded, path)
    assert same(network, loaded)
    path.with_name("second.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"second\.safetensors: no such file"):
        load_weights(loaded, path)


def write_part(path: Path, tensors: dict[str, torch.Tensor], parts: str) -> None:
    header = {"format": FORMAT, "config": "{}", "checksum": checksum(tensors), "parts": parts}
    save_file(tensors, path, metadata=header)


def test_parts_name_no_parts(tmp_path: Path) -> None:
    """A file that names itself, or two that name each other, would be read for ever."""
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    write_part(first, {"x": torch.zeros(1)}, "a.safetensors")
    with pytest.raises(WeightsError, match=r"a\.safetensors: its part a\.safetensors names parts itself"):
        read_weights(first)
    write_part(first, {"x": torch.zeros(1)}, "b.safetensors")
    write_part(second, {"y": torch.zeros(1)}, "a.safetensors")
    with pytest.raises(WeightsError, match=r"a\.safetensors: its part b\.safetensors names parts itself"):
        read_weights(first)


def test_parts_do_not_repeat_tensors(tmp_path: Path) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    write_part(first, {"x": torch.zeros(1)}, "b.safetensors")
    write_part(second, {"x": torch.ones(1)}, "")
    with pytest.raises(WeightsError, match=r"its part b\.safetensors repeats tensors"):
        read_weights(first)


def test_what_does_not_fit_is_listed(saved: tuple[Network, Path]) -> None:
    _, path = saved
    other = nn.Sequential()
    other.first = nn.Linear(2, 9)
    other.extra = nn.Linear(1, 1)
    with pytest.raises(WeightsError) as caught:
        load_weights(other, path)
    message = str(caught.value)
    assert "2 missing: extra.weight, extra.bias" in message
    assert "6 unexpected: norm." in message
    assert "first.weight (4, 2) instead of (9, 2)" in message
    assert "\n" not in message


def test_long_lists_are_cut(tmp_path: Path) -> None:
    big = nn.Sequential(*(nn.Linear(1, 1) for _ in range(20)))
    save_weights(nn.Linear(1, 1), CONFIG, tmp_path / "small.safetensors")
    with pytest.raises(WeightsError, match=r"40 missing: 0\.weight, .* and 30 more"):
        load_weights(big, tmp_path / "small.safetensors")


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_truncated_files(saved: tuple[Network, Path], length: int) -> None:
    network, path = saved
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(WeightsError, match=r"not a complete safetensors file .* fetch or convert it again"):
        load_weights(network, path)


def test_a_changed_byte_is_noticed(saved: tuple[Network, Path]) -> None:
    network, path = saved
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="do not match their checksum"):
        load_weights(network, path)


@pytest.mark.parametrize("content", [b"hello", b"\xff" * 64, b"PK\x03\x04" + b"0" * 99])
def test_other_files(saved: tuple[Network, Path], content: bytes) -> None:
    network, path = saved
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a complete safetensors file"):
        load_weights(network, path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(WeightsError, match="no such file"):
            read_metadata(path)


def test_safetensors_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    for metadata in (None, {"format": "pt"}, {"format": FORMAT}):
        save_file({"a": torch.zeros(1)}, path, metadata=metadata)
        with pytest.raises(WeightsError, match=f"expected {FORMAT}"):
            read_metadata(path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{", "unusable configuration"),
        ("[1]", "no JSON object"),
        ('{"depth": 3}', "depth: no fields of Config"),
        ('{"width": "wide"}', "width is 'wide', not int"),
        ('{"width": true}', "width is True"),
        ('{"sizes": [1, "b"], "scale": "x"}', "sizes is .*, scale is"),
    ],
)
def test_configurations_that_are_not_ours(tmp_path: Path, entry: str, message: str) -> None:
    tensors = Network(Config()).state_dict()
    header = {"format": FORMAT, "config": entry, "checksum": checksum(tensors)}
    save_file(tensors, tmp_path / "a.safetensors", metadata=header)
    with pytest.raises(WeightsError, match=message):
        load_module(tmp_path / "a.safetensors", Config, Network)


def test_fields_added_later_take_their_defaults(tmp_path: Path) -> None:
    tensors = Network(Config()).state_dict()
    header = {"format": FORMAT, "config": json.dumps({"width": 3}), "checksum": checksum(tensors)}
    save_file(tensors, tmp_path / "a.safetensors", metadata=header)
    assert load_module(tmp_path / "a.safetensors", Config, Network)[1] == Config()


def test_failed_writing_keeps_the_older_file(saved: tuple[Network, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    network, path = saved
    before = path.read_bytes()

    def full(tensors: dict, name: Path, metadata: dict) -> None:
        Path(name).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weight_file, "save_file", full)
    with pytest.raises(OutputError, match="No space left on device"):
        save_weights(network, CONFIG, path)
    assert path.read_bytes() == before
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_checksums_do_not_depend_on_the_order(tmp_path: Path) -> None:
    a, b = torch.arange(3.0), torch.ones(2, dtype=torch.bfloat16)
    assert checksum({"a": a, "b": b}) == checksum({"b": b, "a": a}) != checksum({"a": b, "b": a})
    (tmp_path / "file").write_bytes(b"abc" * 10**6)
    read: list[int] = []
    assert file_sha256(tmp_path / "file", read.append).startswith("f4096a13")
    assert sum(read) == 3 * 10**6 and len(read) > 1


def test_folder_of_weights(tmp_path: Path) -> None:
    models = small_models()
    for name, network, config in (
        ("renderer", models.renderer, models.preset.renderer),
        ("generator", models.generator, models.preset.generator),
        ("audio_encoder", models.audio_encoder, models.preset.audio),
    ):
        save_weights(network, config, tmp_path / f"{name}.safetensors")
    loaded = load_models(tmp_path)
    assert loaded.preset.renderer == models.preset.renderer and loaded.preset.directory == tmp_path
    assert loaded.preset.crop == get_preset("tiny").crop
    assert loaded.revision == load_models(str(tmp_path)).revision
    image, motion = torch.rand(1, 3, 64, 64), torch.randn(1, 32)
    frames = [m.renderer.render(motion, m.renderer.encode_source(image)) for m in (models, loaded)]
    torch.testing.assert_close(frames[0], frames[1], atol=1e-4, rtol=0)
    (tmp_path / "generator.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"generator\.safetensors: no such file"):
        load_models(tmp_path)


def test_the_network_that_finds_the_person_comes_with_the_motion_basis(tmp_path: Path) -> None:
    save_small_models(tmp_path)
    plain = load_models(tmp_path)
    assert plain.motion_basis is None and plain.person_matte is None
    bundled_basis().save(tmp_path / MOTION_BASIS)
    bundled = load_models(tmp_path)
    assert bundled.motion_basis and bundled.person_matte and bundled.person_matte.network.config == PersonConfig()
    config = PersonConfig(32, (4, 4))
    save_weights(PersonNetwork(config), config, tmp_path / PERSON)
    own = load_models(tmp_path)
    assert own.person_matte and own.person_matte.network.config == config and not own.person_matte.network.training
    assert len({plain.sha256, bundled.sha256, own.sha256}) == 3
    assert describe_weights(tmp_path)[1] == own.sha256
    damaged = bytearray((tmp_path / PERSON).read_bytes())
    damaged[-1] ^= 1
    (tmp_path / PERSON).write_bytes(damaged)
    with pytest.raises(WeightsError, match=r"person\.safetensors: contents do not match their checksum"):
        load_models(tmp_path)


def test_neither_preset_nor_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown preset"):
        load_models(tmp_path / "absent")
    with pytest.raises(WeightsError, match=r"renderer\.safetensors: no such file"):
        load_models(tmp_path)


def test_unpublished_revision_says_how_to_use_a_copy() -> None:
    with pytest.raises(WeightsError, match="imtalker convert"):
        load_models("base-v1")
