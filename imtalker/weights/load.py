"""Load the networks of a preset or of a folder of weight files."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from imtalker.config import GeneratorConfig, RendererConfig
from imtalker.errors import WeightsError
from imtalker.faces.motion_reading import MotionBasis
from imtalker.faces.person import PersonMatte
from imtalker.faces.person_network import PersonConfig, PersonNetwork
from imtalker.generator.motion_generator import MotionGenerator
from imtalker.generator.speech_encoder import SpeechEncoder
from imtalker.renderer import Renderer
from imtalker.weights.audio_encoder import load_audio_encoder
from imtalker.weights.file import load_module, load_weights, parse_config, read_metadata, save_weights
from imtalker.weights.presets import BUNDLED_WEIGHTS, PRESET_NAMES, Preset, get_preset

MOTION_BASIS = "motion_basis.npz"  # beside the weights of presets with an explicit motion
PERSON = "person.safetensors"  # the same; presets made without one take the bundled one

__all__ = ["Models", "describe_weights", "find_weights", "load_models", "load_weights", "save_weights"]


@dataclasses.dataclass(frozen=True)
class Models:
    """The networks of one set of weights, in evaluation mode."""

    renderer: Renderer
    generator: MotionGenerator
    audio_encoder: SpeechEncoder
    preset: Preset  # with the configurations found inside the files
    revision: str  # identifies the weights: the official revision or "bundled", and the start of a checksum
    metadata: Mapping[str, Mapping[str, str]]  # of each file
    motion_basis: MotionBasis | None = None  # for reading motion from landmarks; None: by the motion encoder
    person_matte: PersonMatte | None = None  # tells the person from the background; None: nothing does

    @property
    def sha256(self) -> str | None:
        """SHA-256 over the checksums of all files; None for networks that were not read from files."""
        return _joint_checksum(self.metadata) if self.metadata else None


def load_models(preset: str | os.PathLike, progress: Callable[[str], None] | None = None) -> Models:
    """All networks of a preset, or of a folder of weight files, on the CPU in single precision.

    Args:
        preset: a name ("tiny", "base") or a folder, for example one made by ``imtalker convert``.
        progress: receives a line before every long step of the first use of an official preset.
    Raises:
        InputError: neither a preset nor a folder.
        WeightsError: weights are missing, damaged, do not fit, or cannot be fetched.
    """
    known, folder = find_weights(preset, progress)
    files = _weight_files(folder)
    metadata: dict[str, Mapping[str, str]] = {}
    renderer, renderer_config, metadata["renderer"] = load_module(files["renderer"], RendererConfig, Renderer)
    generator, generator_config, metadata["generator"] = load_module(
        files["generator"], GeneratorConfig, MotionGenerator
    )
    audio_encoder, audio_config, metadata["audio_encoder"] = load_audio_encoder(files["audio_encoder"])
    motion_basis = person_matte = None
    if "person" in files:
        motion_basis = MotionBasis.load(folder / MOTION_BASIS)
        person, _, metadata["person"] = load_module(files["person"], PersonConfig, PersonNetwork)
        person_matte = PersonMatte(person)
    return Models(
        renderer,
        generator,
        audio_encoder,
        dataclasses.replace(known, renderer=renderer_config, generator=generator_config, audio=audio_config),
        _revision(metadata),
        metadata,
        motion_basis,
        person_matte,
    )


@lru_cache(maxsize=1)
def bundled_basis() -> MotionBasis:
    """The constants of the explicit motion, which is defined once, as they lie beside the bundled weights."""
    return MotionBasis.load(BUNDLED_WEIGHTS / "tiny" / MOTION_BASIS)


def describe_weights(preset: str | os.PathLike, progress: Callable[[str], None] | None = None) -> tuple[Preset, str]:
    """The preset that ``load_models`` would load, and its ``Models.sha256``; reads headers only, raises the same."""
    known, folder = find_weights(preset, progress)
    files = _weight_files(folder)
    metadata = {part: read_metadata(path) for part, path in files.items()}
    config = parse_config(metadata["renderer"]["config"], RendererConfig, files["renderer"])
    return dataclasses.replace(known, renderer=config), _joint_checksum(metadata)


def _weight_files(folder: Path) -> dict[str, Path]:
    """Part -> file, of the networks of a folder in the order of their joint checksum."""
    files = {part: folder / f"{part}.safetensors" for part in ("renderer", "generator", "audio_encoder")}
    if (folder / MOTION_BASIS).is_file():
        own = folder / PERSON
        files["person"] = own if own.is_file() else BUNDLED_WEIGHTS / "tiny" / PERSON
    return files


def _revision(metadata: Mapping[str, Mapping[str, str]]) -> str:
    return f"{metadata['renderer'].get('revision', 'bundled')}-{_joint_checksum(metadata)[:8]}"


def _joint_checksum(metadata: Mapping[str, Mapping[str, str]]) -> str:
    return hashlib.sha256("".join(about["checksum"] for about in metadata.values()).encode()).hexdigest()


def find_weights(preset: str | os.PathLike, progress: Callable[[str], None] | None = None) -> tuple[Preset, Path]:
    """The preset behind a name or a folder, and the folder its weight files are in. See ``load_models``."""
    folder = Path(preset)
    if str(preset) not in PRESET_NAMES and folder.is_dir():
        # a folder says itself whose defaults for cropping and sampling it wants
        name = read_metadata(folder / "renderer.safetensors").get("preset", "tiny")
        known = get_preset(name if name in PRESET_NAMES else "tiny")
        return dataclasses.replace(known, directory=folder, files=()), folder
    known = get_preset(str(preset))
    if known.files:
        from imtalker.weights.hub import official_weights  # only here does anything use the network

        return known, official_weights(known, progress)
    if known.directory is None:
        raise WeightsError(
            f"preset {known.name}: these weights are not published any more; "
            "convert your own copy with imtalker convert and give its folder"
        )
    return known, known.directory
