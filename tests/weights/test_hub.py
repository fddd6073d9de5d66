"""The official preset from a stand-in Hub: fetched, verified and converted once, then used without network."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import huggingface_hub.file_download
import huggingface_hub.utils._http
import pytest
import torch

from imtalker.errors import WeightsError
from imtalker.weights import hub as hub_module
from imtalker.weights.hub import cache_folder, fetch, official_weights, verify
from imtalker.weights.load import load_models
from imtalker.weights.presets import BASE_REPO, get_preset
from tests.support.hub_server import COMMIT, Hub, serve
from tests.support.official_files import RENDERER_CONFIGS, use_small_networks, write_official
from tests.support.ports import free_port


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in write_official(tmp_path_factory.mktemp("hub"))}


def _no_waiting() -> SimpleNamespace:
    """``time`` for one module that waits between its attempts; the whole process must not lose its ``sleep``, since
    any thread that polls would take the interpreter from the test."""
    return SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("IMTALKER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IMTALKER_BASE_REVISION", raising=False)
    monkeypatch.setattr(huggingface_hub.utils._http, "time", _no_waiting())
    monkeypatch.setattr(huggingface_hub.file_download, "time", _no_waiting())
    use_small_networks(monkeypatch)
    return tmp_path / "cache"


@pytest.fixture
def server(files: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve(BASE_REPO, dict(files)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def nobody_home(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that refuses connections."""
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")


def test_base_is_fetched_converted_and_renders(server: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    models = load_models("base", progress=steps.append)
    assert [step.split()[0] for step in steps] == ["fetching", "verifying"] * 2 + ["converting"]
    assert models.preset.name == "base" and models.renderer.config == RENDERER_CONFIGS["v2"]
    with torch.inference_mode():
        source = models.renderer.encode_source(torch.rand(1, 3, 512, 512))
        features = models.audio_encoder.encode(torch.randn(16_000))
        motion = next(models.generator.generate(features, source.motion))
        frame = models.renderer.render(motion[0, :1], source)
    assert frame.shape == (1, 3, 512, 512) and frame.isfinite().all()

    # a second time nothing is asked of the network, and the same weights come
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    asked = len(server.requests)
    assert load_models("base").revision == models.revision
    assert len(server.requests) == asked


def test_origin_is_recorded(server: Hub, cache: Path) -> None:
    folder = official_weights(get_preset("base"))
    assert COMMIT in (folder / "origin.json").read_text()
    assert folder.parent == cache_folder() == cache
    assert [path.name for path in cache.iterdir() if path.name.startswith(".")] == []


def test_broken_download_is_resumed(server: Hub, files: dict[str, bytes]) -> None:
    server.break_after = 15_000_000  # the library writes in pieces of 10 MB
    path = fetch(get_preset("base").files[0])
    assert path.read_bytes() == files["renderer.ckpt"]
    resumed_at = [int(asked.removeprefix("bytes=").split("-")[0]) for _, _, asked in server.requests if asked]
    assert len(resumed_at) == 1 and resumed_at[0] >= 10_000_000


def test_falsified_download_is_refused_and_fetched_anew(server: Hub, cache: Path) -> None:
    server.falsify.add("generator.ckpt")
    with pytest.raises(WeightsError, match=r"generator\.ckpt: sha256 is .* it was deleted, try again"):
        official_weights(get_preset("base"))
    assert not list(cache.glob("base-*/*.safetensors"))
    server.falsify.clear()
    assert official_weights(get_preset("base")).is_dir()
    assert server.downloads().count("generator.ckpt") == 2 and server.downloads().count("renderer.ckpt") == 1


def test_known_checksum_is_verified(server: Hub) -> None:
    file = replace(get_preset("base").files[0], sha256="0" * 64)
    with pytest.raises(WeightsError, match="expected 0000"):
        verify(fetch(file), file)


def test_offline_says_what_to_do(nobody_home: None) -> None:
    with pytest.raises(WeightsError, match="cannot be reached; connect once, or convert") as caught:
        load_models("base")
    assert "\n" not in str(caught.value)


def test_offline_mode_of_the_library(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="cannot be reached"):
        load_models("base")
    assert not server.requests


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "absent.ckpt"}, "no such file on http"),
        ({"revision": "v99"}, "not on http.*check IMTALKER_BASE_REVISION"),
        ({"repo": "nobody/nothing"}, "not on http"),
    ],
)
def test_what_the_hub_does_not_have(server: Hub, change: dict, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        fetch(replace(get_preset("base").files[0], **change))
    assert "\n" not in str(caught.value)


def test_revision_can_be_pinned(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    first = official_weights(get_preset("base"))
    monkeypatch.setenv("IMTALKER_BASE_REVISION", COMMIT)
    second = official_weights(get_preset("base"))
    assert first != second and COMMIT in second.name
    assert server.downloads().count("renderer.ckpt") == 1  # the same blob serves both


def test_two_at_once_convert_once(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    conversions = []
    convert = hub_module.convert_checkpoints

    def counted(*args, **kwargs):
        conversions.append(args)
        return convert(*args, **kwargs)

    monkeypatch.setattr(hub_module, "convert_checkpoints", counted)
    folders = []
    threads = [threading.Thread(target=lambda: folders.append(official_weights(get_preset("base")))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(conversions) == 1 and len(folders) == 2 and folders[0] == folders[1]


def test_failed_conversion_leaves_nothing(server: Hub, cache: Path) -> None:
    server.files["renderer.ckpt"] = b"not a checkpoint"
    with pytest.raises(WeightsError, match=r"renderer\.ckpt"):
        official_weights(get_preset("base"))
    assert not list(cache.glob("base-*/")) and not list(cache.glob(".*/"))


def test_cache_that_cannot_be_written(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("IMTALKER_CACHE", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="set IMTALKER_CACHE"):
        official_weights(get_preset("base"))


def test_cache_folder_follows_the_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMTALKER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/imtalker")
