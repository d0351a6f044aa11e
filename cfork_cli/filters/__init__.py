"""ffmpeg's audio filters in this process: which are taken, how long they look ahead, sound through them."""
