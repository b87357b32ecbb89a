"""Write requirements.txt and requirements-dev.txt anew from their .in files: `make lock`.

The lock names versions and hashes and nothing else, so the same file installs from any registry.
"""

import os
import subprocess
import sys
from pathlib import Path

OPTIONS = [
    "--generate-hashes",
    "--strip-extras",
    "--allow-unsafe",
    "--no-header",
    "--no-emit-options",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-emit-trusted-host",
    "--quiet",
]


def main() -> int:
    # Only the registry itself counts: a folder of wheels on this machine may hold files nobody else has.
    environment = {name: value for name, value in os.environ.items() if name != "PIP_FIND_LINKS"}
    for name in ("requirements", "requirements-dev"):
        command = [sys.executable, "-m", "piptools", "compile", *OPTIONS, *sys.argv[1:]]
        subprocess.run([*command, "-o", f"{name}.txt", f"{name}.in"], check=True, env=environment)
        lock = Path(f"{name}.txt")
        kept = [line for line in lock.read_text().splitlines() if "://" not in line and not line.startswith("--")]
        lock.write_text("\n".join(kept).strip() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
