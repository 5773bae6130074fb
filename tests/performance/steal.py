"""How much of the machine's CPU time its host kept for others: makes wall times of a virtual machine uncertain."""

from pathlib import Path


class Steal:
    """`percent` of all CPU time inside the `with` block; 0 where the system does not tell."""

    percent = 0.0

    def __enter__(self) -> "Steal":
        self.before = self.read()
        return self

    def __exit__(self, *_: object) -> None:
        spent = [b - a for a, b in zip(self.before, self.read(), strict=True)]
        self.percent = 100 * spent[7] / max(sum(spent), 1)

    @staticmethod
    def read() -> list[int]:
        try:
            return [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        except OSError:
            return [0] * 8
