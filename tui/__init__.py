"""Everything that faces the terminal: the command line and the screens."""
