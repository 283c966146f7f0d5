"""What survives a restart: the durable record of what was sent and received, in SQLite."""
