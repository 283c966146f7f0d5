"""What comes of each file is on another topic once, whatever is killed, and wherever it goes on."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest
from lab import Lab, Program, expect, put

PROGRAM = "copying_reproducer"


def results(lab: Lab, topic: str) -> list[str]:
    """The values of the results that a reader of what is committed gets."""
    other = Lab.__new__(Lab)
    other.__dict__.update({**lab.__dict__, "topic": topic})
    return [message.value().decode() for message in other.records()]


def reproducer(
    lab: Lab, *more: object, ran: Path | None = None, output: Path | None = None, sleep: float = 0.0
) -> Program:
    env = {"PYTHONPATH": str(Path(__file__).parent), "OMS_SLEEP": str(sleep), **({"OMS_RAN": str(ran)} if ran else {})}
    return lab.program(
        PROGRAM, "--config", lab.config, "--consumer_topic_name", lab.topic, "--producer_topic_name", f"{lab.topic}-results",
        "--output_dir", output or lab.place / "output", "--consumer_group_id", f"{lab.topic}-group", *more, env=env,
    )  # fmt: skip


def test_each_file_has_one_result_with_its_source_in_the_headers(lab: Lab) -> None:
    lab.make_topic(2)
    put(lab.source, "sub/a.txt", "four")
    put(lab.source, "b.bin", b"x" * 1_500_000)
    with lab.uploading(upload_existing=True) as up:
        expect(lambda: up.tally.files == 2)
    program = reproducer(lab)
    expect(
        lambda: sorted(results(lab, f"{lab.topic}-results")) == ["b.bin:1500000", "sub/a.txt:4"],
        shown=lambda: program.said,
    )
    assert program.stop() == 0, program.said


@pytest.mark.parametrize("seed", range(5))
def test_killed_again_and_again_there_is_one_result_for_each_file(lab: Lab, seed: int) -> None:
    chance = random.Random(seed)
    lab.make_topic(3)
    wanted = {f"{n}.txt": f"{n}.txt:{n}" for n in range(150)}
    for number, name in enumerate(wanted):
        put(lab.source, name, b"x" * number)
    with lab.uploading(upload_existing=True) as up:
        expect(lambda: up.tally.files == len(wanted))
    for turn in range(3):
        program = reproducer(lab, output=lab.place / f"output{turn % 2}", sleep=0.01)
        time.sleep(1.2 + chance.random() * 1.5)
        program.kill()
    last = reproducer(lab, output=lab.place / "output2")
    expect(lambda: set(results(lab, f"{lab.topic}-results")) == set(wanted.values()), 60, lambda: last.said)
    assert last.stop() in (0, -15)  # the latter when the others have left it nothing and it is still starting
    assert Counter(results(lab, f"{lab.topic}-results")) == Counter(wanted.values())
