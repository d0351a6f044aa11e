"""cfork as a library: films remixed and separated without a terminal. `import cfork` hands these names on.

Sound is float32 `[channels, samples]`, full scale 1.0. Every error is a `CforkError` whose message is one line. Nothing
here prints, and importing this costs neither torch nor NumPy.
"""
