"""Benchmarks of the hot path, run by `make bench`; never a part of the test suite."""
