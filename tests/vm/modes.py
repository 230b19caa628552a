"""What the tests of this node ask of an environment, in whichever security mode.

Each shell in a container takes a second or two here, about as much as a command of docker: what belongs together is one script.
"""

from __future__ import annotations

from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import Environment
from tests.live import Object

WITHOUT_PRIVILEGE = ["Capabilities", "UserNamespace"]
MODES = ["Privileged", *WITHOUT_PRIVILEGE]

# Of the daemon's container, and what of it is kept from nested ones. In MiB.
LIMIT, RESERVE = 512, 256
NESTED = LIMIT - RESERVE


def spec(mode: str, **security: object) -> Object:
    memory: Object = {"resources": {"limits": {"memory": f"{LIMIT}Mi"}}, "reserve": {"memory": f"{RESERVE}Mi"}}
    return {"security": {"mode": mode, **security}, "daemon": memory}


def nested(environment: Environment, *command: str) -> str:
    return environment.docker("run", "--rm", *command, timeout=300)


def script(environment: Environment, text: str, seconds: float = 600) -> list[str]:
    """The lines that a shell script in the daemon's container printed."""
    return environment.run("sh", "-euc", text, timeout=seconds).splitlines()


# The daemon's process and its start time: equal twice means that it lived on.
DAEMON = "pid=$(cat /var/run/docker.pid); echo $pid $(cut -d ' ' -f 22 /proc/$pid/stat)\n"


def hog(mebibytes: int, *options: str) -> str:
    """Of a script: a nested container fills a buffer of that size. The script prints its exit code, 137 if it was killed."""
    line = f"docker run {' '.join(options)} {BUSYBOX_IMAGE} dd if=/dev/zero of=/dev/null bs={mebibytes}M count=1"
    return f"if {line} 2>/dev/null; then echo 0; else echo $?; fi\n"


_BUILD = f"""
build() {{
  docker build --no-cache --progress=plain "$@" - </tmp/Dockerfile >/tmp/built 2>&1
}}
cat >/tmp/Dockerfile <<'END'
FROM {BUSYBOX_IMAGE}
RUN echo "built inside" >/greeting
CMD ["cat", "/greeting"]
END
"""

_GIVEN = "--memory=64m --memory-swap=64m"


def run_build_and_limits_work(environment: Environment) -> None:
    """A nested container runs, an image is built and runs, and limits that are asked for are there and hold."""
    shown = "cd /sys/fs/cgroup; cat memory.max cpu.max pids.max"
    text = f"""
{DAEMON}{_BUILD}
docker run --rm {BUSYBOX_IMAGE} echo inside
build --tag=greeter || {{ cat /tmp/built >&2; exit 1; }}
docker run --rm greeter
docker run --rm {_GIVEN} --cpus=0.5 --pids-limit=50 {BUSYBOX_IMAGE} sh -c '{shown}'
{hog(96, "--rm", _GIVEN)}{DAEMON}"""
    before, *printed, after = script(environment, text)
    assert printed == ["inside", "built inside", str(64 * 2**20), "50000 100000", "50", "137"]
    assert after == before


def builds_without_memory_die_alone(environment: Environment, mebibytes: int, times: int) -> None:
    """Steps that ask for more than there is are killed, and the daemon is not. BuildKit sees in the group's events why."""
    step = f"dd if=/dev/zero of=/dev/null bs={mebibytes}M count=1"
    text = f"""
{DAEMON}{_BUILD}
printf 'FROM %s\\nRUN %s\\n' {BUSYBOX_IMAGE} '{step}' >/tmp/Dockerfile
for number in $(seq {times}); do
  if build; then echo built; else grep -oE 'exit code: [0-9]+|cannot allocate memory' /tmp/built | tail -1; fi
done
{DAEMON}"""
    before, *ends, after = script(environment, text, 1500)
    assert ends == ["cannot allocate memory"] * times, ends
    assert after == before
    assert environment.restarts() == 0


def networks(environment: Environment) -> None:
    """By name on a network of one's own, and by a published port."""
    text = f"""
fetch() {{
  for attempt in $(seq 20); do
    if docker run --rm --network=$1 {BUSYBOX_IMAGE} timeout 20 wget -q -O - http://$2/hostname; then return; fi
    sleep 1
  done
  return 1
}}
docker network create mine >/dev/null
docker run --detach --name=web --network=mine --publish=8081:80 {BUSYBOX_IMAGE} httpd -f -p 80 -h /etc >/dev/null
docker exec web cat /etc/hostname
fetch mine web:80
fetch host 127.0.0.1:8081
docker rm --force web >/dev/null
docker network rm mine >/dev/null
"""
    expected, *answers = script(environment, text)
    assert answers == [expected] * 2
