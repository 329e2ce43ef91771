"""Draws the dashboards with the data that a Prometheus had of a course: `make pictures`."""
