"""Images and the compose file with a real engine: `make test-containers`, no part of `make test`."""
