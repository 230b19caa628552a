"""`kubectl dind`: the kubectl plugin. It calls kubectl for every request to the cluster, except for `report`."""
