"""Whether a recipe can be made again: its version, that nothing needed is missing, and that every entry has its form.

Recipes come from files that anybody may have changed; what is inside the entries for sampling, controls and squares is
checked where it is used.
"""

from typing import Any

from imtalker.errors import InputError
from imtalker.pipeline.recipe import VERSION, Recipe

LARGE = 1e9  # no number of a recipe is
FILES = ("portrait", "speech", "driving", "head_from", "motion")  # entries of a recipe that name a file
NEEDED = {
    "audio": ("portrait", "speech", "sampling"),
    "video": ("portrait", "driving"),
    "motion": ("portrait", "motion"),
    "dub": ("edited", "speech", "sampling", "dubbing"),
}
FORMS = {
    **dict.fromkeys((*FILES, "edited", "weights", "sampling", "controls", "dubbing"), "an object"),
    **dict.fromkeys(("preset", "dtype", "mode"), "a text"),
    **dict.fromkeys(("relative", "keep_sound", "paste_back", "label"), "true or false"),
    **dict.fromkeys(("size", "max_side"), "a whole number"),
    "audio_offset": "a number",
    "parts": "a text or a list of texts",
}
FILE_FORMS = {
    **dict.fromkeys(("file", "sha256", "text", "voice", "engine"), "a text"),
    "face": "a whole number",
    "speed": "a number",
    "recipe": "an object",
}


def check_recipe(recipe: Recipe) -> None:
    """Raise InputError for a recipe that cannot be made again."""
    if recipe.get("version") != VERSION:
        raise InputError(
            f"this recipe is of version {recipe.get('version', 1)!s:.40}, not {VERSION}; "
            "make the video with the software that wrote it, or give the options yourself"
        )
    _check_forms(recipe, FORMS, "the recipe")
    missing = [entry for entry in NEEDED.get(str(recipe.get("mode")), ("mode",)) if recipe.get(entry) is None]
    if missing or recipe["mode"] not in NEEDED:
        raise InputError(f"the recipe has no usable {(missing or ['mode'])[0]}; give the recipe of a run")
    for entry in (*FILES, "edited"):
        if recipe.get(entry) is not None:
            _check_forms(recipe[entry], FILE_FORMS, f"{entry} of the recipe")


def _check_forms(values: Recipe, forms: dict[str, str], source: str) -> None:
    for name, form in forms.items():
        value = values.get(name)
        if value is not None and not _has_form(value, form):
            raise InputError(f"{name} in {source} is {value!r:.60}, not {form}; mend it, or give the recipe of a run")


def _has_form(value: Any, form: str) -> bool:
    match form:
        case "an object":
            return isinstance(value, dict)
        case "a text":
            return isinstance(value, str)
        case "true or false":
            return isinstance(value, bool)
        case "a whole number":
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGE
        case "a number":
            return isinstance(value, int | float) and not isinstance(value, bool) and -LARGE < value < LARGE
    texts = value if isinstance(value, list) else [value]
    return all(isinstance(text, str) for text in texts)
