"""The Gradio demo: ``page`` is what a visitor sees, ``runs`` what happens, ``api`` the endpoints."""
