"""Whole files are handed to somebody's code, and what it gives back goes on."""
