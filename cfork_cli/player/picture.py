"""The film's picture for the browser: group by group as it is, or transcoded where the browser cannot show it.

Groups are asked for by time and tell where they begin and end: no index of the film is needed, and none can be wrong.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from cfork_cli.media.types import Media
from cfork_cli.player.copied import CopiedPicture
from cfork_cli.player.transcoded import MIME as TRANSCODED
from cfork_cli.player.transcoded import TranscodedPicture

Fragment = tuple[bytes, float, float]
"""Head and fragment of MP4, and the film seconds at which it begins and ends."""


class Picture:
    """The picture of one film; requests may come from several threads.

    Attributes:
        mime: of the picture as it is: 'video/mp4; codecs="avc1.64001f"'; "" if it cannot be copied or there is none.
        transcode_mime: of the transcoded one.
    """

    transcode_mime = TRANSCODED

    def __init__(self, media: Media, seconds: float | None = None) -> None:
        """
        Args:
            media: the film.
            seconds: its length; a picture that ends earlier stands still until then.

        Raises:
            DamagedInputError: it cannot be read.
        """
        self._lock = threading.Lock()
        self._copied = None if media.picture is None else CopiedPicture.open(media, seconds)
        self._transcoded = None if media.picture is None else TranscodedPicture(media, seconds)
        self.mime = "" if self._copied is None else self._copied.mime

    def copies(self, can: Mapping[str, bool]) -> bool:
        """Return whether a browser that can play these kinds gets the picture as it is."""
        return bool(self.mime) and can.get(self.mime, False)

    def init(self, copy: bool) -> bytes:
        """Return the head of the track, which is also in front of each fragment."""
        with self._lock:
            if copy and self._copied is not None:
                return self._copied.head
            return b"" if self._transcoded is None else self._transcoded.head()

    def fragment(self, seconds: float, copy: bool, *, fresh: bool = False) -> Fragment | None:
        """Return the pictures from the key frame at or before a moment up to the next one; None past the end.

        Args:
            seconds: of the film.
            copy: as they are.
            fresh: whether the browser has nothing of what comes before: then nothing in it may need that.

        Raises:
            DamagedInputError: the film cannot be read there.
            FfmpegError: it cannot be transcoded.
        """
        if self._transcoded is None:
            return None
        with self._lock:
            if copy and self._copied is not None:
                return self._copied.fragment(seconds, fresh=fresh)
            return self._transcoded.fragment(seconds)

    def close(self) -> None:
        """Give everything back."""
        with self._lock:
            for part in (self._copied, self._transcoded):
                if part is not None:
                    part.close()

    def __enter__(self) -> Picture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
