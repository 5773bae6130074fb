"""What a machine can do, and what a suite would need of it."""

from bench.doctor.finding import Finding
from bench.doctor.machine import machine_findings

__all__ = ["Finding", "machine_findings"]
