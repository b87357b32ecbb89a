"""Processes that never outlive the one that started them.

Linux tells a process when its parent dies, if it asked to be told (PR_SET_PDEATHSIG). `start` runs a command in a
session of its own, so that a Ctrl-C in the terminal does not reach it, and makes it ask. Run as a module, this file
is the small program that asks and then becomes the command.
"""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

PR_SET_PDEATHSIG = 1
ROOT = Path(__file__).resolve().parent.parent


def die_with_parent(parent: int) -> None:
    """Be killed as soon as the parent is gone; at once, if it went before we could ask.

    The kernel means the thread that started us: start children from a thread that lives as long as the process.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def start(command: list[str], *, environment: dict[str, str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a command from the project's folder, in a session of its own, to die with this process.

    Its output goes to the end of the log, or where ours goes.
    """
    wrapper = [sys.executable, "-m", "config.children", str(os.getpid())]
    with log.open("ab") if log else nullcontext() as output:
        return subprocess.Popen(
            [*wrapper, *command],
            cwd=ROOT,
            env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
        )


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, without collecting it: until then no other process or group can have its number."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def kill_group(process: subprocess.Popen[bytes]) -> int:
    """Kill it with everything it started in its session, and collect it. Returns its exit code."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
