"""Hostile inputs, built by code: what a stranger may put into a mailbox or a directory."""
