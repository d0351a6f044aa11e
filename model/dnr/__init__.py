"""Divide and Remaster (DnR): free sources, scenes by the published recipe, and scenes mixed on the fly."""
