"""The API client, the watches, the cache, the work queue, leader election, metrics and probes. ``controller`` decides."""
