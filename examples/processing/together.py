"""As peaks.py, with the files shared by all programs of the group "lab"; each keeps its notes in a folder of its own."""

import sys

from openmsistream import process_files
from peaks import show

if __name__ == "__main__":
    process_files("spectra", show, config="local", group="lab", output_dir=sys.argv[1])
