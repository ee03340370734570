"""The bytes of each API that the simulator speaks: a file is a dialect. ../README.md says what such a file holds."""
