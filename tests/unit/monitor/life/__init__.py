"""The life of a phone system in virtual time, and a watcher of it that can be disturbed."""
