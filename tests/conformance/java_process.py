"""A Java program of a conformance run: started, killed and started again, its output in one file."""

import socket
import subprocess


class JavaProcess:
    """Owned by its campaign, which calls kill() at the end."""

    def __init__(self, class_path, arguments, log):
        # C1 only and no shared archive of classes: short lives, several at a time on a small machine.
        self.command = ["java", "-Xmx320m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN",
                        "-cp", class_path, *map(str, arguments)]
        self.log = log
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def check_alive(self):
        assert self.process.poll() is None, f"ended with {self.process.returncode}\n{self.log_tail()}"

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log_tail(self):
        return self.log.read_text(errors="replace")[-6000:]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
