"""What the CustomResourceDefinition accepts the models accept, and what it refuses they refuse: for values that are made from its
schema.

`DIND_FUZZ_SEED` and `DIND_FUZZ_VALUES` choose others and more.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz.agreement import disagreement
from tests.fuzz.environments import Environments, Made
from tests.fuzz.shrink import shrunk
from tests.integration.crd_cases import ACCEPTED
from tests.integration.harness.paths import environments
from tests.kube.api import Api

from dind_operator.api import json_codec

SEED = int(os.environ.get("DIND_FUZZ_SEED", "1"))
VALUES = int(os.environ.get("DIND_FUZZ_VALUES", "600"))
_SHOWN = 5
PATH = environments("default")


def test_the_definition_and_the_models_agree(served: Api) -> None:
    json_codec.install()  # for this process, which reads what comes back
    made = Environments(SEED, [spec for _, spec in ACCEPTED])
    config = made.schema["properties"]["daemon"]["properties"]["config"]

    def judge(number: int) -> tuple[Made, str | None]:
        one = made[number]
        return one, disagreement(served, PATH, one.body, config)

    print(f"seed {SEED}, {VALUES} values")
    with ThreadPoolExecutor(8) as pool:
        differ = [(one, words) for one, words in pool.map(judge, range(VALUES)) if words is not None]
    told = []
    for one, words in differ[:_SHOWN]:
        kind = words.split(":")[0]
        least = shrunk(
            one.body, lambda body, kind=kind: (disagreement(served, PATH, body, config) or "").startswith(kind)
        )
        told.append(f"number {one.number}: {words}\n{Made(one.number, one.kind, least).text()}")
    assert not differ, f"seed {SEED}: {len(differ)} of {VALUES}, such as\n" + "\n".join(told)
