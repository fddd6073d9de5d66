"""An option of a run, written down once: as metadata of a field of its request (see ``requests``).

Signature and docstring of the endpoint, labels and limits of the widgets and the code beside a result are all read
from here.
"""

import dataclasses
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from imtalker.config import GeneratorConfig, Limits
from imtalker.errors import InputError

Kind = Literal["picture", "sound", "clip", "file", "number", "text", "switch"]
FILE_KINDS = ("picture", "sound", "clip", "file")

NAMED_HEAD = "named_head"  # an ability: the motion has channels for the head
NAMED_MOUTH = "named_mouth"  # an ability: the motion tells the mouth from the rest
STYLES = "styles"  # an ability: trained with motion statistics as a condition
REASONS = {
    NAMED_HEAD: "its motion does not name the head",
    NAMED_MOUTH: "its motion does not tell the mouth from the rest",
    STYLES: "it was not trained with styles",
}


@dataclass(frozen=True)
class Option:
    """What is to be said about one option.

    Args:
        words: one sentence for programs, the endpoint's documentation.
        label, info: of the widget.
        limits: what a number may be.
        offered: what the page's slider shows of that; None: all.
        choices: what a text may be; empty: anything.
        flag: option of the command line; empty: it has none.
        percent: on page and endpoint in per cent of what command line and core take.
        needs: ability of the preset without which it cannot be used.
        missing: what to say where a needed file is not given.
    """

    words: str
    kind: Kind = "number"
    label: str = ""
    info: str = ""
    limits: Limits | None = None
    offered: Limits | None = None
    step: float = 1
    choices: tuple[str, ...] = ()
    flag: str = ""
    percent: bool = False
    needs: str = ""
    missing: str = ""

    def field(self, default: Any = MISSING) -> Any:
        """As a field of a dataclass; without a default it has to be given."""
        return field(default=default, metadata={"option": self})

    @property
    def is_file(self) -> bool:
        return self.kind in FILE_KINDS

    @property
    def slider(self) -> Limits:
        """The ends of the page's slider."""
        limits = self.offered or self.limits
        assert limits is not None
        return limits

    def checked(self, name: str, value: Any, default: Any) -> Any:
        """The value in its proper type; ``default`` where nothing is given.

        Raises:
            InputError: out of range, of another type, or missing although it is needed.
        """
        if value is None or value == "":
            if default is MISSING:
                raise InputError(self.missing or f"{name} is missing; give it")
            return default
        if self.kind == "switch":
            if value not in (True, False):
                raise InputError(f"{name} is {value!r:.60}; give true or false")
            return bool(value)
        if self.kind == "text" and not isinstance(value, str):
            raise InputError(f"{name} is {value!r:.60}; give a text")
        if self.limits is not None:
            if self.limits.whole and isinstance(value, float) and value.is_integer():
                value = int(value)  # numbers of a page are floats
            self.limits.check(name, value)
            value = value if self.limits.whole else float(value)
        if self.choices and value not in self.choices:
            raise InputError(f"{name} is {value!r:.60}; choose one of {', '.join(self.choices)}")
        return value


class Request:
    """Base of the requests: frozen dataclasses whose fields are options."""

    endpoint: ClassVar[str]  # name of the endpoint that takes it
    command: ClassVar[str] = "animate"  # what does the same on the command line
    heard: ClassVar[str]  # the field whose sound the result has

    def __post_init__(self) -> None:
        for name, option in self.options().items():
            value = option.checked(name, getattr(self, name), self.defaults()[name])
            object.__setattr__(self, name, value)

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Name -> option, in the order of the endpoint's parameters."""
        return {f.name: f.metadata["option"] for f in dataclasses.fields(cls)}  # pyright: ignore[reportArgumentType]

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Name -> default; ``MISSING`` where there is none."""
        return {f.name: f.default for f in dataclasses.fields(cls)}  # pyright: ignore[reportArgumentType]

    @classmethod
    def optional(cls) -> set[str]:
        """The options that have a default."""
        return {name for name, default in cls.defaults().items() if default is not MISSING}

    @classmethod
    def documentation(cls) -> str:
        """The docstring of the endpoint."""
        lines = [f"    {name}: {option.words}" for name, option in cls.options().items()]
        return "\n".join([(cls.__doc__ or "").strip(), "", "Args:", *lines])

    def given(self) -> dict[str, Any]:
        """The options that were asked for: those that are not what they would be anyway."""
        defaults = self.defaults()
        return {name: getattr(self, name) for name in self.options() if getattr(self, name) != defaults[name]}

    def files(self) -> dict[str, str]:
        """Name -> path of the files that were sent."""
        return {name: value for name, value in self.given().items() if self.options()[name].is_file}

    def settings(self) -> dict[str, Any]:
        """Everything else, whether asked for or not."""
        return {name: getattr(self, name) for name, option in self.options().items() if not option.is_file}

    def check_files(self) -> None:
        """Raise InputError for a file that is not there any more."""
        for name, path in self.files().items():
            check_present(path, self.options()[name].label.lower() or name)

    def check_abilities(self, preset: str, generator: GeneratorConfig) -> None:
        """Raise InputError for an option that the preset cannot do, before anything is computed."""
        able = abilities(generator)
        for name in self.given():
            option = self.options()[name]
            if option.needs and not able[option.needs]:
                remedy = "leave it out" if name in self.optional() else "use preset tiny"
                raise InputError(f"{name} cannot be used with preset {preset!r}: {REASONS[option.needs]}; {remedy}")


def abilities(generator: GeneratorConfig) -> dict[str, bool]:
    """What a preset can do that not all can."""
    named = generator.motion_layout == "explicit"
    return {NAMED_HEAD: named, NAMED_MOUTH: named, STYLES: generator.statistics_dim > 0}


def check_present(path: str, what: str) -> None:
    """Raise InputError where an upload or result has been cleared away."""
    if not Path(path).is_file():
        raise InputError(f"the {what} is gone: files are removed after an hour; add it again")
