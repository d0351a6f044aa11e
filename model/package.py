"""Old name of `model.train.package`, kept for one release: `cfork models package` does the same."""

from .train.package import main

if __name__ == "__main__":
    main()
