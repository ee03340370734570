"""One file per format. Each has `read(path)`, which yields `Traced` in file order, and `fits(path, first)`: is this mine?

`first` is the first line of the file as text, "" for a folder. `fits` looks, and raises nothing.
"""
