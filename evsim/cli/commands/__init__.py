"""The commands: one file per command, whose function has the file's name."""
