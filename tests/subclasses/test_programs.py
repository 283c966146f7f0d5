"""Programs that users wrote for the published package run with ours, unchanged: those of `programs/`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from lab import Lab, chunks, expect, record_of
from written import options, read_when_complete, second_topic, send, values_on, written

from openmsistream.files import digest

STRINGS = "key.deserializer = StringDeserializer\nvalue.deserializer = StringDeserializer\n"


def test_a_processor_makes_a_plot_of_each_file_and_tells_what_it_has_done(lab: Lab) -> None:
    lab.make_topic()
    send(lab, a_csv="x,y\n1,2\n2,5\n3,3\n", sub__b_csv="x,y\n0,0\n1,1\n")
    program = written(lab, "plot", *options(lab))
    plots = [lab.target / "a.svg", lab.target / "sub" / "b.svg"]
    expect(lambda: all(plot.is_file() for plot in plots), 30)
    program.wait_for("made .*b.svg")
    program.tell("q")
    assert program.ends() == 0
    assert "<svg" in plots[0].read_text("utf-8")
    assert "READ 2 PROCESSED 2 FILES 2 ['a.csv', 'sub/b.csv']" in program.said


@pytest.mark.parametrize("mode", ["memory", "disk", "both"])
def test_a_hook_is_given_what_the_published_package_gives_it(lab: Lab, mode: str) -> None:
    """Names, paths, digest and content, and nothing on disk in mode "memory"."""
    lab.make_topic()
    large = "B" * 20_000
    send(lab, a_txt="A", sub__deep__b_txt=large)
    program = written(lab, "results", lab.config, lab.topic, lab.target, lab.topic, mode)
    results = [lab.target / "results" / f"{name}.txt.json" for name in "ab"]
    expect(lambda: all(result.is_file() and result.stat().st_size for result in results), 30)
    assert program.stop() == 0
    assert "RETURNED 2" in program.said
    expected = [("a.txt", "", "A", 1), ("sub/deep/b.txt", "sub/deep", large, 2)]
    for result, (path, folder, content, count) in zip(results, expected, strict=True):
        assert json.loads(result.read_text("utf-8")) == {
            "filename": Path(path).name, "filepath": path, "full_filepath": path, "relative_filepath": path,
            "subdir_str": folder, "n_total_chunks": count, "content": content, "on disk": mode != "memory",
            "sha512": hashlib.sha512(content.encode()).hexdigest(),
        }  # fmt: skip


def test_a_program_is_told_of_a_file_that_failed_and_of_one_that_was_damaged(lab: Lab) -> None:
    lab.make_topic()
    send(lab, returns_txt="C")
    (damaged,) = chunks("damaged.txt", b"what was sent")
    lab.produce(record_of(replace(damaged, digest=digest.of(b"something else"))))
    program = written(lab, "results", lab.config, lab.topic, lab.target, lab.topic, "memory")
    told = read_when_complete(lab.target / "told.txt", 2)
    assert told == ["failed returns.txt", "mismatched damaged.txt"]
    program.wait_for(r"returns\.txt has failed: ValueError: returns\.txt cannot be understood")
    assert program.stop() == 0


def test_a_program_has_arguments_of_its_own(lab: Lab) -> None:
    lab.make_topic()
    send(lab, a_txt="1 2 3", sub__b_txt="4")
    program = written(lab, "own_options", "north", *options(lab), "--factor", "3")
    lines = read_when_complete(lab.target / "summary.txt", 2)
    assert lines == [f"north a.txt 18 {lab.topic}", f"north b.txt 12 {lab.topic}"]
    assert "THREADS 3" in program.said
    assert program.stop() == 0


def test_help_tells_the_arguments_of_a_programs_own(lab: Lab) -> None:
    program = written(lab, "own_options", "--help")
    assert program.ends() == 0
    for name in ("--output_dir", "--factor", "--summary_name", "--mode", "lab"):
        assert name in program.said


def test_a_program_has_a_class_of_its_own_for_data_files(lab: Lab) -> None:
    lab.make_topic()
    send(lab, a_txt="a;b\nc;d")
    program = written(lab, "own_datafile", lab.config, lab.topic, lab.target, lab.topic)
    assert read_when_complete(lab.target / "rows.txt", 1) == ["a.txt [['a', 'b'], ['c', 'd']] Table"]
    assert program.stop() == 0


def test_a_program_may_look_at_every_chunk_on_its_way(lab: Lab) -> None:
    lab.make_topic()
    send(lab, a_txt="abc", sub__b_txt="B" * 20_000)
    program = written(lab, "chunks", lab.config, lab.topic, lab.target, lab.topic)
    assert read_when_complete(lab.target / "chunks.txt", 2) == [
        "a.txt [('', 'a.txt', 1, 3)]",
        "sub/b.txt [('sub', 'b.txt', 1, 16384), ('sub', 'b.txt', 2, 3616)]",
    ]
    assert program.stop() == 0


def test_a_reproducers_results_are_records_of_another_topic(lab: Lab) -> None:
    lab.make_topic()
    results = second_topic(lab)
    send(lab, a_txt="abc", sub__b_txt="abcd", bad_txt="x")
    program = written(lab, "reproducer", lab.config, lab.topic, results, lab.target, lab.topic)
    expected = {"_a.txt_chunk_processing_result": "3 bytes", "sub_b.txt_chunk_processing_result": "4 bytes"}
    assert values_on(lab, results, 2) == expected
    program.wait_for("bad.txt")
    program.tell("q")
    assert program.ends() == 0
    assert "2 ['a.txt', 'sub/b.txt']" in program.said


def test_metadata_of_files_are_records_of_another_topic(lab: Lab) -> None:
    lab.make_topic()
    results = second_topic(lab)
    send(lab, a_txt="temp=3,gas=Ar\n1\n", sub__b_txt="temp=4,gas=N2\n1\n", bad_txt="nonsense")
    program = written(lab, "metadata", lab.config, lab.topic, results, lab.target, lab.topic)
    assert values_on(lab, results, 2) == {
        "_a.txt_chunk_processing_result": '{"name": "a.txt", "temp": "3", "gas": "Ar"}',
        "sub_b.txt_chunk_processing_result": '{"name": "b.txt", "temp": "4", "gas": "N2"}',
    }
    program.wait_for("bad.txt")
    assert program.stop() == 0


def test_a_program_reads_records_of_text_and_goes_on_where_it_was(lab: Lab) -> None:
    lab.make_topic()
    config, lines = lab.config_file("strings", consumer=STRINGS), lab.place / "lines.txt"

    def run(*values: str) -> list[str]:
        before = len(lines.read_text("utf-8").splitlines()) if lines.exists() else 0
        lab.produce(*((f"key {value}".encode(), value.encode(), ()) for value in values))
        program = written(lab, "messages", config, lab.topic, lab.topic, lines)
        read_when_complete(lines, before + len(values))
        program.tell("q")
        assert program.ends() == 0
        assert "RETURNED" in program.said
        return [line.partition(" at ")[0] for line in lines.read_text("utf-8").splitlines()]

    assert run("one", "two") == ["key one=one", "key two=two"]
    assert run("three") == ["key one=one", "key two=two", "key three=three"]
