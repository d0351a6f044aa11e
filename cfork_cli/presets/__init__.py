"""Presets: settings with a name, ours and the user's own. Nothing here prints."""
