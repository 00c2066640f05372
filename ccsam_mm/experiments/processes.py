# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Ways to run a command beside the sweep: here, or on a Ray cluster."""

import contextlib
import os
import signal
import subprocess
import sys
from typing import Dict, List, Optional, Sequence


class LocalProcess:
    """A command in a process group of its own, which ends as a whole.

    Args:
        command (list[str]): The command.
        log (str): The file that its output is appended to.
        env (dict[str, str]): The environment.
        keep_open (Sequence[int]): File descriptors to inherit. Defaults to ().
    """

    def __init__(
        self,
        command: List[str],
        log: str,
        env: Dict[str, str],
        keep_open: Sequence[int] = (),
    ):
        with open(log, 'ab') as out:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
                pass_fds=keep_open,
            )

    def poll(self) -> Optional[int]:
        """The exit status, or None before the end."""
        return self.process.poll()

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it by force."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class RayTask:
    """A command that a worker of a Ray cluster runs; files must be shared with it.

    Args:
        command (list[str]): The command.
        log (str): The file that its output is appended to.
        env (dict[str, str]): Additions to the worker's environment.
        threads (int): The CPUs to reserve, beside one GPU where the cluster has any.
    """

    def __init__(self, command: List[str], log: str, env: Dict[str, str], threads: int):
        import ray

        folder = os.getcwd()

        def work():
            with open(os.path.join(folder, log), 'ab') as out:
                return subprocess.run(
                    command,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **env},
                    cwd=folder,
                ).returncode

        if not ray.is_initialized():
            ray.init()
        gpus = 1 if ray.cluster_resources().get('GPU') else 0
        remote = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=0)(work)
        self.ray, self.task = ray, remote.remote()

    def poll(self) -> Optional[int]:
        """The exit status, or None before the end."""
        done, _ = self.ray.wait([self.task], timeout=0)
        if not done:
            return None
        try:
            return self.ray.get(self.task)
        except self.ray.exceptions.RayError as error:  # of the worker
            print(error, file=sys.stderr)
            return 1

    def terminate(self) -> None:
        """Interrupt the worker, which ends its process."""
        self.ray.cancel(self.task)

    def kill(self) -> None:
        """End the worker by force."""
        self.ray.cancel(self.task, force=True)
