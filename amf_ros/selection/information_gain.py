"""What one demonstration tells about the target tasks: eq. 2 of the paper, in float64.

Bagatella, Huebotter, Martius, Krause, Active Fine-Tuning of Generalist Policies, arXiv 2410.05026:

    c_n = argmax_c' E_{c ~ mu} E_{s ~ rho_c} [ I(pi*(s, c) ; tau(c') | D_{n-1}) ]                      (2)

With a Gaussian expert (section 4; :mod:`amf_ros.selection.posterior`) the information is

    I(x ; X') = 1/2 log (v + sigma^2) / (v' + sigma^2),    v = k_D(x, x)
    v' = v - |R^-1 K|^2,    K = k_D(X', x),    R R^T = k_D(X', X') + sigma^2 I

for a state x of a target and the states X' of a trajectory tau(c'). Unlike the paper, D is preceded by what
pre-training covered, where the checkpoint says so: without it no strategy can know which tasks the policy
has learned already. Algorithm 1 demonstrates c_n, adds it to D and asks again; the next of a batch is asked
for after the expected trajectory of the one before (:mod:`amf_ros.selection.gain_strategy`):

    known = InformationGain.of(scaled_problem, config)        # D_{n-1}
    chosen = known.scores().gains.argmax()                    # c_n
    later = known.after(known.tau[chosen])                    # D_n, before anybody demonstrated

:mod:`amf_ros.selection.engine` answers alike for thousands of tasks. Imports posterior,
scaled_problem and config.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from amf_ros.core.config import SelectionConfig
from amf_ros.core.values import Array
from amf_ros.selection.posterior import Floats, Posterior, inverse_root
from amf_ros.selection.scaled_problem import ScaledProblem

Information = Literal["exact", "linear", "variance"]


def inner(rows: Floats, others: Floats) -> Floats:
    """Return the inner products of trajectories and other rows, (c, T, p), (n, p) -> (c, T, n)."""
    found: Floats = (rows.reshape(-1, rows.shape[2]) @ others.T).reshape(*rows.shape[:2], len(others))
    return found


def removed_variance(
    cross: Floats, gram: Array, v: Floats, noise_variance: float, out: Floats | None = None
) -> Floats:
    """Return v - v' of n states after each of c trajectories of T states, (c, n), from 0 to v.

    Args:
        cross: (c, T, n) K of each trajectory, float32 or float64: so is the answer.
        gram: (c, T, T) k_D(X', X').
        v: (n,) variance before.
        noise_variance: sigma^2.
        out: memory of the shape of ``cross`` to work in.
    """
    inverse = inverse_root(gram, noise_variance).astype(cross.dtype, copy=False)
    white = np.matmul(inverse, cross, out=out)  # (c, T, n) R^-1 K
    removed: Floats = np.einsum("ctn,ctn->cn", white, white)
    np.minimum(removed, v, out=removed)
    return removed


def information(removed: Floats, v: Floats, noise_variance: float, form: Information = "exact") -> Floats:
    """Return I(x ; X') [nat] from v - v' (c, n) and v (n,): exact, its first order, or v - v' itself."""
    if form == "variance":
        return removed
    share = known_share(removed, v, noise_variance)  # (v - v') / (v + sigma^2)
    gain: Floats = 0.5 * share if form == "linear" else -0.5 * np.log1p(-share)
    return gain


def known_share(removed: Floats, v: Floats, noise_variance: float) -> Floats:
    """Return (v - v') / (v + sigma^2), written over ``removed``; below 1 by rounding at least."""
    total = v + removed.dtype.type(noise_variance)
    np.divide(removed, total, out=removed)
    share: Floats = np.minimum(removed, 1 - np.finfo(removed.dtype).eps, out=removed)
    return share


@dataclass(frozen=True, eq=False)
class CandidateScores:
    """Holds the gains of all candidates.

    Attributes:
        gains: (candidates,) eq. 2 [nat].
        std: (candidates,) mean posterior standard deviation of the candidate's own states.
        matrix: (candidates, targets) gain about each target, per state of it; None where nobody asked.
        exact: rows of candidates whose scores are of float64; the best is among them.
        about: (exact, targets) gain of these about each target.
        rounding: largest error of float32 that was seen, in units of its bound; 0 where all is float64.
    """

    gains: Array
    std: Array
    matrix: Floats | None
    exact: NDArray[np.int64]
    about: Array
    rounding: float = 0.0


@dataclass(frozen=True, eq=False)
class InformationGain:
    """Evaluates eq. 2 for all candidates c' of a problem, given what is known; they have up to T states.

    Attributes:
        problem: what is asked.
        form: of information.
        posterior: of w.
        tau: (c, T, p) whitened expected trajectories.
        psi: (E, p) whitened states s ~ rho_c of all targets c.
        rho: (E,) what each of them counts; those of a target sum to 1.
        starts: (targets,) where each target's states begin.
        cross: (c, T, E) K.
        gram: (c, T, T) k_D(X', X').
        v: (E,) posterior variance.
    """

    problem: ScaledProblem
    form: Information
    posterior: Posterior
    tau: Array
    psi: Array
    rho: Array
    starts: NDArray[np.int64]
    cross: Array
    gram: Array
    v: Array

    @classmethod
    def of(cls, problem: ScaledProblem, config: SelectionConfig) -> InformationGain:
        """Condition on all that is known. Raises IllConditioned where the posterior has no factor."""
        posterior = Posterior.of(problem, config.noise_variance)
        states, rho, starts = problem.all_evaluation()
        return cls.given(problem, config.information, posterior, posterior.whiten(states), rho, starts)

    @classmethod
    def given(
        cls,
        problem: ScaledProblem,
        form: Information,
        posterior: Posterior,
        psi: Array,
        rho: Array,
        starts: NDArray[np.int64],
    ) -> InformationGain:
        """Take all covariances of candidates and evaluation states from a posterior."""
        tau = posterior.whiten(problem.trajectories(problem.candidates))
        left = posterior.unseen(tau)
        cross, gram, v = inner(left, psi), left @ np.swapaxes(tau, 1, 2), posterior.variance(psi)
        return cls(problem, form, posterior, tau, psi, rho, starts, cross, gram, v)

    def scores(self) -> CandidateScores:
        """Evaluate eq. 2.

        Raises:
            IllConditioned: a candidate's covariance is not finite.
        """
        noise = self.posterior.noise_variance
        removed = removed_variance(self.cross, self.gram, self.v, noise)  # (c, E)
        gains = information(removed, self.v, noise, self.form)  # (c, E) I(pi*(s, c); tau(c') | D)
        about = np.add.reduceat(gains * self.rho, self.starts, axis=1)  # (c, targets) E_{s ~ rho_c}
        return CandidateScores(
            about @ self.problem.mu,  # E_{c ~ mu}
            self.problem.mean_deviation(self.gram, self.problem.candidates),
            about,
            np.arange(len(about)),
            about,
        )

    def after(self, psi: Array) -> InformationGain:
        """Return the same after noisy looks at t whitened states, (t, p): D_n from D_{n-1}.

        Raises:
            IllConditioned: their covariance is not finite.
        """
        left = self.posterior.unseen(psi)
        return self.given_covariances(psi, left, inner(self.tau, left), left @ self.psi.T)

    def given_covariances(self, psi: Array, left: Array, with_tau: Array, with_psi: Array) -> InformationGain:
        """Return :meth:`after` of looks whose covariances are known: Schur's complement.

        Args:
            psi: (t, p) whitened looks.
            left: (t, p) what is unseen of them.
            with_tau: (c, T, t) their covariance with the candidates' states.
            with_psi: (t, E) with the evaluation states.
        """
        inverse = inverse_root(left @ psi.T, self.posterior.noise_variance)
        part, shared = with_tau @ inverse.T, inverse @ with_psi  # (c, T, t), (t, E)
        change = inner(part, shared.T)
        return replace(
            self,
            posterior=self.posterior.with_seen(inverse @ left),
            cross=np.subtract(self.cross, change, out=change),
            gram=self.gram - part @ np.swapaxes(part, 1, 2),
            v=np.maximum(self.v - np.square(shared).sum(axis=0), 0),
        )
