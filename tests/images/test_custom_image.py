"""The custom image: built in its folder by one command, its startup script run, overridden, stopped and sourced."""

from __future__ import annotations

import filecmp
from typing import Any

from containers import HOME, REPOSITORY, Harbour, Way, mounted
from lab import expect

FOLDER = REPOSITORY / "custom_image"


def started(way: Way, image: str, *words: str, folder: Any = None, **options: Any) -> Any:
    volumes = {
        **mounted(folder or way.there, f"{HOME}/data"),
        **mounted(way.config, f"{HOME}/config.config", "ro"),
        **options.pop("volumes", {}),
    }
    return way.harbour.start(image, *words, volumes=volumes, network=way.network, **options)


def test_its_configuration_is_that_of_the_top_level() -> None:
    assert filecmp.cmp(REPOSITORY / "config.config", FOLDER / "config.config", shallow=False)


def test_it_is_built_by_one_command_in_its_folder(base_image: str, harbour: Harbour) -> None:
    said = harbour.typed(
        f"docker build --build-arg BASE_IMAGE={base_image} -t openmsistream-custom:typed .", cwd=FOLDER
    )

    assert "Successfully tagged openmsistream-custom:typed" in said


def test_its_script_runs_the_program_that_the_environment_names(custom_image: str, way: Way) -> None:
    way.put("file.txt", "x")
    way.uploader("--upload_existing")

    downloader = started(
        way, custom_image, environment={"MODULE": "DataFileDownloadDirectory", "TOPIC_NAME": way.topic}
    )

    expect(lambda: way.arrived == {"file.txt": b"x"}, 60, lambda: downloader.said)


def test_the_program_takes_the_place_of_the_script_and_stops_cleanly(custom_image: str, way: Way) -> None:
    uploader = started(
        way, custom_image, folder=way.here,
        environment={"MODULE": "DataFileUploadDirectory", "TOPIC_NAME": way.topic},
    )  # fmt: skip
    uploader.wait_for("first start on")
    way.put("file.txt", "x")
    expect(lambda: way.on_the_topic == ["file.txt"], 60, lambda: uploader.said)

    assert "python" in uploader.run("tr '\\0' ' ' < /proc/1/cmdline")
    assert uploader.stop() < 10
    assert uploader.exit_code == 0, uploader.said


def test_variables_of_an_env_file_win_over_the_script_s(custom_image: str, way: Way) -> None:
    env = way.harbour.file("openmsi.env", f"MODULE=DataFileUploadDirectory\nTOPIC_NAME={way.topic}\n")
    way.put("file.txt", "x")

    way.harbour.typed(
        f"docker run -d --network {way.network} -v $(pwd)/here:{HOME}/data -v $(pwd)/lab.config:{HOME}/config.config"
        f" --env-file {env} -e ARGS=--upload_existing {custom_image}"
    )

    expect(lambda: way.on_the_topic == ["file.txt"], 60, lambda: way.harbour.last.said)


def test_a_folder_with_one_s_own_processor_is_mounted_and_run(custom_image: str, way: Way) -> None:
    example = FOLDER / "custom_folder"
    (script,) = [path for path in example.glob("*.py") if path.name != "__init__.py"]
    way.put("file.txt", "a\nb\nc\n")
    way.uploader("--upload_existing")

    processor = started(
        way, custom_image, volumes=mounted(example, f"{HOME}/custom_folder", "ro"),
        environment={"MODULE": f"python custom_folder/{script.name}", "TOPIC_NAME": way.topic},
    )  # fmt: skip

    def results() -> list[str]:
        return [path.read_text("utf-8", "replace") for path in way.there.rglob("*") if _is_result(path)]

    expect(lambda: any("3" in text for text in results()), 60, lambda: processor.said)
    assert processor.stop() < 10


def _is_result(path: Any) -> bool:
    return path.is_file() and path.name != "file.txt" and path.suffix in (".txt", ".csv", ".json", ".lines")


def test_the_script_can_be_sourced_in_an_interactive_shell(custom_image: str, way: Way) -> None:
    way.put("file.txt", "x")

    shell = started(
        way, custom_image, "-i", folder=way.here, entrypoint="bash", tty=True, stdin_open=True,
        environment={"MODULE": "DataFileUploadDirectory", "TOPIC_NAME": way.topic, "ARGS": "--upload_existing"},
    )  # fmt: skip
    socket = shell.made.attach_socket(params={"stdin": 1, "stream": 1})
    try:
        socket._sock.sendall(b". ./startup-script.sh\n")
        expect(lambda: way.on_the_topic == ["file.txt"], 60, lambda: shell.said)
    finally:
        socket.close()


def test_a_shell_that_sources_the_script_survives_a_mistake(custom_image: str, harbour: Harbour) -> None:
    code, said = harbour.ran(
        custom_image, "-c", 'CONFIG=nowhere.config; . ./startup-script.sh; echo "still here"', entrypoint="bash",
        environment={"TOPIC_NAME": "t"}, network_mode="none",
    )  # fmt: skip

    assert code == 0
    assert "nowhere.config" in said
    assert "still here" in said


def test_a_topic_that_is_not_given_is_asked_for(custom_image: str, harbour: Harbour) -> None:
    code, said = harbour.ran(custom_image, environment={"TOPIC_NAME": ""}, network_mode="none")

    assert code != 0
    assert "TOPIC_NAME" in said
    assert "Traceback" not in said


def test_its_files_are_not_writable_by_everybody(custom_image: str, harbour: Harbour) -> None:
    _, said = harbour.ran(custom_image, "-c", "stat -c '%a %n' *.sh *.config", entrypoint="bash")

    modes = dict(line.split()[::-1] for line in said.splitlines())
    assert not [name for name, mode in modes.items() if int(mode[-1]) & 2]
    assert int(modes["startup-script.sh"], 8) & 0o111
