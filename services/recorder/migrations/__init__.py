"""Numbered migrations of the recorder's tables."""
