"""Programs that users wrote do the same with the published package and with ours: side by side, on the same topics."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from confluent_kafka.admin import NewTopic
from lab import expect, put
from mixed_lab import MixedLab, Published

from openmsistream import UploadDataFile

FILES = {
    "results": {"a.txt": "A", "sub/deep/b.txt": "B" * 20_000, "returns.txt": "C", "ünï.txt": "Ü"},
    "chunks": {"a.txt": "abc", "sub/b.txt": "B" * 20_000},
    "own_options": {"a.txt": "1 2 3", "sub/b.txt": "4"},
    "own_datafile": {"a.txt": "a;b\nc;d", "sub/b.txt": "e"},
    "metadata": {"a.txt": "temp=3,gas=Ar\n", "sub/b.txt": "temp=4,gas=N2\n", "bad.txt": "nonsense"},
    "reproducer": {"a.txt": "abc", "sub/b.txt": "abcd", "bad.txt": "x"},
}
"""What each of them is given."""


LINES = {"results": 8, "chunks": 2, "own_options": 2, "own_datafile": 2, "metadata": 0, "reproducer": 0}
"""How many lines a program writes to its output folder in all."""

RESULTS = {"metadata": 2, "reproducer": 2}
"""How many records come of the files, where a program writes those."""

SIDES = ("ours", "theirs")


def made(folder: Path) -> dict[str, list[str]]:
    """What a program has written to its output folder, apart from logs: the lines of each file, in any order."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and "LOGS" not in file.parts]
    return {file.relative_to(folder).as_posix(): sorted(file.read_text("utf-8").splitlines()) for file in files}


def upload(lab: MixedLab, topic: str, files: dict[str, str]) -> None:
    source = (lab.place / topic).resolve()
    for path, text in files.items():
        with UploadDataFile(put(source, path, text), rootdir=source, streamlevel="error") as file:
            file.upload_whole_file(lab.config, topic, chunk_size=16384)


class Both:
    """Users' programs on both sides: what each reads from, where it writes to."""

    def __init__(self, lab: MixedLab) -> None:
        self.lab = lab
        self.base = lab.topic
        self.running: list[Published] = []
        self.text = lab.place / "text.config"
        serializer = ("value.serializer = DataFileChunkSerializer", "value.serializer = StringSerializer")
        self.text.write_text(lab.config.read_text("utf-8").replace(*serializer), "utf-8")
        results = [self.results(name, side) for name in RESULTS for side in SIDES]
        new = [NewTopic(topic, 1) for topic in (*map(self.topic, FILES), *results)]
        for future in lab.admin.create_topics(new).values():
            future.result(15)

    def topic(self, name: str) -> str:
        return f"{self.base}-{name}"

    def results(self, name: str, side: str) -> str:
        return f"{self.base}-{name}-{side}"

    def folder(self, name: str, side: str) -> Path:
        return self.lab.place / f"{name}-{side}"

    def start(self, name: str, side: str) -> None:
        """Each side has a group of its own, so that it is given everything."""
        config, topic, folder = self.lab.config, self.topic(name), self.folder(name, side)
        group = f"{topic}-{side}"
        folder.mkdir()
        match name:
            case "results":
                args: list[object] = [config, topic, folder, group, "both"]
            case "own_options":
                args = ["north", "--config", config, "--topic_name", topic, "--output_dir", folder, "--factor", 3]
                args += ["--consumer_group_id", group]
            case "metadata" | "reproducer":
                args = [self.text, topic, self.results(name, side), folder, group]
            case _:
                args = [config, topic, folder, group]
        begin = self.lab.users_with_ours if side == "ours" else self.lab.users
        self.running.append(begin(name, *args))

    def produced(self, name: str, side: str) -> dict[bytes | None, bytes | None]:
        """The results on its topic; a transaction's own records have no key."""
        self.lab.topic = self.results(name, side)
        return {message.key(): message.value() for message in self.lab.records() if message.key()}

    def complete(self) -> bool:
        written = {(name, side): made(self.folder(name, side)).values() for name in FILES for side in SIDES}
        lines = (sum(map(len, texts)) >= LINES[name] for (name, _), texts in written.items())
        return all(lines) and all(len(self.produced(*key)) == RESULTS[key[0]] for key in product(RESULTS, SIDES))

    def stop(self) -> None:
        for program in self.running:
            assert program.process.stdin is not None
            program.process.stdin.write(b"q\n")
            program.process.stdin.flush()
        expect(lambda: all(program.process.poll() == 0 for program in self.running), 60, self.said)

    def said(self) -> str:
        return "\n".join(program.said for program in self.running)


def test_they_do_the_same_on_both_sides(lab: MixedLab) -> None:
    """All at the same time, since the published package needs seconds for each beginning and end."""
    both = Both(lab)
    for name, files in FILES.items():
        upload(lab, both.topic(name), files)
    for name, side in product(FILES, SIDES):
        both.start(name, side)
    expect(both.complete, 90, both.said)
    both.stop()
    for name in FILES:
        assert made(both.folder(name, "ours")) == made(both.folder(name, "theirs")), name
    for name in RESULTS:
        assert both.produced(name, "ours") == both.produced(name, "theirs"), name
    returned = [line for line in both.said().splitlines() if line.startswith("RETURNED")]
    assert returned[:2] == ["RETURNED 3"] * 2


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_class_may_mix_in_runnable_of_openmsitoolbox_before_ours_or_after(
    lab: MixedLab, toolbox: Path, place: str
) -> None:
    lab.make_topic()
    upload(lab, lab.topic, {"a.txt": "abc"})
    options = ["--config", lab.config, "--topic_name", lab.topic, "--output_dir", lab.target]
    program = lab.users_with_ours("mixing_in", place, *options, python=toolbox)
    sizes = lab.target / "sizes.txt"
    expect(lambda: sizes.is_file() and sizes.read_text("utf-8").endswith("\n"), 30, lambda: program.said)
    assert sizes.read_text("utf-8") == f"{place.title()} a.txt 3\n"
    program.quit()
    assert (program.process.returncode, "RETURNED" in program.said) == (0, True)
    assert f"made {place.title()}" in program.said


def test_a_processor_of_records_may_mix_it_in_as_well(lab: MixedLab, toolbox: Path) -> None:
    lab.make_topic()
    lab.produce((b"k", b"one", ()))
    config = lab.config_file("strings", consumer="value.deserializer = StringDeserializer\n")
    program = lab.users_with_ours("mixing_records", "--config", config, "--topic_name", lab.topic, python=toolbox)
    expect(lambda: "GOT one" in program.said, 30, lambda: program.said)
    program.quit()
    assert program.process.returncode == 0
