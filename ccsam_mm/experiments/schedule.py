# Copyright (c) ccsam_mm contributors. All rights reserved.
import time
from typing import Callable, Dict, List, Optional, Tuple


def run_tasks(
    needs: Dict[str, Optional[str]],
    start: Callable,
    finish: Callable,
    jobs: int = 1,
    poll: float = 0.05,
) -> List[str]:
    """Run tasks side by side, each after the one that it needs.

    Args:
        needs (dict[str, str, optional]): The task that each task waits for, or None.
        start (Callable): Called with a task and the number of a free slot; returns an
            object whose ``poll()`` is None as long as the task runs, then its exit
            status, and which has ``terminate()`` and ``kill()``.
        finish (Callable): Called with a task and its exit status (None where the task
            that it needs has failed); returns whether the task succeeded.
        jobs (int): The number of slots. Defaults to 1.
        poll (float): Seconds between two checks. Defaults to 0.05.

    Returns:
        list[str]: The tasks that failed.

    Examples:
        >>> from types import SimpleNamespace
        >>> from ccsam_mm.experiments import run_tasks
        >>> def start(task, slot):
        ...     print('start', task)
        ...     return SimpleNamespace(poll=lambda: 0)
        >>> run_tasks(dict(b='a', a=None), start, lambda task, code: code == 0)
        start a
        start b
        []
    """
    waiting, running = dict(needs), {}
    failed: List[str] = []
    try:
        while waiting or running:
            for task in [task for task in waiting if waiting[task] in failed]:
                del waiting[task]
                finish(task, None)
                failed.append(task)
            for task, slot in _ready(waiting, running, failed, jobs):
                del waiting[task]
                running[task] = (slot, start(task, slot))
            over = {t: p.poll() for t, (_, p) in running.items()}
            over = {task: code for task, code in over.items() if code is not None}
            for task, code in over.items():
                del running[task]
                if not finish(task, code):
                    failed.append(task)
            if running and not over:
                time.sleep(poll)
    except BaseException:  # Ctrl-C, too
        stop([process for _, process in running.values()])
        raise
    return failed


def _ready(waiting, running, failed, jobs) -> List[Tuple[str, int]]:
    """The tasks to start now, each with a free slot."""
    taken = [slot for slot, _ in running.values()]
    free = [slot for slot in range(jobs) if slot not in taken]
    blocked = [*waiting, *running, *failed]
    ready = [task for task, need in waiting.items() if need not in blocked]
    return list(zip(ready, free))


def stop(processes: list, patience: float = 10) -> None:
    """End processes, by force if they do not end in time.

    Args:
        processes (list): The return values of ``start`` of :func:`run_tasks`.
        patience (float): Seconds before force is used. Defaults to 10.

    Examples:
        >>> from ccsam_mm.experiments.schedule import stop
        >>> stop([])
    """
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + patience
    while any(p.poll() is None for p in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in processes:
        process.kill()


def remaining_seconds(
    waiting: List[str], measured: List[Tuple[str, float]], jobs: int
) -> Optional[float]:
    """Estimate the time of the remaining stages, from stages of the same name.

    Args:
        waiting (list[str]): The names of the remaining stages.
        measured (list[tuple[str, float]]): Names and seconds of finished stages.
        jobs (int): How many run at a time.

    Returns:
        float, optional: The seconds, or None where nothing was measured.

    Examples:
        >>> from ccsam_mm.experiments import remaining_seconds
        >>> remaining_seconds(['a', 'a', 'b'], [('a', 10), ('a', 20)], jobs=2)
        22.5
    """
    if not measured:
        return None
    total = 0.0
    for name in waiting:
        alike = [s for n, s in measured if n == name] or [s for _, s in measured]
        total += sum(alike) / len(alike)
    return total / jobs
