"""Creates the manifests of Events about environments."""

from datetime import datetime
from typing import Any

from dind_operator.api import names
from dind_operator.api.conditions import format_time
from dind_operator.state.cluster import Note

COMPONENT = names.LABEL_MANAGED_BY_VALUE


def event_of(environment: dict[str, Any], note: Note, moment: datetime) -> dict[str, Any]:
    """The manifest. The API server generates its name."""
    metadata = environment["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion"),
        },
        "reason": note.reason,
        "message": note.message[:1024],  # the limit of the API server
        "type": "Warning" if note.warning else "Normal",
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": format_time(moment),
        "lastTimestamp": format_time(moment),
        "count": 1,
    }
