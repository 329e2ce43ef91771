"""The monitor: follows PBXs and publishes what happens to their calls."""
