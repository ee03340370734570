"""What to send: examples from a data set's file, prompts from examples, and the order in which users take them."""
