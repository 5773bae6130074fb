import sys

from bench.console.learngene_bench import main

sys.exit(main())
