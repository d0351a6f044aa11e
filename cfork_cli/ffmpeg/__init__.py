"""Find ffmpeg, build its command lines, run it safely, read its complaints. The one place that starts it."""
