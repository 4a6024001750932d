"""A file system on a disk whose power can be cut: pldisk over an image, a loop device on it, a mount.

Needs root and a mount namespace of its own (enter_namespace), so that no mount and no loop device outlives the process
that asked for it, however it ends.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import harness

IMAGE_BYTES = 384 << 20  # XFS takes no less than 300 MB. Sparse: only what is written takes memory.
MEMORY_BYTES_MAX = 2 << 30  # Two images at most, the second while it is made or kept; and the broker's log.
COMMAND_SECONDS = 20
IN_NAMESPACE = "TRIVIUM_POWER_NAMESPACE"
FORMAT = {"ext4": ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"),
          "xfs": ("mkfs.xfs", "-q", "-f", "-K", "-s", "size=4096")}
# XFS replays no block that already begins with a change as late as the journal's, so it needs a disk on which blocks of
# its size are old or new as a whole: on others a cut makes directories that it cannot read ("Metadata CRC error").
SECTOR_SIZE = {"ext4": 512, "xfs": 4096}


class DiskError(AssertionError):
    """The disk or its file system does not do what it must."""


def pldisk_path():
    return Path(os.environ.get("PLDISK") or harness.REPO / "build" / "release" / "tools" / "pldisk")


def what_is_missing():
    """Why no power can be cut here: a sentence, or None."""
    if os.geteuid() != 0:
        return "power-loss tests need root, to mount file systems"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not os.access(device, os.R_OK | os.W_OK):
            return f"power-loss tests need {device}, which is not here or cannot be opened"
    for program in ("unshare", "losetup", "mount", "umount", *(words[0] for words in FORMAT.values())):
        if shutil.which(program) is None:
            return f"power-loss tests need the program {program} (tools/packages/test.txt)"
    if not pldisk_path().is_file():
        return f"no pldisk at {pldisk_path()}; build it first (./dev build pldisk) or set PLDISK"
    return None


def enter_namespace():
    """Starts this program again in a mount namespace of its own, once. Must come before any thread or child."""
    if IN_NAMESPACE not in os.environ:
        os.environ[IN_NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])


def run(*command):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
                            stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise DiskError(f"{' '.join(map(str, command))}: exit code {result.returncode}: {result.stdout}{result.stderr}")
    return result.stdout.strip()


@contextlib.contextmanager
def directory_in_memory():
    """A directory for images: they are written again and again, and their own durability is of no interest."""
    path = Path(tempfile.mkdtemp(prefix="trivium-power-"))
    try:
        run("mount", "-t", "tmpfs", "-o", f"size={MEMORY_BYTES_MAX},mode=700", "tmpfs", path)
        try:
            yield path
        finally:
            run("umount", path)
    finally:
        path.rmdir()


class Disk:
    """Life: format(), then plug() and cut(), kill who writes, unplug(), again and again, or unplug() without a cut.
    While plugged in, the image file is the disk as the last cut left it."""

    def __init__(self, directory, file_system, ignore_flushes=False):
        self.file_system = file_system
        self.sector_size = SECTOR_SIZE[file_system]
        self.ignore_flushes = ignore_flushes
        self.image = directory / "image"
        self.block_file = directory / "disk"
        self.mount_point = directory / "mount"
        self.mount_point.mkdir()
        self.block_file.touch()
        self.process = None
        self.mounted = False

    def format(self):
        blank = self.image.with_suffix(".new")
        blank.unlink(missing_ok=True)
        with open(blank, "wb") as image:
            image.truncate(IMAGE_BYTES)
        run(*FORMAT[self.file_system], blank)
        run("cp", "--sparse=always", blank, self.image)  # The zeroes that were written need no room.
        blank.unlink()

    def plug(self):
        """Raises DiskError if the file system does not mount (which replays its own journal)."""
        assert self.process is None, "already plugged in"
        self.process = subprocess.Popen(
            [str(pldisk_path()), str(self.sector_size), "lying" if self.ignore_flushes else "honest", str(self.image),
             str(self.block_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self._answer(r"ready$")
            device = run("losetup", "--find", "--show", "--direct-io=on", "--sector-size", self.sector_size,
                         self.block_file)
            try:
                self._check_caching(Path(device).name)
                run("mount", "-t", self.file_system, device, self.mount_point)
                self.mounted = True
            finally:
                run("losetup", "--detach", device)  # Takes effect once it is unmounted, whoever does that.
        except BaseException:
            self.unplug()
            raise

    @staticmethod
    def _check_caching(device):
        """Flushes arrive only at a device that is known to have a cache."""
        kind = Path(f"/sys/block/{device}/queue/write_cache").read_text().strip()
        if kind != "write back":
            raise DiskError(f"{device} is taken for a disk without a cache ({kind}): no flush would reach it")

    def _tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _answer(self, pattern):
        line = self.process.stdout.readline()  # Ends with pldisk at the latest.
        found = re.match(pattern, line)
        if not found:
            raise DiskError(f"pldisk said {line!r}, exit code {self.process.poll()}")
        return tuple(map(int, found.groups()))

    def counts(self):
        """Writes and flushes since it was plugged in."""
        self._tell("counts")
        return self._answer(r"counts: (\d+) writes, (\d+) flushes$")

    def cut(self, when, survivors, seed):
        """After it nothing that is told to the disk is answered until release(). Result: writes that waited for a flush,
        their sectors, how many of these survive."""
        self._tell(f"cut {when} {survivors} {seed}")
        return self._answer(r"cut: (\d+) writes, (\d+) sectors pending, (\d+) survive$")

    def release(self):
        """Whoever waits is answered, in vain. Whoever could take that for durability must have been killed."""
        self._tell("release")

    def unplug(self):
        try:
            if self.mounted:
                run("umount", self.mount_point)
                self.mounted = False
        finally:
            process, self.process = self.process, None
            process.stdin.close()
            try:
                code = process.wait(COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                code = None
            process.stdout.close()
        if code != 0:
            raise DiskError(f"pldisk ended with {code}")

    def close(self):
        if self.process is not None:
            self.unplug()

    def keep(self, target):
        run("cp", "--sparse=always", self.image, target)
