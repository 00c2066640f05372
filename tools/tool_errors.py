# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Shows errors of this project as one sentence, and all others as tracebacks.

It needs the standard library alone, so that a tool can call :func:`show_sentences`
before it imports PyTorch, which takes seconds.
"""

import dis
import errno
import os
import os.path as osp
import shlex
import sys
import time
from types import TracebackType
from typing import Optional

TOOLS = osp.dirname(osp.abspath(__file__))
OURS = (TOOLS + os.sep, osp.join(osp.dirname(TOOLS), 'ccsam_mm') + os.sep)
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
# Words in the errors of PyTorch's checkpoint writer on a full disk.
FULL_DISK_WORDS = (
    'PytorchStreamWriter failed',
    'file write failed',
    'unexpected pos',
)


def show_sentences(*files: str, resume: Optional[str] = None) -> None:
    """Show errors of this project as one sentence in this process.

    The environment variable ``CCSAM_MM_DEBUG=1`` shows every traceback.

    Args:
        *files (str): Names for the first arguments of the tool, such as 'config', which
            are local files that must exist.
        resume (str, optional): The option that continues an interrupted run. Defaults
            to None: the same command continues it.
    """
    for kind, path in zip(files, sys.argv[1:]):
        if path.startswith('-'):
            break  # an option: argparse knows which arguments belong to it
        if '://' not in path and not osp.isfile(osp.expanduser(path)):
            _say(f'{kind} {path!r} {_what_lacks(path)}')
            raise SystemExit(2)
    if os.environ.get('CCSAM_MM_DEBUG', '0') in ('', '0'):
        sys.excepthook = _hook(resume)


def _what_lacks(path: str) -> str:
    if osp.isdir(path):
        return 'is a folder: name a file in it.'
    folder = osp.dirname(path) or '.'
    return f'does not exist: {folder!r} ' + (
        'has no such file.' if osp.isdir(folder) else 'is not a folder.'
    )


def _hook(resume: Optional[str]):
    def hook(kind, error, traceback) -> None:
        sentence = sentence_of(error, resume)
        if sentence is None:
            sys.__excepthook__(kind, error, traceback)
        else:
            _say(sentence)

    return hook


def sentence_of(error: BaseException, resume: Optional[str] = None) -> Optional[str]:
    """Sentence to show instead of the traceback of an error.

    Args:
        error (BaseException): What ended the tool.
        resume (str, optional): As in :func:`show_sentences`. Defaults to None.

    Returns:
        str, optional: The sentence; None for an error that only a traceback explains.
    """
    if isinstance(error, KeyboardInterrupt):
        return f'Interrupted. To continue: {_command(resume)}'
    if _disk_is_full(error):
        return (
            f'No space left on the device for {_written_file(error)}: free space, then '
            f'continue: {_command(resume)}'
        )
    if isinstance(error, (PermissionError, IsADirectoryError)) and error.filename:
        return f'{error.strerror}: {error.filename!r}'
    while error is not None:
        if _was_raised_by_us(error):
            return str(error.args[0]) if len(error.args) == 1 else str(error)
        # MMEngine repeats the errors of hooks in new ones.
        inner = error.__cause__ or error.__context__
        if inner is None or type(inner) is not type(error):
            return None
        if str(inner) not in str(error):
            return None
        error = inner
    return None


def _was_raised_by_us(error: BaseException) -> bool:
    """Whether a ``raise`` of this project raised it, not an operation that failed."""
    if isinstance(error, (AssertionError, NotImplementedError)):
        return False
    last = _frames(error.__traceback__)[-1:]
    if not last or not last[0].tb_frame.f_code.co_filename.startswith(OURS):
        return False
    instruction = last[0].tb_frame.f_code.co_code[last[0].tb_lasti]
    return dis.opname[instruction] == 'RAISE_VARARGS'


def _frames(traceback: Optional[TracebackType]) -> list:
    frames = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    return frames


def _disk_is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL_DISK
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in FULL_DISK_WORDS
    )


def _written_file(error: BaseException) -> str:
    """The file that was being written, which such errors do not name."""
    names = [getattr(error, 'filename', None)]
    for frame in reversed(_frames(error.__traceback__)):
        local = frame.tb_frame.f_locals
        names += [local.get(key) for key in ('filepath', 'filename', 'path', 'f')]
    found = [str(name) for name in names if isinstance(name, (str, os.PathLike))]
    return repr(found[0]) if found else 'a file'


def _command(resume: Optional[str]) -> str:
    """The command that continues the run."""
    if resume is None:
        return 'call the same command again.'
    if 'RANK' in os.environ or _is_launched():
        return f'call the same command again with {resume}.'
    words = ['python', *sys.argv]
    if resume in words:
        at = words.index(resume)
        has_value = at + 1 < len(words) and not words[at + 1].startswith('-')
        del words[at : at + 1 + has_value]
    words = [word for word in words if not word.startswith(f'{resume}=')]
    return f'`{shlex.join([*words, resume])}`'


def _is_launched() -> bool:
    return any(word.startswith('--launcher') for word in sys.argv)


def _rank() -> int:
    """The rank of this process among those of a launcher."""
    names = ['RANK']
    if _is_launched():
        names += ['SLURM_PROCID', 'OMPI_COMM_WORLD_RANK']
    return int(next((os.environ[name] for name in names if name in os.environ), 0))


def _say(sentence: str) -> None:
    """Print a sentence once, even if every process of a launcher has it."""
    sys.stdout.flush()
    if _rank() > 0:
        # The launcher ends all processes when the first one fails. If that one has no
        # such error, this process is still alive to report it.
        time.sleep(5)
    print(f'{osp.basename(sys.argv[0])}: {sentence}', file=sys.stderr, flush=True)
