"""Memory of a server whose runs come in many threads, one after another."""

import ctypes

M_ARENA_MAX = -8  # of glibc's malloc.h
ARENAS = 2  # pools that all threads share; with one each, every thread keeps about 100 MB that its run has freed


def share_memory_pools() -> bool:
    """Let all threads share glibc's memory pools. Call it before threads are started.

    Returns:
        Whether it could be done; other C libraries have no such pools.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(M_ARENA_MAX, ARENAS) == 1
