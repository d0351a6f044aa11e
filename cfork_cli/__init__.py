"""cfork: three sliders for any film. This package is the command; the network lives in the package `model`."""

__version__ = "0.1.0"
