"""The command line as its users start it."""
