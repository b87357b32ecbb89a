"""Run a command against a PostgreSQL server that lives only as long as the command.

    python tools/with_postgres.py COMMAND [ARGUMENT ...]

The server listens on a free loopback port and keeps its data in a temporary folder. The command gets its address
as DATABASE_URL and TEST_DATABASE_URL. PostgreSQL refuses to run as root, so root starts it as the user `postgres`.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

# A test's data need not survive a power cut.
SPEED = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


def binaries() -> Path:
    """The newest server installed: on Debian its programs are not on the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = [str(debian[-1])] if debian else [shutil.which("initdb") or ""]
    if not found[0]:
        sys.exit("No PostgreSQL server was found: install the package postgresql.")
    return Path(found[0]).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop_on_signal(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main(command: list[str]) -> int:
    if not command:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, stop_on_signal)  # so that the server is stopped then too
    programs, port = binaries(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="parley-postgres-"))
    owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if owner:
        shutil.chown(folder, "postgres")
    control = [*owner, str(programs / "pg_ctl"), "-D", str(folder / "data"), "-w", "-s"]
    options = f"-h 127.0.0.1 -p {port} -k {folder} " + " ".join(f"-c {name}={value}" for name, value in SPEED.items())
    name = "postgres" if owner else getpass.getuser()
    initdb = [*owner, str(programs / "initdb"), "-D", str(folder / "data"), "-U", name, "-A", "trust", "-E", "UTF8"]
    try:
        subprocess.run([*initdb, "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd="/")
        start = [*control, "-l", str(folder / "log"), "-o", options, "start"]
        if subprocess.run(start, cwd="/").returncode:
            sys.exit(f"The PostgreSQL server did not start:\n{(folder / 'log').read_text()}")
        url = f"postgres://{name}@127.0.0.1:{port}/postgres"
        return subprocess.run(command, env=os.environ | {"DATABASE_URL": url, "TEST_DATABASE_URL": url}).returncode
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
