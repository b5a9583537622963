"""Keep glibc from giving freed memory back to the system between steps.

Tensors of tens of megabytes are otherwise mapped, zeroed page by page and unmapped at every operation: on a
two-core virtual machine a training step took 28.6 s instead of 3.6 s (`dev/LOG.md`).
"""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> bool:
    """Tell the allocator to keep what is freed for the next step; False where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 256 << 20))
    accepted = [mallopt(option, value) == 1 for option, value in settings]  # all are tried
    return all(accepted)


def give_back_freed_memory() -> None:
    """Give what is freed back to the system once; nothing happens where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return
