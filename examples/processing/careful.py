"""As peaks.py, for code that may crash or hang: each run is in a process of its own, for two seconds at most."""

import os
import time

from peaks import show

from openmsistream import File, process_files


def fragile(file: File) -> None:
    if file.name == "crash.csv":
        os.abort()
    if file.name == "hang.csv":
        time.sleep(3600)
    show(file)


if __name__ == "__main__":
    process_files("spectra", fragile, config="local", workers="process", timeout=2, retries=0)
