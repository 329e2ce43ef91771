"""The four services and the one main that starts them."""
