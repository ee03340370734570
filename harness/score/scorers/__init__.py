"""One scorer per file, named by its file: `scorer(**options)` returns the function that grades one answer to one example."""
