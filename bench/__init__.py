"""Measurements; a package only so that its modules are told from others of the same name."""
