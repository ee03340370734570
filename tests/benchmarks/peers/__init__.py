"""Other tools on the same work: a file with NAME, DISTRIBUTION, PACE, words and heard is a peer."""
