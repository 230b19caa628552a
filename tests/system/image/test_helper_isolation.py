"""Where the kernel put a container that dockerd started: in real groups, with a process of the test as the container."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox import Sandbox, hierarchies, sandbox

# Argument 1: the groups, without the root's slash, that the "container" is put into, by hierarchy. 2: the request that
# fails. Plays dockerd for one check, then prints what it was asked, what is in the image, and
# what is bound into the container.
_DOCKERD = r"""
import io, json, os, socket, subprocess, sys, tarfile
places, failing, helper = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
listener = socket.socket(socket.AF_UNIX); listener.bind("/run/docker.sock"); listener.listen()
container = subprocess.Popen(["sleep", "60"])
for folder, group in places.items():
    path = f"/sys/fs/cgroup/{folder}/{group}"; os.makedirs(path, exist_ok=True)
    open(f"{path}/cgroup.procs", "w").write(str(container.pid))
check = subprocess.Popen(
    [helper, "init", "--report", "/run/docker.sock", "--group", "/docker", "--", "sleep", "60"], stdout=subprocess.PIPE
)
asked, archive, container_body = [], b"", None
while True:
    connection, _ = listener.accept()
    data = b""
    while b"\r\n\r\n" not in data: data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(l.split(b":")[1]) for l in head.split(b"\r\n") if l.lower().startswith(b"content-length")), 0)
    while len(body) < length: body += connection.recv(65536)
    method, path = head.split()[:2]
    request = f"{method.decode()} {path.decode()}"
    asked.append(request)
    if "/images/create" in request: archive = body
    if "/containers/create" in request: container_body = json.loads(body)
    answer, code = {}, 200
    if failing and failing in request: answer, code = {"message": "no \"space\" left"}, 500
    elif request.endswith("/json"): answer = {"Id": "x", "State": {"Status": "running", "Pid": container.pid}}
    elif method == b"DELETE" and len(asked) < 6: answer, code = {"message": "no such thing"}, 404
    connection.sendall(f"HTTP/1.0 {code} x\r\n\r\n{json.dumps(answer)}".encode()); connection.close()
    if sum("DELETE /images" in r for r in asked) == 2: break
check.stdout.readline()
line = check.stdout.readline().decode()
check.terminate(); container.kill(); container.wait()
names = [m.name for m in tarfile.open(fileobj=io.BytesIO(archive))] if archive else None
for folder, group in places.items():
    path = f"/sys/fs/cgroup/{folder}/{group}"
    while group and path.rstrip("/") != f"/sys/fs/cgroup/{folder}":
        os.rmdir(path); path = os.path.dirname(path)
print(json.dumps({"line": line, "asked": asked, "names": names, "container": container_body}))
"""

Check = Callable[..., dict[str, Any]]


@pytest.fixture
def check(tool: Path, tmp_path: Path, hierarchies_stay: None) -> Iterator[Check]:
    with sandbox(tmp_path / "volume") as box:
        (script := tmp_path / "dockerd.py").write_text(_DOCKERD)
        yield lambda **options: run(box, tool, script, **options)


def run(box: Sandbox, tool: Path, script: Path, *, fails: str = "", **elsewhere: str) -> dict[str, Any]:
    """The check, with the container in /docker/x of every hierarchy but those that are named."""
    folders = {name.removeprefix("name="): "docker/x" for name in hierarchies()}
    assert elsewhere.keys() <= folders.keys()
    places = json.dumps({**folders, **elsewhere})
    done = box.run(*(tool / "cgroups-mount", "mount", "--", sys.executable, script, places, fails, tool / "dind-node"))
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    head, _, text = result["line"].partition(" ")
    assert head == "dind-isolation"
    return {**result, "told": json.loads(text)}


def test_a_container_below_the_group_is_inside_and_nothing_is_left_of_it(check: Check) -> None:
    found = check()
    assert found["told"] == {"version": 1, "inside": True, "detail": ""}
    remove = ["DELETE /containers/dind-isolation-check?force=1&v=1", "DELETE /images/dind.dev/isolation-check?force=1"]
    assert found["asked"] == [
        *("GET /_ping", "GET /info"),
        *remove,
        "POST /images/create?fromSrc=-&repo=dind.dev/isolation-check",
        "POST /containers/create?name=dind-isolation-check",
        "POST /containers/dind-isolation-check/start",
        "GET /containers/dind-isolation-check/json",
        *remove,
    ]


def test_its_image_is_empty_and_this_program_is_bound_into_it(check: Check, helper: Path) -> None:
    """A program of megabytes would otherwise be written as a layer at each start."""
    found = check()
    assert found["names"] == []
    assert found["container"]["HostConfig"]["Binds"] == [f"{helper}:/dind-node:ro"]
    assert found["container"]["Cmd"] == ["/dind-node", "pause"]


@pytest.mark.parametrize("folder", ["memory", "pids"])
def test_one_hierarchy_outside_is_outside(check: Check, folder: str) -> None:
    told = check(**{folder: ""})["told"]
    assert told["inside"] is False
    assert told["detail"] == f"{folder}:/"


def test_a_group_whose_name_only_begins_alike_is_outside(check: Check) -> None:
    assert check(memory="docker2/x")["told"]["inside"] is False


def test_a_hierarchy_without_a_promised_limit_does_not_count(check: Check) -> None:
    assert check(freezer="")["told"]["inside"] is True


@pytest.mark.parametrize("fails", ["/images/create", "/containers/create", "/start", "/json"])
def test_what_could_not_be_asked_is_no_answer(check: Check, fails: str) -> None:
    found = check(fails=fails)
    assert found["told"]["inside"] is None
    # dockerd that cannot start a container is another matter than a check that could not be made.
    assert found["told"].get("startRefused") == (True if fails == "/start" else None)
    assert fails in found["told"]["detail"]
    assert 'HTTP status 500: no "space" left' in found["told"]["detail"]
    assert found["asked"][-1].startswith("DELETE /images")
