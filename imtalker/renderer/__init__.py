"""Portrait + motion latents -> frames."""

from imtalker.renderer.painter import Painter, to_frames
from imtalker.renderer.renderer import Renderer
from imtalker.renderer.source import SourceFeatures

__all__ = ["Painter", "Renderer", "SourceFeatures", "to_frames"]
