"""The record of what is deployed where: read, checked, added to."""
