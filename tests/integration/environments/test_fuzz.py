"""Whatever the API server stores, the operator survives it: a short run of `make fuzz`.

`make fuzz` sets the variables: how many objects, for how long at most, and the seed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.bench.operator_process import OperatorProcess
from tests.cluster.controlplane import ControlPlane
from tests.fuzz.environments import Environments
from tests.fuzz.run import Fuzz
from tests.helm import NAMESPACE
from tests.integration.crd_cases import ACCEPTED
from tests.integration.harness.proxy import Proxy
from tests.integration.harness.running import kubeconfig
from tests.integration.harness.space import Space

from dind_operator.api import json_codec

# Of this seed's first objects some are stored and invalid, which is rare.
SEED = int(os.environ.get("DIND_FUZZ_SEED", "20261130"))
OBJECTS = int(os.environ.get("DIND_FUZZ_OBJECTS", "300"))
SECONDS = float(os.environ.get("DIND_FUZZ_SECONDS", "240"))


@pytest.mark.timeout(SECONDS + 300)
def test_every_object_that_is_stored_is_survived(
    plane: ControlPlane, serving: tuple[Path, Path], token: str, space: Space, tmp_path: Path
) -> None:
    json_codec.install()  # for this process, which reads them, too
    print(f"seed {SEED}", flush=True)
    proxy = Proxy(plane.url, plane.ca, *serving, only=space.name).start()
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig(proxy.url, plane.ca, token)))
    try:
        # Without a Lease: an operator that cannot renew it in time, because the machine is busy, exits, and nothing here starts it
        # again.
        settings = {"DIND_RESYNC_SECONDS": "1", "DIND_POD_NAMESPACE": NAMESPACE, "DIND_LEADER_ELECTION": "false"}
        with OperatorProcess(path, **settings) as operator:
            fuzz = Fuzz(Environments(SEED, [spec for _, spec in ACCEPTED]), space, proxy, operator)
            tally = fuzz.run(OBJECTS, SECONDS)
            # After all of them one that is as it should be is served.
            space.create()
            space.wait_pod()
    finally:
        proxy.stop()
    assert tally.stored
    assert tally.refused
    assert tally.invalid
