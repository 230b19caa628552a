"""The edge: Kopf, the API client, the queue, metrics and probes. No decision about an environment is made here."""
