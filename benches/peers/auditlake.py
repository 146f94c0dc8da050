"""auditlake: its command line, and its server as an engine that answers over HTTP.

The engine starts `auditlake serve` on the store as a process of its own; asking is one `POST /v1/sql` on a connection
that is kept open, timed until the whole answer is with the client.
"""

import http.client
import json
import os
import subprocess
import threading
import time

import processes
from questions import like_instead

KEY = "alk_peers_key_that_is_long_enough_to_be_accepted"
# Two threads for queries, as everyone has, and no record of each question in the log that is asked about, which nobody else
# makes and which would be among the answers; everything else as it comes.
SETTINGS = {"AUDITLAKE_QUERY__THREADS": "2", "AUDITLAKE_LOGBOOK__ENABLED": "false"}


def command(binary, *arguments):
    """Runs the program to its end. Returns seconds, peak memory in KiB and stdout; raises on failure."""
    started = time.monotonic()
    process = subprocess.Popen(
        [binary, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    errors = []
    drain = threading.Thread(target=lambda: errors.extend(process.stderr.readlines()[-20:]))
    drain.start()
    stdout = process.stdout.read()
    drain.join()
    # wait4 tells this child's own peak, where getrusage would tell the largest of all.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{binary} {arguments[0]} ended with {process.returncode}: {''.join(errors)}")
    return time.monotonic() - started, usage.ru_maxrss, stdout


def _environment():
    return os.environ | SETTINGS | {"AUDITLAKE_ROOT_KEY": KEY, "NO_COLOR": "1"}


class Auditlake:
    """A server on a store, and one connection to it."""

    def __init__(self, config):
        self.tenant = config["tenant"]
        self.statistics = None
        self.note = None
        self.process = subprocess.Popen(
            [config["binary"], "serve", "--listen", "127.0.0.1:0", "--store", config["store"]],
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
        )
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if "listening on http://" in line:
                break
        else:
            raise RuntimeError("the server does not start: " + "".join(lines[-20:]))
        address = line.split("listening on http://", 1)[1].split()[0].rstrip("/")
        threading.Thread(target=lambda: [None for _ in self.process.stderr], daemon=True).start()
        self.connection = http.client.HTTPConnection(address, timeout=300)

    def ask(self, sql):
        """The answer's bytes."""
        status, answer = self._post(sql)
        if 400 <= status < 500 and "has_words" in sql:
            self.note = "LIKE instead of has_words, which this build does not have"
            status, answer = self._post(like_instead(sql))
        if status != 200:
            raise RuntimeError(f"status {status}: {answer[:500].decode(errors='replace')}")
        return answer

    def _post(self, sql):
        body = json.dumps({"sql": sql, "tenant_id": self.tenant})
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        self.connection.request("POST", "/v1/sql", body, headers)
        response = self.connection.getresponse()
        return response.status, response.read()

    def rows(self, answer):
        """The answer as dictionaries; keeps what it cost."""
        decoded = json.loads(answer)
        self.statistics = decoded["statistics"]
        return decoded["rows"]

    def peak_kib(self):
        """The server's largest resident memory."""
        return processes.peak_kib(self.process.pid)

    def close(self):
        """Ends the server."""
        self.connection.close()
        self.process.terminate()
        self.process.wait(60)
