"""The three images as they are built: what is in them, how they start, and how large the small one is."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import images


def read(archive: Path) -> tuple[dict[str, Any], list[tarfile.TarFile]]:
    """The image's configuration and its layers."""
    with tarfile.open(archive) as outer:
        members = {name: outer.extractfile(name) for name in outer.getnames() if not outer.getmember(name).isdir()}
        manifest = json.loads(members["manifest.json"].read())[0]  # type: ignore[union-attr]
        config = json.loads(members[manifest["Config"]].read())  # type: ignore[union-attr]
        layers = [tarfile.open(fileobj=io.BytesIO(members[name].read())) for name in manifest["Layers"]]  # type: ignore[union-attr]  # noqa: SIM115
    return config, layers


def test_the_node_tool_holds_one_program_and_its_other_names() -> None:
    archive = images.build("node-tool").archive
    assert archive.stat().st_size <= 4_000_000
    config, layers = read(archive)
    files = {
        member.name.lstrip("./"): member for layer in layers for member in layer.getmembers() if not member.isdir()
    }
    folder = "usr/local/lib/dind"
    assert sorted(files) == [f"{folder}/{name}" for name in ("cgroups-mount", "dind-node", "entrypoint")]
    assert files[f"{folder}/dind-node"].size <= 4_000_000, "it is copied to the volume of each pod"
    assert {files[f"{folder}/{name}"].linkname for name in ("cgroups-mount", "entrypoint")} == {"dind-node"}
    assert config["config"]["Entrypoint"] == [f"/{folder}/cgroups-mount"]


@pytest.mark.parametrize("target", images.TARGETS)
def test_labels_and_history_tell_what_it_is_and_no_secret(target: str) -> None:
    config, _ = read(images.build(target).archive)
    labels = config["config"]["Labels"]
    for name in ("title", "description", "version", "licenses"):
        assert labels[f"org.opencontainers.image.{name}"]
    assert "BEGIN CERTIFICATE" not in json.dumps(config)
    assert not any(layer.startswith("PIP_") for layer in config["config"]["Env"])


def test_the_daemon_keeps_its_data_on_a_volume() -> None:
    config, _ = read(images.build("daemon").archive)
    assert list(config["config"]["Volumes"]) == ["/var/lib/docker"]
    assert config["config"]["Entrypoint"] == ["/usr/local/lib/dind/entrypoint"]


def test_the_operator_runs_as_nobody_on_a_read_only_root(tmp_path: Path) -> None:
    config, layers = read(images.build("operator").archive)
    assert config["config"]["User"] == "65532:65532"
    assert (config["config"]["Entrypoint"], config["config"]["Cmd"]) == (["dind-operator"], ["run"])
    for layer in layers:
        layer.extractall(tmp_path, filter="fully_trusted")
    assert not list(tmp_path.glob("opt/dind-operator/lib/python3*/site-packages/pip"))
    environment = dict(item.split("=", 1) for item in config["config"]["Env"])
    script = (
        'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; '
        'exec chroot --userspec=65532:65532 "$0" /usr/bin/env sh -c "! touch /tmp/x && dind-operator crds"'
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, tmp_path],
        env=environment | {"PATH": environment["PATH"] + ":/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Read-only file system" in done.stderr
    assert done.returncode == 0, done.stderr
    assert "kind: CustomResourceDefinition" in done.stdout
