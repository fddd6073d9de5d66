"""One module per command of the command line: ``add_parser`` describes it, its ``run`` does it."""
