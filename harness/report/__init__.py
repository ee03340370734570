"""The post-processor: joins what happened, what was right and what was paid. It reads a run directory, sends nothing."""
