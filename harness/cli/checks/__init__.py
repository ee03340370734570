"""What `signoff doctor` looks at: a file for each part of a machine, a function for each check."""
