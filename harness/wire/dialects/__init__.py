"""One file per API that a provider speaks; the file's name is the dialect's name. `wire/reading.py` says what it must have."""
