"""Facts about media files: streams, layouts, time stamps, lengths."""
