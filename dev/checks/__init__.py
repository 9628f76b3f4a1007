"""The stages of `make test`. Each is a command of its own, in the Makefile."""
