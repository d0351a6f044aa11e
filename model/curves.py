"""Old name of `model.train.curves`, kept for one release: `cfork train --plot` does the same."""

from model.train.curves import main

if __name__ == "__main__":
    main()
