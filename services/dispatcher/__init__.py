"""Events in, webhooks out: in order, retried, never lost."""
