"""An image whose iptables speaks to the interface this kernel lacks: the other one is taken, and it really carries."""

from __future__ import annotations

import shlex

from tests.integration.image.conftest import StartDaemon

# iptables, iptables-nft, ... are all links to this program; the legacy ones are links to another.
BROKEN = "ln -sf /bin/false /usr/sbin/xtables-nft-multi"
# As Alpine's docker images keep them.
ALPINE = (
    "mkdir -p /usr/local/sbin/.iptables-legacy; for n in iptables iptables-save iptables-restore ip6tables; do "
    "ln -s /usr/sbin/xtables-legacy-multi /usr/local/sbin/.iptables-legacy/$n; done; rm -f /usr/sbin/ip*tables-legacy*"
)
RULES = "xtables-legacy-multi iptables -t nat -S | grep -c -- '-N DOCKER' || :"


def refusing(kind: str, pattern: str, input_pattern: str) -> str:
    """Shell that puts a script before the programs of a kind: it refuses calls, or input, with a pattern, as a kernel may."""
    real = f"/usr/sbin/{kind}-real"
    names = " ".join(f"{family}{end}" for family in ("iptables", "ip6tables") for end in ("", "-save", "-restore"))
    script = f"""#!/bin/sh
refuse() {{ echo "Permission denied" >&2; exit 4; }}
case " $* " in {pattern}) refuse ;; esac
name=$(echo ${{0##*/}} | sed s/-{kind}//)
case $name in
*-restore)
    input=$(cat)
    case $input in {input_pattern}) refuse ;; esac
    printf "%s\\n" "$input" | {real}/$name "$@"
    ;;
*) exec {real}/$name "$@" ;;
esac
"""
    return (
        f"mkdir {real}; for n in {names}; do cp /usr/sbin/xtables-{kind}-multi {real}/multi; "
        f"ln -sf multi {real}/$n; done; rm /usr/sbin/xtables-{kind}-multi; "
        f"printf %s {shlex.quote(script)} >/usr/sbin/xtables-{kind}-multi; chmod 755 /usr/sbin/xtables-{kind}-multi; "
    )


def without_raw() -> str:
    return "".join(refusing(kind, '*" raw "*', '*"*raw"*') for kind in ("nft", "legacy"))


def test_the_images_own_choice_when_it_works(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    daemon.wait_ready()
    assert "iptables-legacy" not in daemon.log.read_text()
    assert daemon.run("sh", "-c", "iptables-nft -t nat -S | grep -c -- '-N DOCKER'") == "1"
    assert daemon.run("sh", "-c", RULES) == "0"


def test_legacy_where_only_that_works(start_daemon: StartDaemon, userland: str) -> None:
    daemon = start_daemon(userland=userland, inside=BROKEN)
    daemon.wait_ready()
    assert "iptables of the image does not work with this kernel" in daemon.log.read_text()
    assert daemon.run("sh", "-c", RULES) == "1"


def test_where_alpines_images_keep_the_legacy_programs(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(inside=f"{BROKEN}; {ALPINE}")
    daemon.wait_ready()
    assert daemon.run("sh", "-c", RULES) == "1"


def test_neither_works(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(inside=f"{BROKEN}; ln -sf /bin/false /usr/sbin/xtables-legacy-multi")
    assert daemon.wait() == 1
    assert "neither iptables nor iptables-legacy of the image works here" in daemon.log.read_text()
    assert "iptables" in daemon.message()["tail"]


def test_one_that_lists_and_cannot_append_is_not_taken(start_daemon: StartDaemon) -> None:
    """As on nodes whose kernel has nf_tables without a module that dockerd's rules need."""
    daemon = start_daemon(inside=refusing("nft", '*" -A "*|*" -I "*', '*"-A "*'))
    daemon.wait_ready()
    assert "iptables-legacy does: using that" in daemon.log.read_text()
    assert daemon.run("sh", "-c", RULES) == "1"


def test_without_the_table_raw_both_ways_out_are_named_and_one_is_taken(start_daemon: StartDaemon) -> None:
    """Docker 28 and later would start, be ready, and fail at the first container."""
    daemon = start_daemon(inside=without_raw())
    assert daemon.wait() == 1
    error = daemon.message()["error"]
    assert (error["check"], error["reason"]) == ("Network", "FirewallUnavailable")
    assert "Load the module iptable_raw on the node" in error["message"]
    assert "DOCKER_INSECURE_NO_IPTABLES_RAW to 1 in daemon.env" in error["message"]


def test_with_the_variable_for_it_docker_does_without_the_table_raw(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(inside=without_raw(), DOCKER_INSECURE_NO_IPTABLES_RAW="1")
    daemon.wait_ready()
    assert "using" not in daemon.log.read_text().partition("Starting up")[0]
