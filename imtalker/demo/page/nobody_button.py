"""A button for a portrait of nobody; not there where the collection cannot be reached."""

from typing import Any

import gradio as gr

from imtalker.demo.page.widgets import CHECKED
from imtalker.demo.runs.files import new_folder
from imtalker.demo.runs.nobody import Nobodies


class NobodyButton:
    """Fills a picture input, and names the source below it.

    Args:
        nobodies: None: nothing is shown.
    """

    def __init__(self, nobodies: Nobodies | None, target: gr.Image):
        self._nobodies = nobodies
        self.button: gr.Button | None = None
        if nobodies is None:
            return
        self.button = gr.Button("A face of nobody", size="sm", visible=False)
        source = gr.HTML(padding=False)
        self.button.click(self._fetch, None, [target, source], **CHECKED)
        target.clear(lambda: "", None, source, api_visibility="private", queue=False)

    @property
    def outputs(self) -> list[Any]:
        """What ``appear`` changes."""
        return [self.button] if self.button is not None else []

    def appear(self) -> list[Any]:
        """Show the button if the collection can be reached."""
        if self._nobodies is None:
            return []
        return [gr.Button(visible=self._nobodies.are_reachable())]

    def _fetch(self) -> tuple[str, str]:
        assert self._nobodies is not None
        nobody = self._nobodies.fetch(new_folder())
        return str(nobody.path), f"<p class='it-limit'>{nobody.words}</p>"
