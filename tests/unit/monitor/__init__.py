"""Tests of the monitor's pure core."""
