"""What tests can use, our own and those of others: makers of files, and promises to be checked. Never used by programs."""
