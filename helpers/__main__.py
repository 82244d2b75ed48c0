"""The command line, `python -m helpers`; `helpers.cli` says what it does."""

import sys

try:
    from helpers.cli import main

    sys.exit(main())
except KeyboardInterrupt:  # during that import; later ones end in `main`
    print("interrupted", file=sys.stderr)
    sys.exit(130)
