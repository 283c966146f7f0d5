"""The two directions: a folder becomes a stream (upload), a stream becomes a folder (download)."""
