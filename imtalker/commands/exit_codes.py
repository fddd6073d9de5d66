"""How the command line ends."""

DONE = 0
PARTLY = 1  # some of it failed, or a check found something wrong
BAD_INPUT = 2
INTERRUPTED = 130  # Ctrl-C
