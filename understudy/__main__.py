"""`python -m understudy`: the command line, also how components are started as child processes."""

from understudy.cli import main

if __name__ == "__main__":
    main(prog_name="understudy")
