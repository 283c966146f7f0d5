"""Services under Windows."""
