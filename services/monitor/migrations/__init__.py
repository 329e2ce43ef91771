"""Numbered migrations of the monitor's tables."""
