"""Fuzz every reader of foreign files and texts, and print counts, the slowest, the largest and every fault as JSON.

    python benchmarks/fuzz/run.py --cases 20000 --seed 0
    python benchmarks/fuzz/run.py --cases 500 --reader spec --reader picture

It needs the packages of the tests, and Linux. The exit code is 1 if there is a fault. See ``tests/fuzz``.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fuzz.campaign import run
from tests.fuzz.readers import READERS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000, help="how many, shared evenly by the readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="append", choices=READERS, help="fuzz only these; repeatable")
    options = parser.parse_args()
    found = run(options.cases, options.seed, options.reader or list(READERS))
    print(json.dumps(found, indent=2))
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
