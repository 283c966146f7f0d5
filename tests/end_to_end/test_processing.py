"""Somebody's code runs on every file of a topic: once, in order for each path, with its failures its own."""

from __future__ import annotations

import threading
import time

from lab import Lab, expect, files_of, put, tree

from openmsistream.processing.file import File
from openmsistream.processing.stage import Patience


class Seen:
    """A function that remembers what it was given."""

    def __init__(self) -> None:
        self.files: list[tuple[str, bytes]] = []

    def __call__(self, file: File) -> None:
        self.files.append((file.path, file.read_bytes()))

    @property
    def paths(self) -> list[str]:
        return sorted(path for path, _ in self.files)


def send(lab: Lab, count: int) -> None:
    """Send what stands in the source folder, so many files."""
    with lab.uploading(upload_existing=True) as uploader:
        expect(lambda: uploader.tally.files >= count)


def test_each_file_is_given_once_whatever_its_size(lab: Lab) -> None:
    lab.make_topic(3)
    wanted = {"a.txt": b"small", "sub/b.bin": bytes(range(256)) * 9000, "empty": b""}
    for path, data in wanted.items():
        put(lab.source, path, data)
    send(lab, 3)
    seen = Seen()
    with lab.processing(seen, group="g") as engine:
        expect(lambda: engine.tally.files == 3)
    assert dict(seen.files) == wanted
    assert files_of(lab.target) == {}
    with lab.processing(seen, group="g") as engine:
        put(lab.source, "later", b"x")
        send(lab, 1)
        expect(lambda: engine.tally.files == 1)
    assert seen.paths == ["a.txt", "empty", "later", "sub/b.bin"]


def test_from_the_beginning_all_run_again(lab: Lab) -> None:
    lab.make_topic(1)
    put(lab.source, "a", b"1")
    send(lab, 1)
    seen = Seen()
    with lab.processing(seen, group="g") as engine:
        expect(lambda: engine.tally.files == 1)
    with lab.processing(seen, group="g", from_beginning=True) as engine:
        expect(lambda: engine.tally.files == 1)
    assert seen.paths == ["a", "a"]


def test_in_mode_disk_files_stay_in_the_folder(lab: Lab) -> None:
    lab.make_topic(1)
    put(lab.source, "sub/a.bin", b"x" * 2_000_000)
    put(lab.source, "b.txt", b"small")
    send(lab, 2)
    places = []
    with lab.processing(lambda file: places.append((file.in_memory, file.place)), mode="disk") as engine:
        expect(lambda: engine.tally.files == 2)
    assert {(False, lab.target / "sub" / "a.bin"), (False, lab.target / "b.txt")} == set(places)
    assert tree(lab.target) == tree(lab.source)


def test_a_file_larger_than_the_memory_that_is_left_is_on_disk_for_its_run_only(lab: Lab) -> None:
    lab.make_topic(1)
    put(lab.source, "sub/large.bin", b"x" * 3_000_000)
    send(lab, 1)
    seen = []
    with lab.processing(lambda f: seen.append((f.in_memory, f.read_bytes())), memory_limit=1_000_000) as engine:
        expect(lambda: engine.tally.files == 1)
    assert seen == [(False, b"x" * 3_000_000)]
    assert [p for p in lab.target.rglob("*") if p.is_file() and "LOGS" not in p.parts] == []


def test_a_failing_file_is_tried_again_then_listed_and_the_others_go_on(lab: Lab) -> None:
    lab.make_topic(1)
    for name in "abc":
        put(lab.source, name, name.encode())
    send(lab, 3)
    calls: list[str] = []

    def work(file: File) -> None:
        calls.append(file.path)
        if file.path == "b":
            raise ValueError("no such peak")

    with lab.processing(work, group="g", patience=Patience(2, 0.05)) as engine:
        expect(lambda: engine.tally.files == 2 and bool(engine.tally.failed))
    assert "no such peak" in engine.tally.failed["b"]
    assert sorted(calls) == ["a", "b", "b", "b", "c"]
    assert lab.committed("g") == [len(lab.records())]


