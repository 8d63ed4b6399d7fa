"""`python -m daengdong`."""

from daengdong.cli import main

if __name__ == "__main__":
    main()
