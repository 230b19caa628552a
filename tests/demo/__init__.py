"""`make demo`: from a bare machine to an image that was built inside an environment, with a few lines of output."""
