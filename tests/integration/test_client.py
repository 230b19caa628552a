"""The client of the tests themselves: what it reads, writes and watches is what the API server has."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from tests.cluster.controlplane import ControlPlane
from tests.integration.harness.running import kubeconfig
from tests.integration.harness.space import Space
from tests.kube.api import Api, NotSeenError
from tests.kube.client import ApiError, Object
from tests.kube.eventually import eventually
from tests.kube.kinds import Kind, Kinds


@pytest.fixture
def maps(space: Space) -> str:
    return f"{space.path}/configmaps"


@pytest.fixture
def later() -> Iterator[list[threading.Thread]]:
    """Threads that are joined in the end."""
    started: list[threading.Thread] = []
    yield started
    for thread in started:
        thread.join()


def config(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_an_object_is_made_changed_applied_over_and_deleted(served: Api, maps: str) -> None:
    made = served.create(maps, config("a", one="1"))
    assert served.get(f"{maps}/a") == made
    assert served.patch(f"{maps}/a", {"data": {"two": "2"}})["data"] == {"one": "1", "two": "2"}
    assert served.apply(f"{maps}/a", config("a", two="3"))["data"] == {"one": "1", "two": "3"}
    assert served.apply(f"{maps}/b", config("b"))["metadata"]["name"] == "b"
    assert {item["metadata"]["name"] for item in served.items(maps)} >= {"a", "b"}
    assert [item["metadata"]["name"] for item in served.items(maps, fieldSelector="metadata.name=b")] == ["b"]
    served.delete(f"{maps}/a")
    assert served.get(f"{maps}/a") is None
    served.delete(f"{maps}/a")


def test_a_refusal_has_its_code_and_its_sentence(served: Api, maps: str) -> None:
    served.create(maps, config("a"))
    with pytest.raises(ApiError) as twice:
        served.create(maps, config("a"))
    assert (twice.value.code, twice.value.message) == (409, 'configmaps "a" already exists')
    with pytest.raises(ApiError) as stale:
        served.delete(f"{maps}/a", preconditions={"uid": "00000000-0000-4000-8000-000000000000"})
    assert stale.value.code == 409
    assert served.get(f"{maps}/a") is not None


def test_a_token_is_somebody_else(plane: ControlPlane, space: Space, maps: str) -> None:
    token = space.api.create(f"{space.path}/serviceaccounts/default/token", {})["status"]["token"]
    other = Api(kubeconfig(plane.url, plane.ca, token))
    with pytest.raises(ApiError) as refused:
        other.items(maps)
    other.close()
    assert refused.value.code == 403
    assert f"system:serviceaccount:{space.name}:default" in refused.value.message


def test_what_is_so_already_is_seen_without_a_change(served: Api, maps: str) -> None:
    served.create(maps, config("a", one="1"))
    found = served.wait(maps, "a", lambda item: item and item["data"] == {"one": "1"}, "there", 10)
    assert found is not None
    assert served.wait(maps, "none", lambda item: item is None, "absent", 10) is None


def test_each_change_is_seen_also_one_that_is_over(served: Api, maps: str, later: list[threading.Thread]) -> None:
    """A state that lasts for no time is missed by whoever looks now and then."""
    seen: list[object] = []
    opened = threading.Event()

    def change() -> None:
        opened.wait(10)
        served.create(maps, config("a", step="1"))
        served.patch(f"{maps}/a", {"data": {"step": "2"}})
        served.delete(f"{maps}/a")
        served.create(maps, config("a", step="3"))

    later.append(threading.Thread(target=change))
    later[0].start()

    def ended(item: Object | None) -> bool:
        opened.set()
        seen.append(item and item["data"]["step"])
        return seen[-1] == "3"

    served.wait(maps, "a", ended, "the last step", 10)
    assert seen == [None, "1", "2", None, "3"]


def test_a_collection_is_watched_as_a_whole(served: Api, maps: str, later: list[threading.Thread]) -> None:
    later.append(threading.Thread(target=lambda: [served.create(maps, config(f"m{number}")) for number in range(3)]))
    later[0].start()
    found = served.wait_items(
        maps, lambda items: sum(item["metadata"]["name"].startswith("m") for item in items) == 3, "three", 10
    )
    assert {"m0", "m1", "m2"} <= {item["metadata"]["name"] for item in found}


def test_a_condition_about_something_else_is_asked_again(served: Api, maps: str) -> None:
    """The object does not change; what is asked of it becomes true all the same."""
    served.create(maps, config("a"))
    from_then = time.monotonic() + 0.5
    served.wait(maps, "a", lambda _: time.monotonic() > from_then, "later", 10)


def test_what_does_not_come_is_told_with_what_is_there(served: Api, maps: str) -> None:
    served.create(maps, config("a"))
    with pytest.raises(NotSeenError, match=r"not seen within 0 s: .*/configmaps: a: other\nthe story"):
        served.wait(maps, "a", lambda _: False, "other", 0, story=lambda: "the story")


def test_watches_outlive_the_api_server(later: list[threading.Thread]) -> None:
    """One that is away is no end of a wait: the list is read again when it is back."""
    with ControlPlane() as plane:
        api = Api(plane.kubeconfig)
        maps = "/api/v1/namespaces/default/configmaps"
        opened = threading.Event()
        seen: list[Object | None] = []

        def there(item: Object | None) -> bool:
            opened.set()
            return item is not None

        def wait() -> None:
            seen.append(api.wait(maps, "a", there, "there", 60))

        later.append(threading.Thread(target=wait))
        later[0].start()
        assert opened.wait(10)
        plane.stop_api_server()
        plane.start_api_server()
        eventually(lambda: api.get("/api/v1/namespaces/default"), "the API server")
        made = api.create(maps, config("a"))
        later[0].join(30)
        assert [item and item["metadata"]["uid"] for item in seen] == [made["metadata"]["uid"]]
        api.close()


def test_kinds_have_the_names_that_kubectl_knows(served: Api) -> None:
    kinds = Kinds(served)
    pods = Kind("/api/v1", "pods", True)
    assert [kinds(name) for name in ("pods", "pod", "po", "Pod")] == [pods] * 4
    ours = Kind("/apis/dind.dev/v1alpha1", "dindenvironments", True)
    assert [kinds(name) for name in ("dind", "DindEnvironment", "dindenvironments.dind.dev")] == [ours] * 3
    assert kinds("events") == Kind("/api/v1", "events", True)
    assert kinds("node").collection(None) == "/api/v1/nodes"
    assert kinds("deployment").collection("x") == "/apis/apps/v1/namespaces/x/deployments"
    assert kinds("crd").base == "/apis/apiextensions.k8s.io/v1"
    with pytest.raises(KeyError):
        kinds("nothing")


def test_a_kind_that_comes_later_is_learned(served: Api) -> None:
    kinds = Kinds(served)
    with pytest.raises(KeyError):
        kinds("gadgets")
    name = "gadgets.tests.dind.dev"
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]
    spec: Object = {"group": "tests.dind.dev", "scope": "Cluster", "versions": versions}
    spec |= {"names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"}}
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    served.create(crds, {"metadata": {"name": name}, "spec": spec})

    def learned() -> Kind | None:
        try:
            return kinds("gadget")
        except KeyError:
            return None

    assert eventually(learned, "the new kind") == Kind("/apis/tests.dind.dev/v1", "gadgets", False)
    served.delete(f"{crds}/{name}")
