"""Make the files of examples/instrument: python examples/make_instrument_files.py FOLDER

They look like what a small indentation instrument writes, and are nobody's data: everything is calculated
here, to the same bytes each time.
"""

from __future__ import annotations

import json
import math
import random
import struct
import sys
from pathlib import Path

SIZE = 256
"""Pixels of the image in each direction."""

POINTS = 950
"""Points of the curve, loading and unloading together."""

TIP_AREA = 24.5
"""Contact area of an ideal Berkovich tip over the square of the depth."""


def curve(hardness_gpa: float, points: int, chance: random.Random) -> str:
    """Time, depth and load of one indentation: quadratic loading, steeper unloading, and noise."""
    lines = ["time_s,depth_nm,load_mN"]
    deepest = 800.0
    most = hardness_gpa * TIP_AREA * deepest**2 * 1e-6
    for n in range(points):
        at = n / (points - 1)
        if at < 0.6:
            depth, load = deepest * at / 0.6, most * (at / 0.6) ** 2
        else:
            back = (at - 0.6) / 0.4
            depth, load = deepest * (1 - 0.22 * back), most * (1 - back) ** 1.5
        noise = chance.random() - 0.5
        lines.append(f"{30 * at:.3f},{max(0.0, depth + 2 * noise):.2f},{max(0.0, load + 0.4 * noise):.4f}")
    return "\n".join(lines) + "\n"


def image(chance: random.Random) -> bytes:
    """The surface after the indentation, as a 16-bit PGM: a three-sided imprint, a rim around it, a tilt and noise."""
    rows = bytearray()
    for y in range(SIZE):
        for x in range(SIZE):
            u, v = (x - SIZE / 2) / SIZE, (y - SIZE / 2) / SIZE
            wall = max(u * math.cos(a) + v * math.sin(a) for a in (math.pi / 2, 7 * math.pi / 6, 11 * math.pi / 6))
            height = 30000 + 2500 * u + 60 * (chance.random() - 0.5)
            height += -18000 * (1 - wall / 0.15) if wall < 0.15 else 3000 * math.exp(-(((wall - 0.15) / 0.04) ** 2))
            rows += struct.pack(">H", min(65535, max(0, round(height))))
    return f"P5\n# surface after indentation 1, 65535 = 4 um\n{SIZE} {SIZE}\n65535\n".encode() + bytes(rows)


def metadata() -> str:
    """What the instrument knows of the run."""
    return json.dumps(
        {
            "instrument": "demonstration indenter",
            "run": 1,
            "operator": "nobody",
            "material": "α-Ti",
            "tip": {"kind": "Berkovich", "area_over_depth_squared": TIP_AREA},
            "temperature_C": 21.4,
            "files": ["indent_0001.csv", "surface_0001.pgm", "Härte_α-Titan.csv"],
        },
        ensure_ascii=False,
        indent=2,
    )


def notes() -> str:
    """A diary of the run, line by line."""
    steps = [
        "approach",
        "contact found",
        "load to 800 nm",
        "hold 2 s",
        "unload",
        "drift 0.02 nm/s",
        "scan of the surface",
    ]
    lines = [f"2024-01-01T10:{n:02}:00+00:00  {step}" for n, step in enumerate(steps)]
    return "\n".join([*lines, "2024-01-01T10:07:00+00:00  run 1 done, 1 of 1 indentations good"]) + "\n"


def hardness(chance: random.Random) -> str:
    """A small table of results."""
    lines = ["Probe;Härte_GPa;Unsicherheit_GPa"]
    lines += [f"α-Ti {n};{2.9 + 0.3 * chance.random():.3f};{0.05 + 0.02 * chance.random():.3f}" for n in range(1, 25)]
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    """Write all of them."""
    chance = random.Random(1)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "indent_0001.csv": curve(2.9, POINTS, chance).encode(),
        "surface_0001.pgm": image(chance),
        "run.json": metadata().encode(),
        "run_notes.txt": notes().encode(),
        "Härte_α-Titan.csv": hardness(chance).encode(),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
