"""One app and one browser for all tests of the page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.demo_process import sample_files, served_apart


@pytest.fixture(scope="package")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    sample_files(folder)
    return folder


@pytest.fixture(scope="package")
def address(files, tmp_path_factory) -> Iterator[str]:
    with served_apart(tmp_path_factory.mktemp("served"), files) as url:
        yield url


@pytest.fixture(scope="package")
def browser():
    """One window for all tests, so that the page's scripts are fetched once."""
    from tests.support.page import CHROMIUM, PATIENCE, expect, playwright  # a file of tests without it is skipped

    expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as engine:
        flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium.new_context()
        chromium.close()


@pytest.fixture
def open_page(browser, address):
    """Open the page; at the end, complain about errors on the console and requests to elsewhere."""
    from tests.support.page import PATIENCE

    problems: list[str] = []

    @contextmanager
    def opened(width: int = 1280, height: int = 900, dark: bool = False, stranger: bool = False):
        # Pages of one browser share six connections to a server; a stranger has a browser of their own.
        context = browser.browser.new_context() if stranger else browser
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on("console", lambda m: problems.append(f"console: {m.text}") if _is_fault(m) else None)
        page.on(
            "request",
            lambda request: problems.append(f"external: {request.url}") if _is_external(request.url, address) else None,
        )
        try:
            page.goto(address)
            page.get_by_role("button", name="Make it talk").wait_for()
            page.get_by_text("25 frames per second").first.wait_for()
            yield page
        finally:  # else its connections would keep the next test's page waiting
            page.close()
            if stranger:
                context.close()

    yield opened
    assert not problems, problems


def _is_fault(message) -> bool:
    """An error on the console, but for what Gradio says of a connection that a reload ends."""
    ended = ("signal is aborted", "Connection errored out")
    return message.type == "error" and not any(words in message.text for words in ended)


def _is_external(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))
