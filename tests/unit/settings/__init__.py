"""The settings: parsing, checking, overriding, showing."""
