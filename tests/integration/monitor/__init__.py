"""The monitor with real neighbours."""
