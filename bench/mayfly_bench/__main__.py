"""For `python3 -m mayfly_bench`; bin/mayfly-bench is what users call."""

import sys

from .main import main

sys.exit(main(sys.argv[1:]))
