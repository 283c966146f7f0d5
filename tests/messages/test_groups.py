"""What is said when readers of a group get in each other's way."""

from __future__ import annotations

from lab import QUICK_GROUP, Lab


def test_a_second_reader_under_the_same_instance_name_ends_the_first_with_a_line(lab: Lab) -> None:
    lab.make_topic(1)
    config = lab.config_file("static", consumer=f"{QUICK_GROUP}group.instance.id = one\n")
    group = f"group-{lab.topic}"
    first = lab.download_program("--consumer_group_id", group, config=config)
    lab.produce((b"x", b"not a chunk", []))
    first.wait_for("cannot be used")  # so it is a member
    second = lab.download_program("--consumer_group_id", group, config=config, target=lab.place / "other")
    assert first.ends(30) == 3
    assert first.said.splitlines()[-1] == (
        f"error: reading topic '{lab.topic}' as a member of group '{group}' at {lab.address} did not work: Static consumer "
        "fenced by other consumer with same group.instance.id; another reader has come under the same name; give each "
        "reader of the group a group.instance.id of its own, or leave it out"
    )
    assert second.running
    assert second.stop() == 0


def test_readers_that_share_out_partitions_in_different_ways_say_so(lab: Lab) -> None:
    lab.make_topic(1)
    group = f"group-{lab.topic}"
    first = lab.download_program("--consumer_group_id", group)
    lab.produce((b"x", b"not a chunk", []))
    first.wait_for("cannot be used")  # so it is a member
    config = lab.config_file("other", consumer=f"{QUICK_GROUP}partition.assignment.strategy = cooperative-sticky\n")
    second = lab.download_program("--consumer_group_id", group, config=config, target=lab.place / "other")
    assert second.ends(30) == 3
    assert "Inconsistent group protocol" in second.said
    assert second.said.rstrip().endswith(
        "; use the same partition.assignment.strategy and group.protocol in all readers of the group"
    )
    assert first.stop() == 0


def test_a_session_time_that_the_broker_does_not_allow(lab: Lab) -> None:
    lab.make_topic(1)
    config = lab.config_file("short", consumer="session.timeout.ms = 100\nheartbeat.interval.ms = 50\n")
    down = lab.download_program(config=config)
    assert down.ends(30) == 3
    assert down.said.splitlines()[-1].endswith(
        "; choose a session.timeout.ms between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"
    )
