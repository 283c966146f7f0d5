"""Services under systemd."""
