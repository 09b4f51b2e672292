"""The command line: the arguments of each command, and what it does. Everything is imported late: `--help` is quick."""
