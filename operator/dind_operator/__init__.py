"""The DindEnvironment operator."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("dind-operator")
except PackageNotFoundError:  # run from a checkout
    __version__ = "0.1.0"
