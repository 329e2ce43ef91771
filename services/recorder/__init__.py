"""The service that turns the PBX's recordings into MP3 files."""
