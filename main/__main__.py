"""``python -m main``: the console command without its installed script."""

import sys

from main.cli import main

sys.exit(main())
