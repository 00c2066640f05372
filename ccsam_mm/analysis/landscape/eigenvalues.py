# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The largest eigenvalues of a symmetric matrix that is only known by products."""

from typing import Callable, List

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

# Matrices up to this size are formed, since Lanczos' method needs room.
DENSE = 32


def largest_eigenvalues(
    product: Callable[[Tensor], Tensor],
    like: Tensor,
    count: int,
    tolerance: float = 1e-4,
) -> List[float]:
    """Find the algebraically largest eigenvalues by SciPy's Lanczos method.

    Args:
        product (Callable): ``v -> H v`` for vectors ``(k, )``.
        like (Tensor): A vector ``(k, )`` in the precision and on the device of ``v``.
        count (int): The number of eigenvalues, less than ``k``.
        tolerance (float): Relative accuracy; 0 is the machine's. Defaults to 1e-4.

    Returns:
        list[float]: From the largest down.

    Raises:
        ValueError: If ``count`` is not below ``k``.
        RuntimeError: If the method does not converge.

    Examples:
        >>> import torch
        >>> from ccsam_mm.analysis.landscape import largest_eigenvalues
        >>> diagonal = torch.tensor([3.0, -9.0, 5.0])
        >>> largest_eigenvalues(lambda v: diagonal * v, diagonal, 2)
        [5.0, 3.0]
    """
    size = len(like)
    if count >= size:
        raise ValueError(
            f'--eigenvalues {count}: {size} parameters are perturbed, so set it to '
            f'{size - 1} at most.'
        )

    def matvec(vector: np.ndarray) -> np.ndarray:
        found = product(torch.from_numpy(np.ravel(vector)).to(like))
        return found.double().cpu().numpy()

    if size <= DENSE:
        columns = [matvec(unit) for unit in np.eye(size)]
        values = np.linalg.eigvalsh(np.stack(columns))
    else:
        operator = LinearOperator((size, size), matvec=matvec, dtype=np.float64)
        start = np.random.RandomState(0).standard_normal(size)
        try:
            values = eigsh(
                operator,
                k=count,
                which='LA',
                v0=start,
                tol=tolerance,
                return_eigenvectors=False,
            )
        except ArpackNoConvergence as error:
            raise RuntimeError(
                f'{len(error.eigenvalues)} of {count} eigenvalues have converged: set '
                '--eigenvalues to fewer of them.'
            ) from error
    return sorted(values.tolist(), reverse=True)[:count]
