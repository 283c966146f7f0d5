"""Figures for this machine, as ratios within one run: `make bench`."""
