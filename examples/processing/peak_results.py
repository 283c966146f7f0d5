"""Puts where the peak of each spectrum is on another topic, as JSON."""

from typing import Any

from peaks import peak

from openmsistream import MetadataJSONReproducer


class PeakResults(MetadataJSONReproducer):
    """Sends the place of the peak of each spectrum to another topic."""

    def _get_metadata_dict_for_file(self, datafile: Any) -> dict[str, Any]:
        return {"file": datafile.file.path, "peak": peak(datafile.file)}


if __name__ == "__main__":
    PeakResults.run_from_command_line()
