"""What is said of processors that cannot work: at the start where it can be known then, and of one file where not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, expect, put

from openmsistream import DataFileStreamProcessor, DataFileStreamReproducer, MetadataJSONReproducer, process_files
from openmsistream.errors import FolderError, OpenMSIStreamError, UsageError
from openmsistream.processing.functions import OnEach
from openmsistream.processing.reproducer_message import ReproducerMessage

NOWHERE = "[broker]\nbootstrap.servers = 127.0.0.1:1\n"


class Nothing(DataFileStreamProcessor):
    """Lacks its hook."""


class NoResults(DataFileStreamReproducer):
    """Lacks its hook."""


class NoMetadata(MetadataJSONReproducer):
    """Lacks its hook."""


class Works(DataFileStreamProcessor):
    """Does nothing."""

    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> None: ...


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "a.config"
    file.write_text(NOWHERE, "utf-8")
    return file


def refusal(kind: type[OpenMSIStreamError], act: Callable[[], object]) -> str:
    with pytest.raises(kind) as refused:
        act()
    return str(refused.value)


@pytest.mark.parametrize(
    ("made", "hook"),
    [
        (lambda config: Nothing(config, "t"), "_process_downloaded_data_file"),
        (lambda config: NoResults(config, "t", "r"), "_get_processing_result_message_for_file"),
        (lambda config: NoMetadata(config, "t", "r"), "_get_metadata_dict_for_file"),
    ],
)
def test_a_class_that_lacks_its_hook_is_refused_at_the_start(config: Path, made: Any, hook: str) -> None:
    said = refusal(UsageError, lambda: made(config))
    assert said.endswith(f"has no method {hook} of its own; a subclass has to say there what is done with a file")


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"mode": "ram"}, "mode 'ram' is not known; choose one of memory, disk, both"),
        ({"workers": "fibres"}, "workers 'fibres' are not known; choose one of threads, process"),
        (
            {"timeout": 5.0},
            'a thread cannot be ended after a timeout; set workers="process" (--workers process) too',
        ),
        (
            {"mode": "disk", "datafile_type": dict},
            "datafile_type dict does not hold files as mode 'disk' does; derive it from DownloadDataFileToDisk, or choose "
            "another mode",
        ),
    ],
)
def test_arguments_that_cannot_be_are_refused(config: Path, kwargs: dict[str, Any], said: str) -> None:
    assert refusal(UsageError, lambda: Works(config, "t", **kwargs)) == said


def test_an_output_folder_in_a_folder_that_is_sent_is_refused(lab: Lab) -> None:
    put(lab.source, "a", b"1")
    with lab.uploading(upload_existing=True) as up:
        expect(lambda: up.tally.files == 1)
    output = lab.source / "results"
    said = refusal(FolderError, lambda: Works(lab.config, lab.topic, output_dir=output).process_files_as_read())
    assert said == (
        f"the output folder {output} lies in {lab.source}, whose files are sent to topic {lab.topic}; what is written there "
        "would be sent as well; name another folder with --output_dir (output_dir=)"
    )
    assert not output.exists()
    said = refusal(FolderError, lambda: process_files(lab.topic, print, config=lab.config, output_dir=output))
    assert f"the output folder {output} lies in {lab.source}" in said


# -- what a hook gives back ------------------------------------------------------------------------


class Text(ReproducerMessage):
    """Any value."""

    def __init__(self, datafile: Any, value: object) -> None:
        super().__init__(datafile)
        self._value = value

    @property
    def msg_value(self) -> object:
        return self._value


class Misbehaves(DataFileStreamProcessor):
    """Gives back the name of the file; that of "good" is None."""

    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> Any:
        return None if datafile.filename == "good" else datafile.filename


class GivesBack(DataFileStreamReproducer):
    """What it gives back is told by the name of the file."""

    def _get_processing_result_message_for_file(self, datafile: Any, lock: Any) -> Any:
        kinds = {
            "good": lambda: Text(datafile, "fine"),
            "nonsense": lambda: 42,
            "nothing": lambda: None,
            "large": lambda: Text(datafile, "x" * 2_000_000),
            "number": lambda: Text(datafile, 3.5),
        }
        return kinds[datafile.filename]()


def failures_of(lab: Lab, processor: DataFileStreamProcessor, run: Callable[[], object], files: int) -> dict[str, str]:
    """What failed of so many files in the source folder, and why, when a processor has seen all of them."""
    with lab.uploading(upload_existing=True) as up:
        expect(lambda: up.tally.files == files)
    stopped = False

    def look() -> bool:
        nonlocal stopped
        if not stopped and processor._tally.files + len(processor._tally.failed) == files:
            processor.control_command_queue.put("q")
            stopped = True
        return stopped

    thread = threading.Thread(target=lambda: expect(look, 30))
    thread.start()
    run()
    thread.join()
    processor.close()
    return processor._tally.failed


def test_a_hook_that_gives_back_something_else_fails_its_file_with_the_reason_and_is_not_tried_again(lab: Lab) -> None:
    for name in ("good", "odd"):
        put(lab.source, name, b"x")
    processor = Misbehaves(lab.config, lab.topic, output_dir=lab.target)
    failed = failures_of(lab, processor, processor.process_files_as_read, 2)
    assert failed == {
        "odd": "_process_downloaded_data_file of Misbehaves gave back 'odd'; it has to return None when the file is done, or "
        "the exception that occurred"
    }


def test_results_that_cannot_be_sent_fail_their_files_and_the_others_go_out(lab: Lab) -> None:
    names = ("good", "nonsense", "nothing", "large", "number")
    for name in names:
        put(lab.source, name, b"x")
    config = lab.config_file("strings")
    config.write_text(config.read_text() + "[producer]\nvalue.serializer = StringSerializer\n", "utf-8")
    processor = GivesBack(config, lab.topic, f"{lab.topic}-results", output_dir=lab.target, retries=0)
    failed = failures_of(lab, processor, processor.produce_processing_results_for_files_as_read, len(names))
    assert failed.keys() == set(names) - {"good"}
    assert "gave back 42; it has to give something with a msg_key and a msg_value" in failed["nonsense"]
    assert failed["nothing"] == "GivesBack made no result of it; its log may say why"
    assert "the result is too large for topic" in failed["large"]
    assert "make it smaller, or raise that setting" in failed["large"]
    assert "value.serializer" in failed["number"]


def test_a_program_without_a_broker_says_so_in_one_line(lab: Lab) -> None:
    env = {"PYTHONPATH": str(Path(__file__).parents[1] / "end_to_end"), "OMS_RAN": "x"}
    gone = lab.config_file("gone", address="127.0.0.1:1")
    program = lab.program(
        "counting_processor", "--config", gone, "--topic_name", "t", "--output_dir", lab.target, env=env
    )
    assert program.ends(20) == 4
    (line,) = program.said.splitlines()
    assert line.startswith("error: ")
    assert "127.0.0.1:1" in line


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"workers": "fibres"}, "workers 'fibres' are not known; choose one of threads, process"),
        ({"n_workers": 0}, "0 workers do nothing; take at least one"),
        ({"retries": -1}, "-1 retries are less than none; give a number of zero or more"),
        (
            {"regex": "("},
            "'(' is not a regular expression: missing ), unterminated subpattern at position 0; correct it",
        ),
        (
            {"timeout": 0.0, "workers": "process"},
            "a timeout of 0.0 s leaves no time; give a number of seconds above zero",
        ),
        ({"mode": "ram"}, "mode 'ram' is not known; choose one of memory, disk, both"),
    ],
)
def test_a_function_is_not_begun_with_arguments_that_cannot_be(config: Path, kwargs: dict[str, Any], said: str) -> None:
    assert refusal(UsageError, lambda: process_files("t", print, config=config, **kwargs)) == said


def test_a_group_without_a_name_is_refused(lab: Lab) -> None:
    lab.make_topic(1)
    said = refusal(
        UsageError, lambda: process_files(lab.topic, print, config=lab.config, output_dir=lab.target, group="")
    )
    assert said == "the consumer group has no name; name one, or none at all for one of this installation"


def generator(file: object) -> Any:
    yield file


async def awaitable(file: object) -> None: ...


@pytest.mark.parametrize("function", [generator, awaitable])
def test_a_function_that_does_not_run_when_it_is_called_is_refused(config: Path, function: Any) -> None:
    said = refusal(UsageError, lambda: process_files("t", function, config=config))
    assert said == (
        f"{function.__name__} is a generator or an async function: called, it does not run; give a plain function; for "
        "async code, one that calls asyncio.run"
    )


def test_a_function_that_gives_back_a_generator_has_failed() -> None:
    said = refusal(UsageError, lambda: OnEach(lambda file: generator(file))(None))  # type: ignore[arg-type]
    assert said == "<lambda> gave back generator, which has not run; let it do its work and return"


class InTheWay(Works):
    """Remembers what failed."""

    def _failed_processing_callback(self, datafile: Any, lock: Any) -> None:
        (self._output_dir / "called-back").write_text(datafile.filename)


def test_a_file_that_cannot_be_kept_has_failed_with_the_reason_and_is_told(lab: Lab) -> None:
    put(lab.source, "taken", b"x")
    (lab.target / "taken").mkdir(parents=True)
    processor = InTheWay(lab.config, lab.topic, output_dir=lab.target, mode="disk")
    failed = failures_of(lab, processor, processor.process_files_as_read, 1)
    assert failed == {"taken": "it cannot be kept while it is processed: Is a directory"}
    assert (lab.target / "called-back").read_text() == "taken"


HANGS = """
import sys, threading
from openmsistream import DataFileStreamProcessor


class Hangs(DataFileStreamProcessor):
    def _process_downloaded_data_file(self, datafile, lock):
        threading.Thread(target=threading.Event().wait).start()


if __name__ == "__main__":
    Hangs.run_from_command_line()
"""


def test_a_thread_of_somebodys_code_that_hangs_does_not_keep_the_program(lab: Lab) -> None:
    put(lab.place, "hanging_program.py", HANGS)
    put(lab.source, "a", b"x")
    with lab.uploading(upload_existing=True) as up:
        expect(lambda: up.tally.files == 1)
    program = lab.program(
        "hanging_program", "--config", lab.config, "--topic_name", lab.topic, "--output_dir", lab.target,
        "--update_seconds", "1", env={"PYTHONPATH": str(lab.place)},
    )  # fmt: skip
    program.wait_for("processed 1 files")
    assert program.stop() == 0
