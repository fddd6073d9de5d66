"""Portrait + motion latents -> frames."""

from imtalker.renderer.renderer import Renderer
from imtalker.renderer.source import SourceFeatures

__all__ = ["Renderer", "SourceFeatures"]
