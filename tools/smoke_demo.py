"""Run `make demo` as a newcomer does, look at the log-in page, and press Ctrl-C: `make smoke`."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

LONGEST = 180  # seconds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    port = free_port()
    with tempfile.TemporaryDirectory() as data:
        output = Path(data) / "output"
        with output.open("wb") as file:
            # A session of its own stands for the terminal: Ctrl-C reaches make and all it has in its group.
            make = subprocess.Popen(
                ["make", "demo", f"PORT={port}", f"SANDBOX_PORT={free_port()}"],
                env=os.environ | {"DATA_DIR": data},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            end = time.monotonic() + LONGEST
            while "Ctrl-C stops it." not in output.read_text():
                if make.poll() is not None or time.monotonic() > end:
                    sys.exit(f"The demo did not start:\n{output.read_text()}")
                time.sleep(0.2)
            print(output.read_text())
            with urllib.request.urlopen(f"http://localhost:{port}/account/login/", timeout=30) as page:
                assert page.status == 200
            processes = psutil.Process(make.pid).children(recursive=True)
            os.killpg(make.pid, signal.SIGINT)
            make.wait(timeout=30)
            left = [process for process in processes if process.is_running()]
            if left:
                sys.exit(f"Left after Ctrl-C: {left}")
        finally:
            if make.poll() is None:
                os.killpg(make.pid, signal.SIGKILL)
    print("The demo started, showed its log-in page, and left nothing behind.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
