"""`python -m model.train`: see `loop`."""

from .loop import main

if __name__ == "__main__":
    main()
