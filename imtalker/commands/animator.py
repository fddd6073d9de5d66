"""The videos that one set of ``animate``'s options asks for: read and check the options, then make video by video."""

import argparse
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imtalker.commands.animate_jobs import Job
from imtalker.commands.animate_options import (
    check_options,
    parse_colour,
    parse_controls,
    parse_sampling,
    parse_text,
    recipe_files,
    replace_given,
)
from imtalker.commands.progress import Watch
from imtalker.config import FRAME_RATE
from imtalker.errors import InputError
from imtalker.media.remark import Remark

if TYPE_CHECKING:  # networks are loaded when there is something to animate
    from imtalker.generator.controls import MotionControls
    from imtalker.media.framing import Crop
    from imtalker.pipeline.animation import Animation
    from imtalker.pipeline.inputs import DrivingClip, Portrait, Speech
    from imtalker.pipeline.loading import Loaded
    from imtalker.pipeline.motion_clip import MotionClip
    from imtalker.pipeline.timing import Timings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnimateSettings:
    """What the options mean, as far as that can be told without the models."""

    arguments: argparse.Namespace
    crop: "Crop"
    video_crop: "Crop"
    background: tuple[int, int, int]
    controls: "MotionControls | None"
    text: tuple[str, str, float] | None
    recipe: dict[str, Any] | None
    motion: "MotionClip | None"

    @classmethod
    def read(cls, arguments: argparse.Namespace) -> "AnimateSettings":
        """Raises InputError for options that contradict each other or cannot be used."""
        from imtalker.media.framing import parse_crop

        check_options(arguments)
        crop, video_crop = parse_crop(arguments.crop), parse_crop(arguments.video_crop)
        background = parse_colour(arguments.background)
        controls, text = parse_controls(arguments), parse_text(arguments)
        recipe = motion = None
        if arguments.recipe:
            from imtalker.pipeline.recipe import read_recipe
            from imtalker.pipeline.recipe_check import check_recipe

            recipe = read_recipe(arguments.recipe)
            if recipe is None:
                raise InputError(f"{arguments.recipe} carries no recipe; give a video made by imtalker or its JSON")
            check_recipe(recipe)
        elif arguments.motion:
            from imtalker.pipeline.motion_clip import load_motion

            motion = load_motion(arguments.motion)
        return cls(arguments, crop, video_crop, background, controls, text, recipe, motion)

    @property
    def models(self) -> tuple[str, str, int | None]:
        """Which models are asked for: preset, number type, side of the frames in pixels."""
        recipe = self.recipe or {}
        dtype = self.arguments.dtype
        preset = self.arguments.preset or recipe.get("preset") or "tiny"
        return preset, recipe.get("dtype", "auto") if dtype == "auto" else dtype, self.arguments.size

    def load(self, device: str) -> "Loaded":
        """The models. Raises InputError and WeightsError, see ``load_working_pipeline``."""
        from imtalker.pipeline.loading import load_working_pipeline

        preset, dtype, size = self.models
        report = logger.warning  # shown without -v: a first download takes minutes
        return load_working_pipeline(preset, device, dtype, keep_preset=True, progress=report, size=size)


