"""The command line: `edgewright COMMAND`, each command a file of `edgewright/cli/commands`."""

import sys

from edgewright.errors import EdgewrightError


def main() -> None:
    """Run the command line; exits with the code that design.md promises, and with one line for a user's mistake."""
    from edgewright.cli.application import build

    try:
        build()()
    except EdgewrightError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept, the next run goes on from there", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
