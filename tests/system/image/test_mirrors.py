"""Mirrors in the files of dockerd and of builders: what is written for each registry, and what is refused."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox import IMAGE

FILES = "/run/dind-registry"
TRUST = f"{FILES}/trust/ca.crt"
MIRRORS = (
    "docker.io=http://plain.example.com docker.io=https://tls.example.com:5000/a/b/ "
    "ghcr.io=https://tls.example.com:5000/ghcr r.example.com:5000=http://[fd00::1]:80"
)
ASKED = {
    "DIND_REGISTRY_MIRRORS": MIRRORS,
    "DIND_REGISTRY_CAS": "tls.example.com:5000=ConfigMap/a/ca.crt ghcr.io=Secret/b/ca.crt",
    "DIND_REGISTRY_INSECURE": "r.example.com:5000 10.0.0.0/8 plain.example.com:80",
}
CONFIG = {"registry-mirrors": ["http://plain.example.com", "https://tls.example.com:5000/a/b/", "https://other"]}


def sourced(shell: str, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that has the functions; a failure is printed with its reason."""
    head = (
        f'set -eu; lib={IMAGE}; . "$lib/lib.sh"; . "$lib/registry.sh"; . "$lib/mirrors.sh"; docker_volume=$PWD\n'
        'fail() { printf "%s: %s" "$2" "$3"; exit 1; }\n'
    )
    program = ["busybox", "sh"] if shell == "busybox" else [shell]
    return subprocess.run(
        [*program, "-c", head + script, "sh", *arguments],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **ASKED, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def hosts(shell: str, registry: str, **variables: str) -> dict[str, Any]:
    done = sourced(shell, 'mirror_hosts_of "$1"', registry, **variables)
    assert done.returncode == 0, done.stderr
    return tomllib.loads(done.stdout)


CAPABILITIES = {"capabilities": ["pull", "resolve"]}
TLS_CA = f"{FILES}/certs.d/tls.example.com:5000/ca.crt"


def test_docker_28_is_told_of_the_mirrors_of_each_registry(shell: str) -> None:
    found = hosts(shell, "docker.io")
    assert found == {
        "host": {
            "http://plain.example.com": CAPABILITIES,
            "https://tls.example.com:5000/a/b": {**CAPABILITIES, "ca": [TLS_CA]},
        }
    }
    assert list(found["host"]) == ["http://plain.example.com", "https://tls.example.com:5000/a/b"], "in their order"
    assert hosts(shell, "ghcr.io") == {
        "ca": [f"{FILES}/certs.d/ghcr.io/ca.crt"],
        "host": {"https://tls.example.com:5000/ghcr": {**CAPABILITIES, "ca": [TLS_CA]}},
    }
    assert hosts(shell, "r.example.com:5000") == {
        "server": "http://r.example.com:5000",
        "skip_verify": True,
        "host": {"http://[fd00::1]:80": CAPABILITIES},
    }


def test_a_mirror_stands_in_a_file_once(shell: str) -> None:
    """TOML has no table twice; two URLs that differ only in slashes at the end are the same."""
    mirrors = (
        "docker.io=https://m/a/ docker.io=https://n docker.io=https://m/a docker.io=https://n/ docker.io=https://m/a//"
    )
    assert list(hosts(shell, "docker.io", DIND_REGISTRY_MIRRORS=mirrors)["host"]) == ["https://m/a", "https://n"]
    done = sourced(shell, "mirror_builder_registry docker.io", DIND_REGISTRY_MIRRORS=mirrors)
    assert tomllib.loads(done.stdout)["registry"]["docker.io"]["mirrors"] == ["m/../a/v2", "n"]


def test_ranges_of_insecure_addresses_stay_dockerds_own_matter(shell: str) -> None:
    found = sourced(shell, "registries_with_hosts").stdout.split()
    assert found == ["ghcr.io", "r.example.com:5000"]
    found = sourced(shell, "registries_with_hosts", DIND_REGISTRY_INSECURE="plain.example.com:80").stdout.split()
    assert found == ["docker.io", "ghcr.io", "r.example.com:5000"]


def test_the_environments_bundle_is_trusted_everywhere_but_over_http(shell: str) -> None:
    found = hosts(shell, "docker.io", DIND_CA_BUNDLE="ConfigMap/all/ca.crt")
    assert found["ca"] == [TRUST]
    assert found["host"]["https://tls.example.com:5000/a/b"]["ca"] == [TLS_CA, TRUST]
    assert found["host"]["http://plain.example.com"] == CAPABILITIES


@pytest.mark.parametrize(
    ("version", "mirrors"),
    [
        ("28.5.2", CONFIG["registry-mirrors"]),
        (
            "26.1.5+dfsg1",
            [
                "http://plain.example.com:80",
                "https://tls.example.com:5000/a/b",
                "https://tls.example.com:5000/../a/b/v2",
                "https://other",
            ],
        ),
    ],
)
def test_builds_before_docker_28_use_the_mirrors_too(
    shell: str, tmp_path: Path, version: str, mirrors: list[str]
) -> None:
    assert old_builds(shell, tmp_path, version, CONFIG) == {"registry-mirrors": mirrors}


def old_builds(
    shell: str, tmp_path: Path, version: str, config: dict[str, Any], *arguments: str, **variables: str
) -> Any:
    """What becomes of daemon.json."""
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps(config, separators=(",", ":")))
    major = version.split(".", maxsplit=1)[0]
    done = sourced(shell, 'docker_major=$1; shift; mirror_old_builds "$@"', major, str(file), *arguments, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text())


