"""A contestant is a process that answers one line with one line. Between its turns it is stopped, so that threads
that spin while they wait cost the others nothing; each has its own, so no two share a thread pool or its runtime."""

import ctypes
import json
import os
import pathlib
import select
import signal
import subprocess
import sys

WORKER = pathlib.Path(__file__).with_name("worker.py")
LIBC = ctypes.CDLL(None)


UNSHARED = "wde-unshared"  # WDE that computes a common beginning of texts in each of them


def is_wde(name):
    return name in ("wde", UNSHARED)


class Failed(Exception):
    """The contestant said no, or fell."""


class Contestant:
    def __init__(self, name, wde, threads, log):
        command = [wde] if is_wde(name) else [sys.executable, str(WORKER), name]
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads),
            "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
            "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                        env=environment, preexec_fn=die_with_parent)

    def load(self, path, precision, threads):
        if self.name == UNSHARED:
            self.ask("share", "false")
        return self.ask("load", path, precision, threads)

    def ask(self, *words, timeout=900):
        """Its answer, while it alone runs."""
        line = "\t".join(map(str, words)) + "\n"
        try:
            self.process.send_signal(signal.SIGCONT)
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], timeout)[0]:
                raise Failed(f"no answer to {words[0]} within {timeout} s")
            reply = json.loads(self.process.stdout.readline() or "{}" if self.process.poll() is None else "{}")
        except (OSError, ValueError) as error:
            raise Failed(f"{words[0]}: {error}") from error
        if self.process.poll() is not None or reply is None:
            raise Failed(f"{words[0]}: exit {self.process.returncode}")
        self.process.send_signal(signal.SIGSTOP)
        if "error" in reply:
            raise Failed(reply["error"])
        return reply

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def die_with_parent():
    PR_SET_PDEATHSIG = 1
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
