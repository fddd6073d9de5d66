"""The parts of the Gradio demo that need no browser; ``app.py`` puts them on a page."""