@pytest.mark.parametrize(
    ("insecure", "added"),
    [
        (None, ["[fd00::1]:80", "m:5000"]),
        ([], ["m:5000", "[fd00::1]:80"]),
        (["r"], ["[fd00::1]:80", "m:5000", "r"]),
        (["r", "m:5000"], ["[fd00::1]:80", "r", "m:5000"]),
    ],
)
def test_only_builds_before_docker_28_need_a_mirror_without_tls_to_be_insecure(
    shell: str, tmp_path: Path, insecure: list[str] | None, added: list[str]
) -> None:
    urls = ["http://m:5000", "http://m:5000/a", "http://[fd00::1]/", "https://tls.example.com"]
    told = {
        "DIND_REGISTRY_MIRRORS": " ".join([*(f"docker.io={url}" for url in urls), "ghcr.io=http://other"]),
        "DIND_REGISTRY_INSECURE": " ".join(insecure or []),
    }
    config = {"registry-mirrors": urls} | ({} if insecure is None else {"insecure-registries": insecure})
    found = old_builds(shell, tmp_path, "26.1.5", config, "--debug", **told)
    assert sorted(found["insecure-registries"]) == sorted(added)
    assert old_builds(shell, tmp_path, "28.0.0", config, **told) == config
    assert old_builds(shell, tmp_path, "", config, **told) == config, "a version that is unknown is the newest"
    # dockerd takes a setting from one place.
    for flag in ("--insecure-registry=r", "-insecure-registry"):
        kept = old_builds(shell, tmp_path, "26.1.5", {"registry-mirrors": urls}, flag, **told)
        assert "insecure-registries" not in kept


REQUIRE = """
docker_version=$1 docker_major=${1%%.*} file=$2 docker_volume=${2%/*}
shift 2
mirror_require "$file" "$@"
"""


@pytest.mark.parametrize(
    ("version", "config", "arguments", "said"),
    [
        ("26.1.5", {}, [], "Docker 26.1.5 knows only mirrors of docker.io. Use an image with Docker 29"),
        ("28.5.2", {}, [], "only with the containerd image store. Set features.containerd-snapshotter to true"),
        ("29.0.0", {"features": {"containerd-snapshotter": False}}, [], "is false in daemon.config. Remove it"),
        ("29.0.0", {"storage-driver": "overlay2"}, [], "with the storage driver overlay2"),
        ("29.0.0", {}, ["--storage-driver=vfs"], "with the storage driver vfs"),
        ("29.0.0", {}, ["-s", "btrfs", "--debug"], "with the storage driver btrfs"),
        ("28.5.2", {"features": {"containerd-snapshotter": True}}, [], ""),
        ("29.0.0", {"storage-driver": "overlayfs"}, [], ""),
        ("29.0.0", {}, ["--debug"], ""),
        # Of a version that is no release: the newest.
        ("", {}, [], ""),
        ("", {"storage-driver": "overlay2"}, [], "with the storage driver overlay2"),
    ],
)
def test_mirrors_of_other_registries_need_the_containerd_image_store(
    shell: str, tmp_path: Path, version: str, config: dict[str, Any], arguments: list[str], said: str
) -> None:
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps(config, separators=(",", ":")))
    done = sourced(shell, REQUIRE, version, str(file), *arguments)
    assert done.returncode == (1 if said else 0), done
    assert said in done.stdout
    if said:
        assert done.stdout.startswith(
            "MirrorsUnsupported: registry.mirrorsFor has mirrors of ghcr.io, r.example.com:5000, but"
        )
    only_hub = sourced(
        shell, REQUIRE, version, str(file), *arguments, DIND_REGISTRY_MIRRORS="docker.io=https://m.example.com"
    )
    assert only_hub.returncode == 0, "the mirrors of Docker Hub need nothing"


def test_a_volume_with_images_of_another_store_is_refused(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    file.write_text("{}")
    (tmp_path / "overlay2").mkdir()
    assert sourced(shell, REQUIRE, "29.0.0", str(file)).returncode == 0
    (tmp_path / "overlay2/layer").touch()
    done = sourced(shell, REQUIRE, "29.0.0", str(file))
    assert done.returncode == 1
    assert "the volume has images of the storage driver overlay2" in done.stdout


def test_a_builder_has_mirrors_and_authorities_in_the_words_of_buildkit(shell: str) -> None:
    script = 'for registry in $(mirror_builder_hosts); do mirror_builder_registry "$registry"; done'
    done = sourced(shell, script, DIND_CA_BUNDLE="ConfigMap/all/ca.crt")
    assert done.returncode == 0, done.stderr
    trusted = {"ca": [TRUST]}
    assert tomllib.loads(done.stdout)["registry"] == {
        # BuildKit puts the path behind /v2, and dockerd before it.
        "docker.io": {"mirrors": ["plain.example.com:80", "tls.example.com:5000/../a/b/v2"], **trusted},
        "ghcr.io": {
            "mirrors": ["tls.example.com:5000/../ghcr/v2"],
            "ca": [f"{FILES}/certs.d/ghcr.io/ca.crt", TRUST],
        },
        "r.example.com:5000": {"mirrors": ["[fd00::1]:80"], "http": True, "insecure": True, **trusted},
        "plain.example.com:80": {"http": True, **trusted},
        "tls.example.com:5000": {"ca": [TLS_CA, TRUST]},
        "[fd00::1]:80": {"http": True, **trusted},
    }
