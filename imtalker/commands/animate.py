"""``imtalker animate``: one video, a batch, or the video of a recipe once more."""

import argparse
import json
import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imtalker.commands.animate_options import (
    add_options,
    check_options,
    parse_colour,
    parse_controls,
    parse_sampling,
    parse_text,
    recipe_files,
    replace_given,
)
from imtalker.commands.batch import CLIPS, SOUNDS, Job, plan_jobs
from imtalker.commands.exit_codes import DONE, INTERRUPTED, PARTLY
from imtalker.commands.output import print_run
from imtalker.commands.progress import InterruptOnce, with_progress
from imtalker.config import FRAME_RATE
from imtalker.errors import ImTalkerError, InputError
from imtalker.media.atomic import checked_target
from imtalker.media.remark import Remark

if TYPE_CHECKING:  # networks are loaded when there is something to animate
    from imtalker.media.framing import Crop
    from imtalker.pipeline.animation import Animation
    from imtalker.pipeline.inputs import DrivingClip, Portrait, Speech
    from imtalker.pipeline.timing import Timings

logger = logging.getLogger(__name__)

NAMES, EXTRA = ("animate",), None


def add_parser(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser("animate", help="make a talking video from a portrait and speech, clip or motion")
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the videos; returns the exit code."""
    check_options(arguments)
    if arguments.recipe:
        jobs, batch = [Job(Path(arguments.recipe), None, _remade_target(arguments))], False
    else:
        kinds = CLIPS if arguments.video else SOUNDS
        jobs, batch = plan_jobs(arguments.portrait, arguments.video or arguments.audio, kinds, arguments.output)
    for job in jobs:
        _check_target(job)
    if arguments.save_motion and not batch:
        checked_target(arguments.save_motion, (".safetensors",))
    animator = _Animator(arguments)
    if not batch:
        with InterruptOnce() as stop:
            result = animator.make(jobs[0], stop)
        _report(arguments, result, [result], [])
        return INTERRUPTED if result["stopped"] else DONE
    return _run_batch(arguments, jobs, animator)


def _run_batch(arguments: argparse.Namespace, jobs: list[Job], animator: "_Animator") -> int:
    results: list[dict] = []
    failures: list[dict] = []
    stopped = False
    with InterruptOnce() as stop:
        for job in jobs:
            try:
                results.append(animator.make(job, stop))
            except ImTalkerError as error:
                failures.append({"portrait": str(job.portrait), "driver": str(job.driver), "error": str(error)})
                logger.warning("%s: %s", job.output.name, error)
            stopped = bool(results and results[-1]["stopped"])
            if stopped:
                break
    _report(arguments, {"results": results, "failures": failures}, results, failures)
    return INTERRUPTED if stopped else PARTLY if failures else DONE


class _Animator:
    """Models loaded once; inputs that several videos share are read once."""

    def __init__(self, arguments: argparse.Namespace):
        from imtalker.media.framing import parse_crop

        # before the models: a typing mistake should show at once
        self._crop: Crop = parse_crop(arguments.crop)
        self._video_crop: Crop = parse_crop(arguments.video_crop)
        self._background = parse_colour(arguments.background)
        self._controls = parse_controls(arguments)
        self._text = parse_text(arguments)
        self._arguments = arguments
        self._looked_at: dict[Path, tuple[Remark, ...]] = {}

        from imtalker.generator.controls import MotionControls
        from imtalker.pipeline.loading import load_working_pipeline
        from imtalker.pipeline.motion_clip import load_motion
        from imtalker.pipeline.recipe import read_recipe
        from imtalker.pipeline.recipe_check import check_recipe

        self._recipe = None
        if arguments.recipe:
            self._recipe = read_recipe(arguments.recipe)
            if self._recipe is None:
                raise InputError(f"{arguments.recipe} carries no recipe; give a video made by imtalker or its JSON")
            check_recipe(self._recipe)
        self._motion = load_motion(arguments.motion) if arguments.motion and not self._recipe else None
        preset = arguments.preset or (self._recipe or {}).get("preset") or "tiny"
        dtype = arguments.dtype
        if dtype == "auto" and self._recipe:
            dtype = self._recipe.get("dtype", "auto")
        report = logger.warning  # shown without -v: a first download takes minutes
        loaded = load_working_pipeline(
            preset, arguments.device, dtype, keep_preset=True, progress=report, size=arguments.size
        )
        self._pipeline, self._loading_remarks = loaded.pipeline, loaded.remarks
        if arguments.style_from:
            style = replace_given(self._pipeline.style_of_clip(arguments.style_from), arguments)
            self._controls = replace(self._controls or MotionControls(), style=style)
        self._options = parse_sampling(arguments, self._pipeline.preset.sampling)
        self._clips: dict[Path, DrivingClip] = {}
        self._spoken: Speech | None = None

    def make(self, job: Job, stop: InterruptOnce) -> dict:
        """Make one video; returns the facts for ``--json``."""
        from imtalker.pipeline.animation import save_video
        from imtalker.pipeline.motion_clip import save_motion
        from imtalker.pipeline.timing import Timings

        stop.armed = False  # nothing to save yet: Ctrl-C ends the program at once
        timings = Timings()
        portrait, clip, animation = self._remake(timings) if self._recipe else self._animate(job, timings)
        remarks = [*self._loading_remarks, *self._portrait_remarks(portrait, job.portrait), *animation.remarks]
        for remark in animation.remarks:
            logger.warning("%s: %s", job.driver.name if job.driver else job.portrait.name, remark)
        beside = []
        if self._arguments.side_by_side:
            beside = [_side_by_side(job.output, portrait, clip, animation)]
        chunks = with_progress(animation, stop)
        save_video(chunks, job.output, animation.audio, animation.recipe, animation.audio_offset, timings, beside)
        saved = self._motion_target(job)
        if saved is not None and timings.frames:
            save_motion(saved, animation.motion)
        return {
            "output": str(job.output) if timings.frames else None,
            "side_by_side": str(beside[0].path) if beside else None,
            "motion": str(saved) if saved else None,
            "remarks": [asdict(remark) for remark in remarks],
            "stopped": stop.requested,
            "size": [animation.size[1], animation.size[0]],
            "duration_seconds": timings.frames / FRAME_RATE,
            "preset": self._pipeline.preset.name,
            "revision": self._pipeline.models.revision,
            "device": str(self._pipeline.device),
            "dtype": str(self._pipeline.dtype).removeprefix("torch."),
            **timings.as_dict(),
        }

    def _remake(self, timings: "Timings") -> "tuple[Portrait, DrivingClip | None, Animation]":
        from imtalker.pipeline.remake import InputFiles, remake
        from imtalker.speech import speak_again

        assert self._recipe is not None
        folders = (Path(self._arguments.recipe).parent, Path())
        files = InputFiles(recipe_files(self._arguments), folders, self._arguments.force)
        with timings.measure("speaking"):
            spoken = speak_again(self._recipe, files.force)
        return remake(self._pipeline, self._recipe, files, timings, spoken)

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
            job.portrait, face=arguments.face, crop=self._crop, background=self._background, timings=timings
        )
        common: dict[str, Any] = {name: getattr(arguments, name) for name in ("paste_back", "max_side", "label")}
        common["timings"] = timings
        if self._motion is not None:
            return portrait, None, pipeline.render_motion(portrait, self._motion, audio=job.driver, **common)
        said = job.driver if self._text is None else self._speak(timings)
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
            assert self._text is not None
            text, voice, speed = self._text
            with timings.measure("speaking"):
                self._spoken = speak(text, voice, speed)
        return self._spoken

    def _clip(self, path: Path, timings: "Timings") -> "DrivingClip":
        """A driving clip with what the options say of it, or the clip whose head is followed."""
        if path not in self._clips:
            driving: dict[str, Any] = {}
            if self._arguments.video:
                driving = {"face": self._arguments.video_face, "crop": self._video_crop}
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


def _remade_target(arguments: argparse.Namespace) -> Path:
    name = f"{Path(arguments.recipe).stem}-again.mp4"
    target = Path(arguments.output or name)
    return target / name if target.is_dir() else target


def _check_target(job: Job) -> None:
    target = checked_target(job.output, (".mp4",))
    for source in (job.portrait, job.driver):
        if source is not None and target.exists() and source.exists() and target.samefile(source):
            raise InputError(f"output {target} is also an input; choose another name")


def _report(arguments: argparse.Namespace, facts: dict, results: list[dict], failures: list[dict]) -> None:
    from imtalker.commands.info import versions

    if arguments.json:
        print(json.dumps({**facts, "versions": versions()}))  # noqa: T201
        return
    for result in results:
        print_run(result)
    if failures:
        names = ", ".join(Path(failure["portrait"]).name for failure in failures)
        print(f"{len(failures)} of {len(failures) + len(results)} failed: {names}", file=sys.stderr)  # noqa: T201
