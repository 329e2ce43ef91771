"""Switchhook's platform: the capabilities that its services share."""

__version__ = "0.1.0"
