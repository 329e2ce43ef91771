"""Facts about the repository itself."""
