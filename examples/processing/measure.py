"""Plays an instrument: `measure.py alpha=50` writes a spectrum with its peak at 50 to data/alpha.csv."""

import math
import sys
from pathlib import Path

for word in sys.argv[1:]:
    name, peak, *notes = word.split("=")
    lines = [f"# {note}" for note in notes]
    lines += [f"{x},{math.exp(-(((x - float(peak)) / 8) ** 2)):.4f}" for x in range(101)]
    Path("data", f"{name}.csv").write_text("\n".join(lines))
