"""The separation half of cfork: networks, the streaming separator, weights, and training.

Importing this package is cheap: it never imports torch, so `cfork --help` and `cfork models` start at once.
It knows nothing of the command, of ffmpeg, or of files other than weights; audio comes and goes as float32
arrays `[channels, samples]`.

>>> STEMS
('music', 'dialogue', 'effects')
>>> SAMPLE_RATE
44100
"""

from .stems import SAMPLE_RATE, STEMS

__all__ = ["SAMPLE_RATE", "STEMS"]