class Animator:
    """Makes the videos of one set of options; inputs that several of them share are read once.

    Raises:
        InputError: what the models or the clips say against the options.
    """

    def __init__(self, settings: AnimateSettings, loaded: "Loaded"):
        from imtalker.generator.controls import MotionControls

        self._settings, self._arguments = settings, settings.arguments
        self._pipeline, self._loading_remarks = loaded.pipeline, loaded.remarks
        self._controls = settings.controls
        if self._arguments.style_from:
            style = replace_given(self._pipeline.style_of_clip(self._arguments.style_from), self._arguments)
            self._controls = replace(self._controls or MotionControls(), style=style)
        self._options = parse_sampling(self._arguments, self._pipeline.preset.sampling)
        self._looked_at: dict[Path, tuple[Remark, ...]] = {}
        self._clips: dict[Path, DrivingClip] = {}
        self._spoken: Speech | None = None

    def make(self, job: Job, watch: Watch) -> dict:
        """Make one video; returns the facts about it.

        Args:
            watch: gives the chunks on; may end the run early, which leaves a shorter video.
        """
        from imtalker.pipeline.animation import save_video
        from imtalker.pipeline.motion_clip import save_motion
        from imtalker.pipeline.timing import Timings

        timings = Timings()
        portrait, clip, animation = self._remake(timings) if self._settings.recipe else self._animate(job, timings)
        remarks = [*self._loading_remarks, *self._portrait_remarks(portrait, job.portrait)]
        about = job.driver.name if job.driver else job.portrait.name
        for remark in animation.early_remarks:
            logger.warning("%s: %s", about, remark)
        beside = []
        if self._arguments.side_by_side:
            beside = [_side_by_side(job.output, portrait, clip, animation)]
        save_video(
            watch(animation), job.output, animation.audio, animation.recipe, animation.audio_offset, timings, beside
        )
        for remark in animation.late_remarks:
            logger.warning("%s: %s", about, remark)
        saved = self._motion_target(job)
        if saved is not None and timings.frames:
            save_motion(saved, animation.motion)
        return {
            "output": str(job.output) if timings.frames else None,
            "side_by_side": str(beside[0].path) if beside else None,
            "motion": str(saved) if saved else None,
            "remarks": [asdict(remark) for remark in (*remarks, *animation.remarks)],
            "size": [animation.size[1], animation.size[0]],
            "duration_seconds": timings.frames / FRAME_RATE,
            "preset": self._pipeline.preset.name,
            "revision": self._pipeline.models.revision,
            "device": str(self._pipeline.device),
            "dtype": self._pipeline.precision,
            **timings.as_dict(),
        }

    def _remake(self, timings: "Timings") -> "tuple[Portrait, DrivingClip | None, Animation]":
        from imtalker.pipeline.remake import InputFiles, remake
        from imtalker.speech import speak_again

        recipe = self._settings.recipe
        assert recipe is not None
        folders = (Path(self._arguments.recipe).parent, Path())
        files = InputFiles(recipe_files(self._arguments), folders, self._arguments.force)
        with timings.measure("speaking"):
            spoken = speak_again(recipe, files.force)
        return remake(self._pipeline, recipe, files, timings, spoken)

    def _portrait_remarks(self, portrait: "Portrait", name: Path) -> tuple[Remark, ...]:
        """Looked at once per portrait of a batch, and logged."""
        from imtalker.faces.remarks import portrait_remarks

        if name not in self._looked_at:
            faces = self._pipeline.framing.faces(portrait.image)
            self._looked_at[name] = portrait_remarks(portrait.image, portrait.box, faces)
            for remark in self._looked_at[name]:
                logger.warning("%s: %s", name.name, remark)
        return self._looked_at[name]

    def _animate(self, job: Job, timings: "Timings") -> "tuple[Portrait, DrivingClip | None, Animation]":
        arguments, pipeline = self._arguments, self._pipeline
        portrait = pipeline.encode_source(
            job.portrait,
            face=arguments.face,
            crop=self._settings.crop,
            background=self._settings.background,
            timings=timings,
        )
        common: dict[str, Any] = {name: getattr(arguments, name) for name in ("paste_back", "max_side", "label")}
        common["timings"] = timings
        if self._settings.motion is not None:
            return portrait, None, pipeline.render_motion(portrait, self._settings.motion, audio=job.driver, **common)
        said = job.driver if self._settings.text is None else self._speak(timings)
        if said is None:
            raise InputError("nothing to animate with; give --audio, --text, --video or --motion")
        if arguments.video:
            assert job.driver is not None
            clip = self._clip(job.driver, timings)
            run = pipeline.animate_from_video(portrait, clip, relative=arguments.relative, **common)
            return portrait, clip, run
        head = arguments.head_from and self._clip(Path(arguments.head_from), timings)
        run = pipeline.animate_from_audio(portrait, said, self._controls, self._options, head_from=head, **common)
        return portrait, None, run

    def _speak(self, timings: "Timings") -> "Speech":
        """What the text sounds like; spoken once for all portraits."""
        from imtalker.speech import speak

        if self._spoken is None:
            assert self._settings.text is not None
            text, voice, speed = self._settings.text
            with timings.measure("speaking"):
                self._spoken = speak(text, voice, speed)
        return self._spoken

    def _clip(self, path: Path, timings: "Timings") -> "DrivingClip":
        """A driving clip with what the options say of it, or the clip whose head is followed."""
        if path not in self._clips:
            driving: dict[str, Any] = {}
            if self._arguments.video:
                driving = {"face": self._arguments.video_face, "crop": self._settings.video_crop}
            self._clips[path] = self._pipeline.encode_driver(path, timings=timings, **driving)
        return self._clips[path]

    def _motion_target(self, job: Job) -> Path | None:
        if not self._arguments.save_motion:
            return None
        target = Path(self._arguments.save_motion)
        return target / f"{job.output.stem}.safetensors" if target.is_dir() else target


def _side_by_side(output: Path, portrait: "Portrait", clip: "DrivingClip | None", animation: "Animation") -> Any:
    """A second video beside the first: what went in, and the result."""
    from imtalker.media.side_by_side import SideBySide, SideBySideWriter
    from imtalker.pipeline.finishing import input_pictures

    composer = SideBySide(("driver" if clip else "portrait", "result"), animation.size)
    return SideBySideWriter(
        output.with_name(f"{output.stem}-side-by-side.mp4"),
        composer,
        input_pictures(portrait, clip, animation.size, animation.recipe["paste_back"]),
        audio=animation.audio,
        audio_offset=animation.audio_offset,
        recipe=animation.recipe,
    )
