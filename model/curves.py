"""Old name of `model.train.curves`, kept for one release: `cfork train --plot` does the same."""

from .train.curves import main

if __name__ == "__main__":
    main()
