"""Draws each spectrum as an SVG picture beside the file."""

from threading import Lock
from typing import Any

from openmsistream import DataFileStreamProcessor

PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50">
<polyline fill="none" stroke="black" points="{points}"/>
</svg>
"""


class SpectrumPlots(DataFileStreamProcessor):
    """Draws each spectrum."""

    def _process_downloaded_data_file(self, datafile: Any, lock: Lock) -> None:
        lines = datafile.bytestring.decode().splitlines()
        points = [line.split(",") for line in lines if not line.startswith("#")]
        drawn = " ".join(f"{x},{50 - 45 * float(y):.1f}" for x, y in points)
        datafile.full_filepath.with_suffix(".svg").write_text(PICTURE.format(points=drawn))
        self.logger.info("drew %s", datafile.relative_filepath)


if __name__ == "__main__":
    SpectrumPlots.run_from_command_line()
