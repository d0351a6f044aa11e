"""`cfork play`: the film in a browser, its stems separated just ahead of the playhead."""
