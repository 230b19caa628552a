"""What the tests of this node ask of an environment, in whichever security mode."""

from __future__ import annotations

from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import Environment, eventually
from tests.live import Object

DOCKERFILE = f'FROM {BUSYBOX_IMAGE}\nRUN echo "built inside" >/greeting\nCMD ["cat", "/greeting"]\n'
WITHOUT_PRIVILEGE = ["Capabilities", "UserNamespace"]
MODES = ["Privileged", *WITHOUT_PRIVILEGE]


def spec(mode: str, **security: str) -> Object:
    memory: Object = {"resources": {"limits": {"memory": "512Mi"}}, "reserve": {"memory": "256Mi"}}
    return {"security": {"mode": mode, **security}, "daemon": memory}


def nested(environment: Environment, *command: str) -> str:
    return environment.docker("run", "--rm", *command, timeout=300)


def networks(environment: Environment) -> None:
    """By name on a network of one's own, and by a published port."""
    environment.docker("network", "create", "mine")
    serve = ["httpd", "-f", "-p", "80", "-h", "/etc"]
    environment.docker(
        *("run", "--detach", "--name=web", "--network=mine", "--publish=8081:80", BUSYBOX_IMAGE, *serve), timeout=300
    )
    expected = environment.docker("exec", "web", "cat", "/etc/hostname")
    for network, address in (("mine", "web:80"), ("host", "127.0.0.1:8081")):
        fetch = ["timeout", "20", "wget", "-q", "-O", "-", f"http://{address}/hostname"]

        def answers(network: str = network, fetch: list[str] = fetch) -> bool:
            done = environment.attempt(
                "docker", "run", "--rm", f"--network={network}", BUSYBOX_IMAGE, *fetch, timeout=300
            )
            return done.stdout.strip() == expected

        eventually(answers, f"the web server at {address}", 300, environment.story)
    environment.docker("rm", "--force", "web")
