"""The command line's commands: each module is one, or a part of one."""
