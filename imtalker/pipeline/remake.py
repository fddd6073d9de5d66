"""Make the video of a recipe again: find its files, check that they are the same, run it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from imtalker.config import SamplingOptions
from imtalker.errors import InputError
from imtalker.generator.controls import MotionControls
from imtalker.generator.motion_style import MotionStyle
from imtalker.media.container import existing_file
from imtalker.media.crop import CropBox
from imtalker.media.framing import Crop
from imtalker.pipeline.animation import Animation
from imtalker.pipeline.inputs import DrivingClip, Portrait, Speech, describe_file
from imtalker.pipeline.motion_clip import load_motion
from imtalker.pipeline.recipe import Recipe
from imtalker.pipeline.recipe_check import FILES, check_recipe
from imtalker.pipeline.talking_head import TalkingHeadPipeline
from imtalker.pipeline.timing import Timings
from imtalker.weights.config_json import config_from_dict

NAMES = {"edited": "edited video", "driving": "driving clip", "head_from": "clip of the head"}  # for people


@dataclass(frozen=True)
class InputFiles:
    """Where the files of a recipe are.

    Args:
        given: entry of the recipe ("portrait", "speech", "driving", "head_from", "motion", "edited") -> path.
        folders: searched for the names in the recipe.
        force: take files that differ from those of the recipe.
    """

    given: Mapping[str, str | Path]
    folders: Sequence[Path] = (Path("."),)
    force: bool = False

    def find(self, recipe: Recipe, entry: str) -> Path | None:
        """The file of one entry; None if the recipe has no such entry, or needs no file for it.

        Raises:
            InputError: it is not there, or another file of that name.
        """
        about = recipe.get(entry)
        if about is None or "text" in about:  # what was said is in the recipe itself
            return None
        path, what = self.given.get(entry), NAMES.get(entry, entry)
        if path is None:
            name = about.get("file")
            if name is None:
                raise InputError(f"the recipe names no file for {what}: it was given in memory; say where one is")
            found = [folder / Path(name).name for folder in self.folders if (folder / Path(name).name).is_file()]
            if not found:
                places = " or ".join(str(folder) for folder in self.folders)
                raise InputError(f"{what} {name} of the recipe is not in {places}; say where it is")
            path = found[0]
        path = existing_file(path, what)
        expected = about.get("sha256")
        if expected is not None and not self.force and describe_file(path)["sha256"] != expected:
            raise InputError(
                f"{path} is not the {what} of the recipe (its SHA-256 differs); give that file, or --force"
            )
        return path

    def find_all(self, recipe: Recipe, entries: Sequence[str]) -> dict[str, Path | None]:
        """The files of several entries.

        Raises:
            InputError: as ``find``; also for a file that is given for an entry the recipe does not have.
        """
        paths = {entry: self.find(recipe, entry) for entry in entries}
        unknown = sorted(set(self.given) - {entry for entry, path in paths.items() if path is not None})
        if unknown:
            raise InputError(f"the recipe names no file for {unknown[0]}; leave that file out")
        return paths


def remake(
    pipeline: TalkingHeadPipeline,
    recipe: Recipe,
    files: InputFiles,
    timings: Timings | None = None,
    spoken: Speech | None = None,
) -> tuple[Portrait, DrivingClip | None, Animation]:
    """The run of a recipe: its portrait, its driving clip, and the animation, which gives the same frames again.

    Args:
        spoken: the speech of a recipe that holds a text, see ``speech.text_to_video.speak_again``.

    Raises:
        InputError: files or weights are missing or differ, or the recipe is of another version.
    """
    timings = timings or Timings()
    check_recipe(recipe)
    if recipe["mode"] == "dub":
        raise InputError("this recipe is of a dubbed video; make it again with imtalker dub --recipe")
    check_weights(pipeline, recipe, files.force)
    paths = files.find_all(recipe, FILES)
    picture = recipe["portrait"]
    assert paths["portrait"] is not None
    portrait = pipeline.encode_source(
        paths["portrait"],
        crop=_box(picture, "portrait"),
        background=_rgb(picture.get("background")),
        size=recipe.get("size"),
        timings=timings,
    )
    common: dict[str, Any] = {name: bool(recipe.get(name)) for name in ("paste_back", "label")} | {"timings": timings}
    if "max_side" in recipe:
        common["max_side"] = recipe["max_side"]
    if (path := paths["driving"]) is not None:
        clip = _clip(pipeline, path, recipe["driving"], timings)
        relative, keep_sound = bool(recipe.get("relative")), bool(recipe.get("keep_sound", True))
        parts = recipe.get("parts", "all")
        run = pipeline.animate_from_video(
            portrait, clip, relative=relative, parts=parts, keep_sound=keep_sound, **common
        )
        return portrait, clip, run
    if (path := paths["motion"]) is not None:
        offset = recipe.get("audio_offset", 0.0)
        run = pipeline.render_motion(portrait, load_motion(path), audio=paths["speech"], audio_offset=offset, **common)
        return portrait, None, run
    speech = paths["speech"] or spoken
    if speech is None:
        raise InputError(
            "the speech of this recipe is a text; speak it, or make it again with imtalker animate --recipe"
        )
    head = None
    if (path := paths["head_from"]) is not None:
        head = _clip(pipeline, path, recipe["head_from"], timings)
    options = config_from_dict(SamplingOptions, recipe["sampling"], "sampling of the recipe")
    controls = _controls(recipe.get("controls"))
    run = pipeline.animate_from_audio(portrait, speech, controls, options, head_from=head, **common)
    return portrait, None, run


def check_weights(pipeline: TalkingHeadPipeline, recipe: Recipe, force: bool) -> None:
    """Raise InputError for other weights than the recipe's, unless forced."""
    expected = (recipe.get("weights") or {}).get("sha256")
    if expected is not None and expected != pipeline.models.sha256 and not force:
        revision = recipe["weights"].get("revision")
        raise InputError(
            f"the recipe was made with weights {revision}, these are {pipeline.models.revision}; "
            "name its weights with --preset, or use --force"
        )


def _clip(pipeline: TalkingHeadPipeline, path: Path, about: Recipe, timings: Timings) -> DrivingClip:
    crop = about.get("crop")
    asked: Crop = "auto" if crop == "auto" else None if crop == "none" else _box(about, path.name)
    return pipeline.encode_driver(path, face=about.get("face"), crop=asked, timings=timings)


def _controls(values: Recipe | None) -> MotionControls | None:
    if values is None:
        return None
    unknown = sorted(set(values) - {f.name for f in fields(MotionControls)})
    if unknown:
        raise InputError(f"the recipe asks for {', '.join(unknown)}, which this version does not know; update imtalker")
    curves = dict(values)
    if "style" in curves:
        curves["style"] = config_from_dict(MotionStyle, curves["style"], "style of the recipe")
    return MotionControls(**curves)


def _box(about: Recipe, name: str) -> CropBox:
    return config_from_dict(CropBox, about.get("crop"), f"crop of {name} in the recipe")


def _rgb(colour: Any) -> tuple[int, int, int]:
    try:
        red, green, blue = bytes.fromhex(str(colour).removeprefix("#"))
    except ValueError as error:
        raise InputError(f"background {colour!r:.60} of the recipe is no colour #rrggbb; mend the recipe") from error
    return red, green, blue
