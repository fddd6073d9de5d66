"""Memory of a server whose runs come in many threads, one after another."""

import ctypes

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h
ARENAS = 2  # pools that all threads share; with one each, every thread keeps about 100 MB that its run has freed
LARGE = 4 << 20  # bytes; see below


def steady_memory() -> bool:
    """Let all threads share glibc's memory pools, and large blocks go back to the system when they are freed.

    By itself glibc lets the size of "large" grow with what is freed, up to 32 MB: pictures then come from the pools,
    which keep them for as long as anything above them is in use. Call it before threads are started.

    Returns:
        Whether it could be done; other C libraries have no such pools.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return mallopt(M_ARENA_MAX, ARENAS) == 1 and mallopt(M_MMAP_THRESHOLD, LARGE) == 1
