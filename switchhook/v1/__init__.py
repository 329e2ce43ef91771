"""Generated from proto/switchhook/v1; never edited."""
