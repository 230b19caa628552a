"""What `helm test` runs: is the API served, and is the operator ready? Standard library only; it reads, never writes.

Argument: the URL of the operator's readiness endpoint.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
API = "/apis/dind.dev/v1alpha1"
# An operator that was just installed has a Lease to take and lists to read first; both are a matter of seconds.
DEADLINE_SECONDS = float(os.environ.get("DIND_HELM_TEST_SECONDS", "60"))


def get(url, token=None, authority=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    context = ssl.create_default_context(cafile=authority) if authority else None
    with urllib.request.urlopen(request, timeout=5, context=context) as answer:
        return answer.read().decode()


def api_is_served():
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT_HTTPS"]
    host = f"[{host}]" if ":" in host else host
    with open(f"{ACCOUNT}/token") as file:
        token = file.read()
    found = json.loads(get(f"https://{host}:{port}{API}", token, f"{ACCOUNT}/ca.crt"))
    names = sorted(resource["name"] for resource in found["resources"])
    for needed in ("dindenvironments", "dindenvironments/status"):
        if needed not in names:
            raise LookupError(f"{API} serves {names}, without {needed}")
    return f"{API} serves {', '.join(names)}"


def operator_is_ready():
    get(sys.argv[1])
    return f"{sys.argv[1]} says ready"


def wait_for(check, remedy):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            print("ok:", check(), flush=True)
            return
        except (OSError, LookupError, ValueError) as error:
            if time.monotonic() > deadline:
                sys.exit(f"failed: {error}. {remedy}")
            time.sleep(2)


wait_for(api_is_served, "Is the CRD installed? See crds.install: kubectl get crd dindenvironments.dind.dev")
wait_for(operator_is_ready, "See the operator's log and its pod's events.")
