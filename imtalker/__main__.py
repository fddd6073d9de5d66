"""``python -m imtalker``."""

import sys

from imtalker.cli import main

sys.exit(main())
