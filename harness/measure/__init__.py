"""Numbers from stamps. Pure: no clock, no file, no socket; `timing`, `histogram`, `recorder` and `slo` load no scipy."""