def test_long_work_holds_only_its_own_offset_and_nobody_waits_for_it_at_the_end(lab: Lab) -> None:
    lab.make_topic(1)
    put(lab.source, "0-long", b"")
    send(lab, 1)
    for number in range(20):
        put(lab.source, f"{number}", b"x")
    with lab.uploading(upload_existing=True) as uploader:
        expect(lambda: uploader.tally.files >= 20)
    end = threading.Event()
    ran: list[str] = []

    def work(file: File) -> None:
        if file.path == "0-long":
            end.wait(30)
        else:
            ran.append(file.path)

    began = time.monotonic()
    with lab.processing(work, group="g") as engine:
        expect(lambda: engine.tally.files == 20)
        engine.stop(1.0)
        engine.join()
        assert time.monotonic() - began < 20
    end.set()
    again = Seen()
    with lab.processing(again, group="g") as engine:
        expect(lambda: engine.tally.files == 1)
    assert again.paths == ["0-long"]


def test_versions_of_a_path_run_in_order_and_not_side_by_side(lab: Lab) -> None:
    lab.make_topic(1)
    file = lab.source / "a"
    seen: list[bytes] = []
    running = threading.Lock()

    def work(given: File) -> None:
        assert running.acquire(blocking=False)
        time.sleep(0.1)
        seen.append(given.read_bytes())
        running.release()

    with lab.uploading(upload_existing=True) as uploader:
        for number in range(4):
            file.write_bytes(b"version %d" % number)
            expect(lambda: uploader.tally.files > number)  # noqa: B023
    with lab.processing(work, workers=4) as engine:
        expect(lambda: engine.tally.files == 4)
    assert seen == [b"version %d" % number for number in range(4)]


def test_a_partition_that_goes_and_comes_back_does_not_run_a_file_twice_that_still_runs(lab: Lab) -> None:
    lab.make_topic(2)
    for number in range(6):
        put(lab.source, f"{number}", b"x")
    send(lab, 6)
    end = threading.Event()
    began: list[str] = []

    def work(file: File) -> None:
        began.append(file.path)
        end.wait(60)

    with lab.processing(work, workers=6, group="g") as engine:
        expect(lambda: len(began) == 6)
        with lab.processing(lambda file: None, root=lab.place / "other", group="g") as other:
            expect(lambda: other.receiving is not None and len(other.receiving.lanes) == 1)
        taken = set(other.tally.recent)
        expect(lambda: engine.receiving is not None and len(engine.receiving.lanes) == 2)
        time.sleep(1.0)
        end.set()
        expect(lambda: engine.tally.files + len(taken) == 6, shown=lambda: (engine.tally, taken))
    assert taken.isdisjoint(engine.tally.recent)
    assert sorted(began) == [f"{number}" for number in range(6)]


def test_a_long_run_stays_in_its_group_beyond_the_time_that_a_member_may_be_silent(lab: Lab) -> None:
    lab.config_file(consumer="max.poll.interval.ms = 6000\nsession.timeout.ms = 3000\nheartbeat.interval.ms = 500\n")
    lab.make_topic(1)
    for number in range(200):
        put(lab.source, f"{number:03}", b"x")
    send(lab, 200)
    began: list[str] = []

    def work(file: File) -> None:
        began.append(file.path)
        if len(began) == 1:
            time.sleep(10)

    with lab.processing(work, workers=1, group="g") as engine:
        expect(lambda: engine.tally.files == 200, 40, lambda: engine.tally)
    assert len(began) == 200


def test_partitions_that_are_lost_while_it_stands_still_are_read_again_when_they_come_back(lab: Lab) -> None:
    lab.config_file(
        consumer="session.timeout.ms = 1500\nheartbeat.interval.ms = 1500\n"
    )  # the group misses it now and then
    lab.make_topic(1)
    for number in range(200):
        put(lab.source, f"{number:03}", b"x")
    send(lab, 200)
    seen = Seen()

    def work(file: File) -> None:
        if not seen.files:
            time.sleep(6)
        seen(file)

    with lab.processing(work, workers=1, group="g") as engine:
        expect(lambda: len(set(seen.paths)) == 200 and engine.tally.files >= 190, 60, lambda: engine.tally)


def test_a_file_that_went_to_disk_has_its_name_for_code_that_wants_a_path(lab: Lab) -> None:
    lab.make_topic(1)
    put(lab.source, "large.tif", b"x" * 3_000_000)
    send(lab, 1)
    seen = []
    with lab.processing(
        lambda f: seen.append((f.on_disk().name, f.on_disk().stat().st_size)), memory_limit=1_000_000
    ) as engine:
        expect(lambda: engine.tally.files == 1)
    assert seen == [("large.tif", 3_000_000)]
