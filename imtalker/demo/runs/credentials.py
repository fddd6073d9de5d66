"""Content credentials (C2PA): sign finished videos where a certificate is configured."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from imtalker.demo.settings import Settings
from imtalker.errors import WeightsError

logger = logging.getLogger(__name__)

SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def manifest(edited: bool) -> dict[str, Any]:
    """What is said of a video: made by a trained algorithm, or a recorded one that was edited with it."""
    kind = "compositeWithTrainedAlgorithmicMedia" if edited else "trainedAlgorithmicMedia"
    action = {"action": "c2pa.edited" if edited else "c2pa.created", "digitalSourceType": SOURCES + kind}
    return {
        "claim_generator_info": [{"name": "imtalker"}],
        "format": "video/mp4",
        "title": "AI-edited video" if edited else "AI-generated video",
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }


class Signer:
    """Signs files in place; without certificate it does nothing.

    Args:
        certificate: PEM chain, the signing certificate first.
        key: its private key, PEM (PKCS 8), for ES256.
    """

    def __init__(self, certificate: bytes | None = None, key: bytes | None = None):
        self._certificate, self._key = certificate, key

    @classmethod
    def from_settings(cls, settings: Settings) -> "Signer":
        """Raises WeightsError if only one of the two is given, a file is missing, or c2pa-python is."""
        if not settings.c2pa_cert and not settings.c2pa_key:
            return cls()
        if not settings.c2pa_cert or not settings.c2pa_key:
            raise WeightsError("content credentials need both IMTALKER_C2PA_CERT and IMTALKER_C2PA_KEY; set both")
        try:
            import c2pa  # noqa: F401  # pyright: ignore[reportMissingImports]

            return cls(Path(settings.c2pa_cert).read_bytes(), Path(settings.c2pa_key).read_bytes())
        except ImportError as error:
            raise WeightsError("content credentials need c2pa-python; run: pip install c2pa-python") from error
        except OSError as error:
            raise WeightsError(f"content credentials cannot be read ({error}); check the two paths") from error

    def sign(self, video: Path, edited: bool = False) -> None:
        """Add a signed manifest that says how an algorithm made or edited it; must be the last change of the file."""
        if self._certificate is None or self._key is None:
            return
        import c2pa  # pyright: ignore[reportMissingImports]

        signed = video.with_name(f".{video.stem}-signed{video.suffix}")
        info = c2pa.C2paSignerInfo(
            alg=c2pa.C2paSigningAlg.ES256, sign_cert=self._certificate, private_key=self._key, ta_url=None
        )
        try:
            with c2pa.Signer.from_info(info) as signer, c2pa.Builder(json.dumps(manifest(edited))) as builder:
                builder.sign_file(str(video), str(signed), signer)
            os.replace(signed, video)
        except c2pa.C2paError as error:
            logger.error("a video could not be signed: %s", error)
            signed.unlink(missing_ok=True)
