"""An image whose iptables speaks to the interface this kernel lacks: the other one is taken, and it really carries."""

from __future__ import annotations

from tests.integration.image.conftest import StartDaemon

# iptables, iptables-nft, ... are all links to this program; the legacy ones are links to another.
BROKEN = "ln -sf /bin/false /usr/sbin/xtables-nft-multi"
# As Alpine's docker images keep them.
ALPINE = (
    "mkdir -p /usr/local/sbin/.iptables-legacy; for n in iptables iptables-save iptables-restore ip6tables; do "
    "ln -s /usr/sbin/xtables-legacy-multi /usr/local/sbin/.iptables-legacy/$n; done; rm -f /usr/sbin/ip*tables-legacy*"
)
RULES = "xtables-legacy-multi iptables -t nat -S | grep -c -- '-N DOCKER' || :"


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
