#!/bin/sh
# Runs the tests with the oldest versions that pyproject.toml allows, in an environment of its own.
#
#     sh tests/performance/oldest.sh FOLDER [ARGUMENTS OF PYTEST]
#
# FOLDER: where the environment is made (several GB), and used again if it is there. Wants uv and Python 3.11. What the
# declared packages need themselves has its newest version, as pip would choose it. Ends with what pytest ends with.
set -eu
folder=$1
shift
cd "$(dirname "$0")/../.."
if [ ! -f "$folder/versions.txt" ]; then
    uv venv --quiet --python 3.11 "$folder"
    uv pip compile --quiet --resolution lowest-direct --python-version 3.11 --no-header --no-annotate --extra test \
        pyproject.toml --output-file "$folder/lowest.txt"
    VIRTUAL_ENV=$folder uv pip install --quiet --requirement "$folder/lowest.txt"
    mv "$folder/lowest.txt" "$folder/versions.txt"
fi
PYTHONPATH=$PWD OMP_NUM_THREADS=1 exec nice "$folder/bin/python" -m pytest -m "not slurm and not browser" "$@"
