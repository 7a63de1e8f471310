"""`python -m rfscore` is the `rfscore` command."""

from rfscore.cli import main

if __name__ == "__main__":
    main()
