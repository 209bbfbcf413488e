"""Start a program that ends when the one who started it ends, however that ends: `launch.py PARENT SIGNAL PROGRAM …`.

`thrice up` starts its parts through this file, so that even its own SIGKILL leaves no process behind. Linux only; on
other systems the program is simply started. Standard library only: it runs before anything of ours is imported.
"""

import ctypes
import os
import sys

#: Linux: the signal that the kernel sends this process when its parent ends. Source: prctl(2).
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent and become the program."""
    parent, signal_number, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
        if os.getppid() != parent:  # it ended before the line above
            sys.exit(1)
    os.execv(program[0], program)  # noqa: S606 - there is no shell to start


if __name__ == "__main__":
    main()
