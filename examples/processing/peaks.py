"""Prints where the peak of each spectrum is."""

from openmsistream import File, process_files


def peak(file: File) -> float:
    lines = file.read_bytes().decode().splitlines()
    points = [line.split(",") for line in lines if not line.startswith("#")]
    return float(max(points, key=lambda point: float(point[1]))[0])


def show(file: File) -> None:
    print(f"{file.path}: peak at {peak(file):g}\n", end="")


if __name__ == "__main__":
    process_files("spectra", show, config="local")
