"""A throw-away Slurm of two nodes on this machine: munged, slurmctld and two slurmd from Debian's packages.

All of it lies in one folder; nothing in /etc is read, and every daemon started is ended. Where
the kernel lets us (root), each node has a name and a hosts file of its own, as its jobs would on a real one.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

NODES = ("n1", "n2")
USER = getpass.getuser()
_SBIN = ":/usr/sbin:/sbin"
PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")


def missing_programs() -> list[str]:
    """What of Slurm this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name, path=os.environ["PATH"] + _SBIN) is None]


class MiniSlurm:
    """The cluster; ``env`` makes Slurm's commands, and the jobs, use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # a short one: the path of munge's socket may have 107 characters
        self.env = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "PATH": os.environ["PATH"] + _SBIN}
        self._daemons: list[subprocess.Popen[bytes]] = []

    # ------------------------------------------------------------------ start and stop

    def start(self) -> None:
        """Start the daemons and wait until both nodes take jobs."""
        for name in ("state", "log", "munge", "dev"):
            (self.folder / name).mkdir(mode=0o755)
        self._write_settings()
        key, sock = self.folder / "munge" / "key", self.folder / "munge" / "sock"
        subprocess.run(["mungekey", "--create", f"--keyfile={key}"], env=self.env, check=True)
        munge = [f"--key-file={key}", f"--socket={sock}", f"--pid-file={self.folder}/munged.pid"]
        munge += [f"--log-file={self.folder}/log/munged.log", f"--seed-file={self.folder}/munge/seed"]
        self._spawn("munged", "--foreground", "--force", *munge)
        self._wait(sock.exists, "munged does not answer")
        self._spawn("slurmctld", "-D")
        for node in NODES:
            (self.folder / f"spool-{node}").mkdir()
            self._spawn(*self._on_node(node), "slurmd", "-D", "-N", node)
        self._wait(lambda: self.command("sinfo", "-hNtidle", "-o%N").split() == [*NODES], "the nodes are not idle")

    def stop(self) -> None:
        """Cancel what runs, then end every daemon that was started."""
        self.command("scancel", "--state=PENDING", f"--user={USER}", check=False)
        self.command("scancel", f"--user={USER}", check=False)
        deadline = time.monotonic() + 15
        while self.command("squeue", "-h", check=False) and time.monotonic() < deadline:
            time.sleep(0.2)
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in self._daemons:
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def logs(self) -> str:
        """The last words of every daemon."""
        return "\n".join(f"{path.name}:\n{path.read_text()[-2000:]}" for path in (self.folder / "log").iterdir())

    def _spawn(self, *command: str) -> None:
        with (self.folder / "log" / f"{len(self._daemons)}.out").open("w") as log:
            self._daemons.append(
                subprocess.Popen(command, stdout=log, stderr=log, env=self.env, start_new_session=True)
            )

    def _wait(self, reached: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + 20
        while not reached():
            assert time.monotonic() < deadline, f"{complaint}: {self.logs()}"
            time.sleep(0.05)

    def _on_node(self, node: str) -> list[str]:
        """Host name and hosts file of the node's own, in namespaces; nothing where that is not allowed."""
        script = f'mount --bind {self.folder}/hosts /etc/hosts; hostname {node}; exec "$@"'
        command = ["unshare", "--mount", "--uts", "--", "sh", "-ec", script, "sh"]
        self.has_names = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
        if not self.has_names:
            self.env["MASTER_ADDR"] = "127.0.0.1"  # n1 is no name that anybody knows
        return command if self.has_names else []

    def _write_settings(self) -> None:
        host, ports, folder = socket.gethostname().split(".")[0], _free_ports(1 + len(NODES)), self.folder
        settings = [
            "ClusterName=mini",
            f"SlurmctldHost={host}(127.0.0.1)",
            f"SlurmctldPort={ports[0]}",
            f"SlurmUser={USER}",
            f"SlurmdUser={USER}",
            "AuthType=auth/munge",
            f"AuthInfo=socket={folder}/munge/sock,cred_expire=5",  # how long a requeued job waits; 120 by default
            f"StateSaveLocation={folder}/state",
            f"SlurmdSpoolDir={folder}/spool-%n",
            f"SlurmctldPidFile={folder}/slurmctld.pid",
            f"SlurmdPidFile={folder}/slurmd-%n.pid",
            f"SlurmctldLogFile={folder}/log/slurmctld.log",
            f"SlurmdLogFile={folder}/log/slurmd-%n.log",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "JobAcctGatherType=jobacct_gather/none",
            "AccountingStorageType=accounting_storage/none",
            "MpiDefault=none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core",
            "SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0",
            "SlurmdParameters=config_overrides",  # more cores and GPUs than there are
            "ReturnToService=2",
            "JobRequeue=1",
            "KillWait=2",
            "GresTypes=gpu",
            *(
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.{number + 1} Port={ports[number]} "
                f"CPUs=64 RealMemory=64000 Gres=gpu:8"
                for number, node in enumerate(NODES, start=1)
            ),
            "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE",
        ]
        (folder / "slurm.conf").write_text("\n".join(settings) + "\n")
        for number in range(8):
            (folder / "dev" / f"gpu{number}").symlink_to("/dev/null")
        (folder / "gres.conf").write_text(f"AutoDetect=off\nName=gpu File={folder}/dev/gpu[0-7]\n")
        names = [f"127.0.0.1 localhost {host}", *(f"127.0.0.{n} {node}" for n, node in enumerate(NODES, start=2))]
        (folder / "hosts").write_text("\n".join(names) + "\n")

    # ------------------------------------------------------------------ jobs

    def command(self, *arguments: str, check: bool = True, **env: str) -> str:
        """Run one of Slurm's commands in the repository's folder; what it printed."""
        root = Path(__file__).parent.parent
        done = subprocess.run(
            arguments, env={**self.env, **env}, cwd=root, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0 or not check, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def state(self, job: str) -> dict[str, str]:
        """``JobState``, ``Restarts``, ``ExitCode`` … of a job."""
        words = self.command("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for(self, job: str, timeout: float = 120) -> dict[str, str]:
        """Wait until a job has ended for good."""
        deadline = time.monotonic() + timeout
        while (state := self.state(job))["JobState"] in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED"):
            assert time.monotonic() < deadline, f"{job} is {state['JobState']} ({state['Reason']})\n{self.logs()}"
            time.sleep(0.2)
        return state


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
