"""A processor that is killed at random points and goes on here or elsewhere: no file is left out, few run twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest
from lab import Lab, Program, expect, put, wait_until

SLEEP = 0.02
THREADS = 2
UNCOMMITTED = THREADS * (1 + round(1.0 / SLEEP))
"""Runs that a kill may take back: those that go on, and what ended within the last second, twice the time between commits."""


def processor(lab: Lab, ran: Path, output: str = "output", *more: object, sleep: float = SLEEP, **env: str) -> Program:
    env = {"PYTHONPATH": str(Path(__file__).parent), "OMS_SLEEP": str(sleep), "OMS_RAN": str(ran), **env}
    return lab.program(
        "counting_processor", "--config", lab.config, "--topic_name", lab.topic, "--output_dir", lab.place / output,
        "--consumer_group_id", f"{lab.topic}-group", *more, env=env,
    )  # fmt: skip


def send(lab: Lab, sizes: dict[str, int]) -> None:
    for name, size in sizes.items():
        put(lab.source, name, b"x" * size)
    with lab.uploading(upload_existing=True) as up:
        expect(lambda: up.tally.files == len(sizes))


def lines(ran: Path) -> list[str]:
    return ran.read_text("utf-8").splitlines() if ran.exists() else []


def ended(ran: Path) -> Counter[str]:
    """How often the function has returned for each file, with the size that it saw."""
    return Counter(line for line in lines(ran) if not line.endswith(" began"))


@pytest.mark.parametrize("seed", range(3))
def test_killed_five_times_every_file_has_run_and_few_ran_twice(lab: Lab, seed: int) -> None:
    chance = random.Random(seed)
    lab.make_topic(3)
    sizes = {f"{n}.dat": 700_000 if n % 40 == 0 else n for n in range(400)}
    send(lab, sizes)
    ran = lab.place / "ran"
    for turn in range(5):
        before = len(lines(ran))
        program = processor(lab, ran, f"output{turn % 2}")
        assert wait_until(lambda: len(lines(ran)) > before, 20), program.said  # noqa: B023
        time.sleep(chance.random() * 0.8)
        program.kill()
    last = processor(lab, ran, "output2", sleep=0)
    expect(lambda: ended(ran).keys() == {f"{name} {size}" for name, size in sizes.items()}, 60, lambda: last.said)
    assert last.stop() == 0
    twice = ended(ran).total() - len(sizes)
    assert twice <= 5 * UNCOMMITTED
    again = processor(lab, ran, "output2", sleep=0)
    again.wait_for("reading as a member")
    time.sleep(1.0)
    assert again.stop() == 0
    assert ended(ran).total() - len(sizes) == twice


def test_a_file_that_kills_the_program_three_times_is_listed_and_the_others_are_done(lab: Lab) -> None:
    lab.make_topic(1)
    send(lab, {"good.dat": 5, "killer.dat": 7})
    ran = lab.place / "ran"
    for _ in range(3):
        program = processor(lab, ran, OMS_DIES_AT="killer.dat")
        assert program.ends(30) == -9
    last = processor(lab, ran, OMS_DIES_AT="killer.dat")
    last.wait_for("killer.dat .*died 3 times")
    assert last.stop() == 0
    assert ended(ran).keys() == {"good.dat 5"}
    assert lines(ran).count("killer.dat began") == 3


def test_two_processes_of_one_group_share_the_files(lab: Lab) -> None:
    lab.make_topic(4)
    ran = [lab.place / "one", lab.place / "two"]
    programs = [processor(lab, file, f"{file.name}-output") for file in ran]
    for program in programs:
        program.wait_for("files are shared with 1 other")
    sizes = {f"{n}.dat": n for n in range(100)}
    send(lab, sizes)
    both = {f"{name} {size}" for name, size in sizes.items()}
    expect(lambda: ended(ran[0]).keys() | ended(ran[1]).keys() == both)
    for program in programs:
        assert program.stop() == 0
    assert ended(ran[0]).total() + ended(ran[1]).total() == len(sizes)
    assert min(map(len, map(ended, ran))) > 0
