"""From a suite to jobs: a DAG ancestor -> learngene -> start -> run, each with its identity. Torch-free."""

from bench.plan.make import each_kind, make_plan
from bench.plan.model import Plan, RunCell

__all__ = ["Plan", "RunCell", "each_kind", "make_plan"]
