"""`python -m seqtool` is the same as `seqtool`."""

from seqtool.cli import main

if __name__ == "__main__":
    main()
