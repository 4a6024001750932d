"""A small file system of its own for one test: a tmpfs that can really be full."""

import errno
import os
import subprocess
import tempfile
from pathlib import Path

import harness

FILL_STEP = 1 << 20


class SmallDisk:
    """A mounted tmpfs of `size` bytes. Needs the right to mount; says so when it has not."""

    def __init__(self, size):
        self.path = Path(tempfile.mkdtemp(prefix="trivium-small-disk-"))
        result = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "trivium-test", str(self.path)],
                                capture_output=True, text=True)
        if result.returncode:
            self.path.rmdir()
            raise harness.BrokerError("a full disk needs a file system of its own, and mounting a tmpfs was refused "
                                      f"(run as root): {result.stderr.strip()}")
        self.filler = self.path / "filler"

    def free(self):
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def fill(self):
        """Takes every byte that is free, as another program would; again and again if there is some again."""
        step = FILL_STEP
        with open(self.filler, "ab", buffering=0) as filler:
            while step:
                try:
                    if filler.write(bytes(step)) < step:
                        step //= 2
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 2

    def release(self):
        self.filler.unlink(missing_ok=True)

    def close(self):
        result = subprocess.run(["umount", str(self.path)], capture_output=True, text=True)
        if result.returncode:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)
        self.path.rmdir()
