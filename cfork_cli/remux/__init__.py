"""The film around the new sound: what can come along, and the command that writes it."""
