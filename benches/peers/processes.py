"""What the system knows about processes and files: peak memory, sizes, the page cache."""

import os
import subprocess
from pathlib import Path


def peak_kib(process):
    """Largest resident memory of a living process so far (VmHWM)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def folder_bytes(folder):
    """Number of files below a folder, and their size together."""
    count = size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            count += 1
            size += os.stat(os.path.join(path, name)).st_size
    return count, size


def drop_page_cache():
    """Empties the system's page cache; only root may."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")


def machine():
    """One line about where this runs."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        "unknown",
    )
    memory = next(
        (int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0
    )
    return f"{os.cpu_count()} cores ({model}), {memory / 2**20:.0f} GiB of memory, {os.uname().sysname}"


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def revision(folder):
    """The commit that is checked out, with a mark if files differ from it."""
    describe = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(describe, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
