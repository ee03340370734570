"""One file per verb of the command line: the only place that reads the environment, prints and exits."""
