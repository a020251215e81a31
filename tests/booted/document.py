"""The commands of a page, so that each is run, and as it stands there."""

import re

from machine import Failed


class Document:
    """A page's blocks of shell commands, by heading and order."""

    def __init__(self, path):
        self.path, self.blocks, heading = path, {}, ""
        for part in re.split(r"^(## [^\n]*|```sh\n.*?^```)$", path.read_text(), flags=re.M | re.S):
            if part.startswith("## "):
                heading, count = part[3:], 0
            elif part.startswith("```sh"):
                self.blocks[heading, count] = part[5:-3].strip().split("\n")
                count += 1
        self.unused = set(self.blocks)

    def run(self, machine, heading, number, instead=lambda line: line):
        """Runs a block; `instead` gives the line that a container without a network can run."""
        lines = self.blocks.get((heading, number))
        if lines is None:
            raise Failed(f"{self.path} has no block {number} under {heading!r}")
        self.unused.discard((heading, number))
        return "\n".join(machine.run(instead(line)) for line in lines)
