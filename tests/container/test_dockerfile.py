"""The Dockerfile's static promises; building it takes a registry and is not part of the suite."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def stages() -> list[list[tuple[str, str]]]:
    """Give the stages as lists of (instruction, arguments), continued lines joined and comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, re.sub(r"\s+", " ", arguments)))
    return found


def final(name: str) -> list[str]:
    return [arguments for instruction, arguments in stages()[-1] if instruction == name]


def test_the_wheel_is_built_in_a_stage_of_its_own() -> None:
    """There are two stages on the same base, and the last one only copies what the first has made."""
    assert len(stages()) == 2
    bases = [stage[0][1].removesuffix(" AS build") for stage in stages()]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.1[1-9]-slim", bases[0])
    assert final("COPY") == ["--from=build /opt/syncd /opt/syncd"]


def test_the_final_image_has_no_build_tools() -> None:
    """The last stage installs nothing, and the virtual environment it copies has no pip."""
    assert not [run for run in final("RUN") if re.search(r"\b(?:pip|apt|apt-get|gcc|make|curl)\b", run)]
    assert any("pip uninstall --yes --quiet pip" in text for name, text in stages()[0] if name == "RUN")


def test_it_runs_as_a_user_without_rights() -> None:
    """The user is a number (so that `runAsNonRoot` can check it), and it is not 0."""
    (user,) = final("USER")
    assert all(int(part) > 0 for part in user.split(":"))
    assert [name for name, _ in stages()[-1]].index("USER") < [name for name, _ in stages()[-1]].index("ENTRYPOINT")


def test_it_can_be_watched_and_stopped() -> None:
    """The health check asks /healthz with what is in the image, and SIGTERM reaches the daemon itself."""
    (check,) = final("HEALTHCHECK")
    assert "/healthz" in check
    assert 'CMD ["python"' in check
    assert final("STOPSIGNAL") == ["SIGTERM"]
    assert final("ENTRYPOINT") == ['["syncd"]']  # without a shell between


def test_the_state_is_a_volume() -> None:
    """The ledger's directory outlives the container."""
    assert final("VOLUME") == ["/var/lib/syncd"]


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    """Everything is ignored but the files of the COPY lines: no ledger, credential or history gets into a layer."""
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignored[0] == "*"
    copied = {
        word.removeprefix("./").replace("tx[t]", "txt")
        for name, arguments in stages()[0]
        if name == "COPY"
        for word in arguments.split()[:-1]
    }
    assert {line[1:] for line in ignored if line[0] == "!"} == copied
