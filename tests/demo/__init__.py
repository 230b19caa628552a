"""`make demo`: from a bare machine to an image that was built inside an environment, told in a few lines."""
