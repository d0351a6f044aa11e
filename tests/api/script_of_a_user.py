"""A script as somebody writes it who type-checks."""

import threading

import numpy as np

import cfork


def show(progress: cfork.Progress) -> None:
    print(progress.stage, progress.fraction)


cancel = threading.Event()
separator = cfork.Separator(device="cpu")
result: cfork.Result = cfork.remix("a.mkv", dialogue=6, music="-10", separator=separator, progress=show, cancel=cancel)
print(result.output.name, result.speed, result.notes)
media: cfork.Media = cfork.probe("a.mkv")
print([track.language for track in media.audio])
cfork.remix("a.mkv", dialogue=3, loudness=-16)
cfork.dub("a.mkv", ["voice.wav", ("line.wav", "1:02.5")], language="spa", progress=show)
planned = cfork.plan("a.mkv", music=-3)
print(planned.lines, planned.facts["codec"])
sound = np.zeros((2, 48_000), np.float32)
stems = separator.separate(sound, 48_000, stems=["dialogue"])
voice = stems.stems["dialogue"] * 2
for rate, mixture, found in separator.film("a.mkv", start=60, end="1:30"):
    print(rate, mixture.shape, found["music"].shape)
try:
    cfork.separate("a.mkv", "stems/", stems=("speech",))
except cfork.CforkError as error:
    print(error, error.exit_code)
