"""Scenarios: what a PBX showed, line by line, and the events of it; captures write them, tests read them. Pure."""
