"""The service that serves recording links."""
