"""`cfork play`: the film in a browser, with three sliders that work while it runs."""
