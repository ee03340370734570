"""One file per format. Each has `read(path)`, which yields (line number, row as a mapping) and knows nothing else."""
