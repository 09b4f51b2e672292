"""The command line: the arguments of each command, and what it does.

Rooms are imported late, so that `--help` is quick.
"""
