"""The visitor's recent results: names kept in the browser, everything else in the service until it is removed."""

import time
from html import escape
from typing import Any

import gradio as gr

from imtalker.demo.runs.files import result_name
from imtalker.demo.runs.live import LiveRun, LiveRuns

LONGEST = 8  # results listed
KINDS = {"audio": "speech", "video": "clip", "dub": "dubbing", "compare": "comparison"}


class Recent:
    """A line of links below the header; empty until there is a result."""

    def __init__(self, runs: LiveRuns):
        self._runs = runs
        # Neither key is a secret: what is stored are names of runs, in the visitor's own browser.
        self.state = gr.BrowserState([], storage_key="imtalker-recent", secret="imtalker-recent")
        self.links = gr.HTML(padding=False, elem_id="recent")

    @property
    def outputs(self) -> list[Any]:
        return [self.state, self.links]

    def remember(self, name: str, known: Any) -> tuple[list[str], str]:
        """The state and the links with one more run."""
        return self.shown([name, *_names(known)])

    def shown(self, known: Any) -> tuple[list[str], str]:
        """What is left of the known runs, and links to them; the newest first."""
        runs = [run for name in dict.fromkeys(_names(known)) if (run := self._runs.find(name))][:LONGEST]
        links = " · ".join(_link(run) for run in runs)
        words = f"<p class='it-recent'>Your results of the last hour: {links}</p>" if runs else ""
        return [run.name for run in runs], words


def _names(known: Any) -> list[str]:
    """Whatever a browser sends is no more than a wish."""
    return [name for name in known if isinstance(name, str)] if isinstance(known, list) else []


def _link(run: LiveRun) -> str:
    files = run.request.files()
    source = next((files[name] for name in ("speech", "driving", "motion") if name in files), None)
    title = result_name(files.get("portrait") or files.get("video"), source)
    minutes = round((time.time() - run.began) / 60)
    ago = "just now" if minutes < 1 else f"{minutes} min ago"
    return f"<a href='?result={run.name}'>{escape(title)}</a> ({KINDS[run.tab]}, {ago})"
