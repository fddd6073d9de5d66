"""Official checkpoints: every key is accounted for, revisions are recognised, anything odd is refused."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from imtalker.config import AudioEncoderConfig
from imtalker.errors import WeightsError
from imtalker.generator.audio_encoder import AudioEncoder
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.renderer import Renderer
from imtalker.weights.convert import convert_checkpoints, convert_generator, convert_renderer, read_checkpoint
from imtalker.weights.file import read_weights
from imtalker.weights.load import load_models
from imtalker.weights.official_keys import (
    AUDIO_KEYS,
    DROPPED,
    GENERATOR_KEYS,
    RENDERER_KEYS,
    rename,
)
from imtalker.weights.presets import GENERATOR_V1, GENERATOR_V2, RENDERER_V1, RENDERER_V2, TINY_RENDERER
from tests.support.official_files import (
    AUDIO_CONFIG,
    GENERATOR_CONFIGS,
    RENDERER_CONFIGS,
    generator_state,
    lightning_generator,
    lightning_renderer,
    renderer_state,
    trained,
    use_small_networks,
    write_official,
)
from tests.support.official_state import FIXED, manifest


@pytest.fixture(autouse=True)
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_networks(monkeypatch)


@pytest.fixture(scope="module", params=["v1", "v2"])
def official(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    return request.param, *write_official(tmp_path_factory.mktemp("official"), request.param)


def save(path: Path, checkpoint: object) -> Path:
    torch.save(checkpoint, path)
    return path


@pytest.mark.parametrize(
    ("names", "rules", "build"),
    [
        (["renderer_v1"], RENDERER_KEYS, lambda: Renderer(RENDERER_V1)),
        (["renderer_v2"], RENDERER_KEYS, lambda: Renderer(RENDERER_V2)),
        (["generator_v1"], GENERATOR_KEYS, lambda: MotionGenerator(GENERATOR_V1)),
        (["generator_v2"], GENERATOR_KEYS, lambda: MotionGenerator(GENERATOR_V2)),
    ],
)
def test_full_size_manifest_fits_one_to_one(names: list[str], rules: list, build) -> None:
    with torch.device("meta"):
        ours = {k: list(v.shape) for k, v in build().state_dict().items() if not DROPPED.search(k)}
    official = {
        rename(key, rules): [n for n in entry["shape"] if n != 1] if len(entry["shape"]) == 5 else entry["shape"]
        for key, entry in manifest(*names).items()
        if not DROPPED.search(key) and not key.endswith(FIXED)
    }
    assert official == ours


def test_full_size_audio_encoder_fits_one_to_one() -> None:
    with torch.device("meta"):
        ours = {k: list(v.shape) for k, v in AudioEncoder(AudioEncoderConfig()).state_dict().items()}
    assert {rename(k, AUDIO_KEYS): v["shape"] for k, v in manifest("audio_encoder").items()} == ours


def test_conversion_keeps_every_weight(official: tuple[str, Path, Path], tmp_path: Path) -> None:
    revision, renderer, generator = official
    out = convert_checkpoints(renderer, generator, tmp_path / "out")
    tensors, metadata = read_weights(out / "renderer.safetensors")
    state = renderer_state(revision)
    assert metadata["revision"] == revision
    torch.testing.assert_close(tensors["synthesis.final.weight"], state["frame_decoder.final_conv.1.weight"])
    styled = state["latent_token_decoder.style_conv_layers.6.conv.weight"]
    torch.testing.assert_close(tensors["motion_decoder.levels.1.2.weight"], styled[0])
    speech, _ = read_weights(out / "audio_encoder.safetensors")
    original = generator_state(revision)["audio_encoder.wav2vec2.encoder.layers.11.final_layer_norm.bias"]
    torch.testing.assert_close(speech["wav2vec2.encoder.layers.11.final_layer_norm.bias"], original)


def test_converted_folder_loads_with_the_revision_of_its_keys(official: tuple[str, Path, Path], tmp_path: Path) -> None:
    revision, renderer, generator = official
    models = load_models(convert_checkpoints(renderer, generator, tmp_path / "out"))
    assert models.renderer.config == RENDERER_CONFIGS[revision]
    assert models.generator.config == GENERATOR_CONFIGS[revision]
    assert models.audio_encoder.config == AUDIO_CONFIG
    assert models.preset.name == {"v1": "base-v1", "v2": "base"}[revision]
    assert models.revision.startswith(revision)


def test_raw_weights_by_default_and_the_average_on_request(official: tuple[str, Path, Path], tmp_path: Path) -> None:
    revision, _, generator = official
    raw = generator_state(revision)["fmt.x_embedder.proj.bias"]
    for ema, expected in ((False, raw), (True, raw + 1)):
        convert_generator(generator, tmp_path, ema=ema)
        tensors, metadata = read_weights(tmp_path / "generator.safetensors")
        torch.testing.assert_close(tensors["transformer.input_projection.bias"], expected)
        assert metadata["averaged"] == ("yes" if ema else "no")


def test_average_alone_must_be_told_its_revision(tmp_path: Path) -> None:
    state = generator_state()
    average = save(tmp_path / "ema.ckpt", {"ema_state_dict": trained(state)})
    speech = {key.removeprefix("audio_encoder."): v for key, v in state.items() if key.startswith("audio_encoder.")}
    wav2vec2 = save(tmp_path / "pytorch_model.bin", speech | {"lm_head.weight": torch.zeros(4)})
    with pytest.raises(WeightsError, match="--ema"):
        convert_generator(average, tmp_path)
    with pytest.raises(WeightsError, match="--revision"):
        convert_generator(average, tmp_path, ema=True)
    with pytest.raises(WeightsError, match="audio encoder"):
        convert_generator(average, tmp_path, ema=True, revision="v1")
    assert convert_generator(average, tmp_path, ema=True, revision="v1", audio_encoder=wav2vec2) == "v1"
    assert len(read_weights(tmp_path / "audio_encoder.safetensors")[0]) > 200


def test_bare_and_nested_dictionaries(tmp_path: Path) -> None:
    state = renderer_state()
    prefixed = {f"gen.{key}": value for key, value in state.items()}
    for number, checkpoint in enumerate((state, prefixed, {"state_dict": state}, {"state_dict": {"model": state}})):
        path = save(tmp_path / f"{number}.ckpt", checkpoint)
        assert convert_renderer(path, tmp_path / str(number)) == "v2"


def test_old_names_of_weight_normalisation(tmp_path: Path) -> None:
    state = generator_state()
    convolution = "audio_encoder.wav2vec2.encoder.pos_conv_embed.conv."
    gain = state.pop(convolution + "parametrizations.weight.original0")
    state[convolution + "weight_g"] = gain
    state[convolution + "weight_v"] = state.pop(convolution + "parametrizations.weight.original1")
    convert_generator(save(tmp_path / "old.ckpt", lightning_generator(state)), tmp_path)
    tensors, _ = read_weights(tmp_path / "audio_encoder.safetensors")
    key = "wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original0"
    torch.testing.assert_close(tensors[key], gain)


def test_prefix_is_removed_at_the_start_only(tmp_path: Path) -> None:
    checkpoint = lightning_renderer(renderer_state())
    checkpoint["state_dict"]["gen.adapt.gen.extra"] = torch.zeros(4)
    with pytest.raises(WeightsError, match=r"1 unexpected: adapt\.gen\.extra"):
        convert_renderer(save(tmp_path / "r.ckpt", checkpoint), tmp_path)


def test_missing_keys_are_listed_and_counted(tmp_path: Path) -> None:
    state = {key: v for key, v in renderer_state().items() if not key.startswith("frame_decoder.upconv_blocks.0")}
    with pytest.raises(WeightsError, match=r"missing: synthesis\.up\.0\.conv1\.weight.* and \d+ more") as caught:
        convert_renderer(save(tmp_path / "r.ckpt", lightning_renderer(state)), tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "renderer.safetensors").exists()


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("adapt.in_layer.bias", lambda v: v[:3], "of another shape: identity_adapter.input.bias"),
        ("latent_token_decoder.style_conv_layers.1.conv.blur.kernel", lambda v: v + 0.1, "constants differ"),
        ("frame_decoder.transformer_blocks.3.blocks.1.attn_mask", lambda v: v[:9], "constants differ"),
        ("frame_decoder.transformer_blocks.4.blocks.0.attn.relative_position_index", lambda v: v * 0, "constants"),
        ("imt.0.block_efc.proj.bias", lambda v: "text", "no known network"),
    ],
)
def test_wrong_entries_are_refused(key: str, change, message: str, tmp_path: Path) -> None:
    state = renderer_state()
    state[key] = change(state[key])
    with pytest.raises(WeightsError, match=message):
        convert_renderer(save(tmp_path / "r.ckpt", lightning_renderer(state)), tmp_path)


def test_generator_with_the_positions_of_both_revisions_is_refused(tmp_path: Path) -> None:
    state = generator_state("v1") | generator_state("v2")
    with pytest.raises(WeightsError, match="both revisions"):
        convert_generator(save(tmp_path / "g.ckpt", lightning_generator(state)), tmp_path)


def test_told_revision_must_agree_with_the_keys(tmp_path: Path) -> None:
    path = save(tmp_path / "g.ckpt", lightning_generator(generator_state("v1")))
    with pytest.raises(WeightsError, match="is revision v1, not v2"):
        convert_generator(path, tmp_path, revision="v2")
    with pytest.raises(WeightsError, match="no averaged weights"):
        convert_generator(path, tmp_path, ema=True)


def test_swapped_files_are_recognised(official: tuple[str, Path, Path], tmp_path: Path) -> None:
    _, renderer, generator = official
    with pytest.raises(WeightsError, match=r"give renderer\.ckpt first"):
        convert_checkpoints(generator, renderer, tmp_path)


class Payload:
    """Unpickling this would run a command."""

    def __reduce__(self) -> tuple:
        return os.system, ("touch executed",)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_pickle_never_runs(legacy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = {"state_dict": renderer_state(), "hyper_parameters": Payload()}
    torch.save(checkpoint, "evil.ckpt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match=r"refused, its pickle asks for (posix|nt)\.system and nothing"):
        read_checkpoint("evil.ckpt")
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 and no archive",
        b"not a checkpoint" * 99,
        pickle.dumps([1, 2], protocol=2),
        pickle.dumps({"a": 1}, protocol=2)[:9],
    ],
)
def test_files_that_are_no_checkpoints(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "renderer.ckpt"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        convert_renderer(path, tmp_path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_truncated_checkpoint(official: tuple[str, Path, Path], tmp_path: Path) -> None:
    content = official[1].read_bytes()
    for length in (len(content) // 2, len(content) - 100):
        (tmp_path / "cut.ckpt").write_bytes(content[:length])
        with pytest.raises(WeightsError, match="not a complete checkpoint"):
            convert_renderer(tmp_path / "cut.ckpt", tmp_path)


def test_missing_file_and_bundled_network(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        convert_renderer(tmp_path / "absent.ckpt", tmp_path)
    state = Renderer(TINY_RENDERER).state_dict()
    with pytest.raises(WeightsError, match="holds no renderer"):
        convert_renderer(save(tmp_path / "tiny.ckpt", state), tmp_path)
