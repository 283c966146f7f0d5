"""As peaks.py, with the files shared by all programs of the group "lab"; each keeps its notes in a folder of its own."""

import sys

from peaks import show

from openmsistream import process_files

if __name__ == "__main__":
    process_files("spectra", show, config="local", group="lab", output_dir=sys.argv[1])
