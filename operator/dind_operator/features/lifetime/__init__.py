"""`spec.lifetime`: time to live and idle timeout."""
