"""Measurements, each as a ratio to a physical limit of the machine in the same run. Nothing here is asserted."""
