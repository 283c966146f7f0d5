"""A processor, a reproducer and their broker are killed at random points: each file is processed, and has one result."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from lab import Lab, Program, expect, put

from openmsistream.broker import RunningBroker, start, temporary

PROGRAMS = Path(__file__).parents[1] / "end_to_end"
PLACES = 3
"""Folders, and so ledgers and transactional ids, as on so many machines; killed on one it goes on on another."""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Lab, RunningBroker]]:
    """A lab, and a broker of its own which may be killed."""
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    with temporary(tmp_path / "broker") as broker:
        lab = Lab(broker.address, tmp_path)
        lab.config_file(
            consumer="session.timeout.ms = 3000\nheartbeat.interval.ms = 500\n[producer]\ntransaction.timeout.ms = 5000\n"
        )
        try:
            lab.make_topic(3)
            yield lab, broker
        finally:
            lab.close()


class Killed:
    """A program that is killed and started again, each time in the next of its places."""

    def __init__(self, lab: Lab, module: str, *arguments: object, **env: str) -> None:
        self._lab, self._module, self._arguments = lab, module, arguments
        self._env = {"PYTHONPATH": str(PROGRAMS), **env}
        self.turn = 0
        self.program = self._start()

    def _start(self) -> Program:
        output = self._lab.place / f"{self._module}-{self.turn % PLACES}"
        self.turn += 1
        return self._lab.program(
            self._module, "--config", self._lab.config, "--output_dir", output, *self._arguments, env=self._env
        )

    def strike(self) -> None:
        self.program.kill()
        self.program = self._start()


def results(lab: Lab) -> Counter[str]:
    other = Lab.__new__(Lab)
    other.__dict__.update({**lab.__dict__, "topic": f"{lab.topic}-results"})
    return Counter(message.value().decode() for message in other.records())


def lines(file: Path) -> set[str]:
    return set(file.read_text("utf-8").splitlines()) if file.exists() else set()


def campaign(lab: Lab, broker: RunningBroker, kills: int, seed: int) -> None:
    """So many kills while files come; then every file has been processed, and each has one result."""
    chance = random.Random(seed)
    ran, sizes = lab.place / "ran", dict[str, int]()
    processor = Killed(
        lab,
        "counting_processor",
        "--topic_name",
        lab.topic,
        "--consumer_group_id",
        "p",
        OMS_RAN=str(ran),
        OMS_SLEEP="0.01",
    )
    reproducer = Killed(
        lab, "copying_reproducer", "--consumer_topic_name", lab.topic, "--producer_topic_name", f"{lab.topic}-results",
        "--consumer_group_id", "r", OMS_SLEEP="0.01",
    )  # fmt: skip
    struck: Counter[str] = Counter()
    with lab.uploading(upload_existing=True) as up:
        for turn in range(kills):
            for number in range(20):
                sizes[f"{turn}/{number}.dat"] = chance.choice((0, 10, 1000, 700_000 if number == 0 else 5))
                put(lab.source, f"{turn}/{number}.dat", b"x" * sizes[f"{turn}/{number}.dat"])
            time.sleep(chance.random() * chance.choice((0.5, 2.0, 5.0)))
            who = chance.choices(("processor", "reproducer", "broker"), (5, 5, 1))[0]
            struck[who] += 1
            if who == "broker":
                process = psutil.Process(broker.pid)
                process.kill()
                process.wait(10)
                broker = start(broker.settings)
            else:
                {"processor": processor, "reproducer": reproducer}[who].strike()
        expect(lambda: up.tally.files == len(sizes), 60, lambda: up.tally)
    wanted = {f"{name}:{size}" for name, size in sizes.items()}
    expect(lambda: results(lab).keys() == wanted, 120, lambda: reproducer.program.said)
    expect(lambda: {f"{name} {size}" for name, size in sizes.items()} <= lines(ran), 60, lambda: processor.program.said)
    assert (processor.program.stop(), reproducer.program.stop()) == (0, 0)
    assert {value: count for value, count in results(lab).items() if count > 1} == {}
    print(f"{dict(struck)}; {len(sizes)} files")


def test_some_kills_leave_each_file_processed_and_one_result_of_each(own: tuple[Lab, RunningBroker]) -> None:
    campaign(*own, 12, seed=5)


@pytest.mark.campaign
def test_a_long_campaign_of_kills_of_processors(own: tuple[Lab, RunningBroker], request: pytest.FixtureRequest) -> None:
    kills = request.config.getoption("--kills", default=None) or 300
    seed = request.config.getoption("--kill-seed", default=None) or 1
    campaign(*own, kills, seed)
