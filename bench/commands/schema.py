"""`bench schema`: the JSON schema of suite files."""

import argparse
import json

from bench.suite.json_schema import schema


def main(options: argparse.Namespace) -> int:
    print(json.dumps(schema(), indent=1))
    return 0
