"""Training that begins with the weights of an older network."""

import logging
from pathlib import Path

from torch import nn

from imtalker.weights.file import read_weights

logger = logging.getLogger(__name__)


def warm_start(module: nn.Module, path: str | Path) -> None:
    """Take the weights in a file; what it lacks or has in another size starts anew.

    Raises
    ------
    WeightsError: the file is missing or damaged.
    """
    given, _ = read_weights(path)
    own = module.state_dict()
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    logger.info("anew: %s", ", ".join(sorted(set(own) - set(fitting))) or "nothing")
    module.load_state_dict({**own, **fitting})
