"""Random projections of Kronecker products, without ever writing the products out.

The gradient of a linear layer is an outer product delta (x) h, so that <delta (x) h, delta' (x) h'> =
<delta, delta'> <h, h'>. With signs r_j and q_j drawn once,

    z_j = <r_j, delta> <q_j, h> / sqrt(size)        E <z, z'> = <delta, delta'> <h, h'>

(a Johnson-Lindenstrauss transform with rank-one rows; its error on products of unrelated vectors is
1/sqrt(size) of their norms, as with a dense one, at 1/n_out of the cost). Rows get their exact norm.

    z = project([(delta, h)], "last layer", size=512)          # (n, 512)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from amf_ros.policies.base import F32

SIZE = 512


def project(factors: Sequence[tuple[F32, F32]], key: str, size: int = SIZE) -> F32:
    """Project the joined outer products of each row's pairs, (n, size) float32.

    Args:
        factors: pairs of (n, n_left) and (n, n_right).
        key: names the projection; the same key and sizes give the same one, in any process.
        size: of the result.
    """
    rows = len(factors[0][0])
    total = np.zeros((rows, size), dtype=np.float32)
    squared = np.zeros(rows)
    for number, (left, right) in enumerate(factors):
        one, other = _signs(f"{key}/{number}", left.shape[1], right.shape[1], size)
        total += (left @ one) * (right @ other)
        squared += np.square(left, dtype=np.float64).sum(axis=1) * np.square(right, dtype=np.float64).sum(
            axis=1
        )
    norms = np.linalg.norm(total, axis=1)
    scales = np.divide(np.sqrt(squared), norms, out=np.zeros(rows), where=norms > 0)
    scaled: F32 = (total * scales[:, None]).astype(np.float32)
    return scaled


@lru_cache(maxsize=16)
def _signs(key: str, left: int, right: int, size: int) -> tuple[F32, F32]:
    """Signs (left, size) and (right, size) that follow from the arguments alone."""
    digest = hashlib.sha256(f"{key}/{left}/{right}/{size}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    one, other = (rng.choice(np.array([-1, 1], np.float32), (n, size)) for n in (left, right))
    return one, other
