"""A Gaussian-process policy: the expert's actions regressed on [observation, task embedding].

Bagatella et al. 2025 (arXiv 2410.05026), section 4, AMF-GP: pi*(s, c) ~ GP(0, k_s(s, s') k_c(c, c')), one
process per action element with the same covariance, noise variance sigma^2. It *is* its data: those of
pre-training stay and new demonstrations are added, so it needs no prior to keep it from forgetting, and
``TrainingConfig.prior`` does not matter to it. Learning is one Cholesky factorisation (scikit-learn's), cubic
in the number of steps, which ``GpConfig.max_points`` bounds.

    policy = GpPolicy.create(spec, steps, TrainingConfig(), seed=0)
    policy.fit(steps, TrainingConfig())

Imports types, config, errors, kernels and policies.base.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import WhiteKernel

from amf_ros.core.config import GpConfig, TrainingConfig, parse
from amf_ros.core.covariance import product_kernel
from amf_ros.core.errors import CheckpointError, ConfigError, TrainingDiverged
from amf_ros.core.frames import Frames
from amf_ros.core.values import Array
from amf_ros.policies.base import F32, PolicySpec, Steps
from amf_ros.policies.flat import FlatView

WHO = "policy 'gp'"
OBSERVATION_FLOOR = 0.02  # m, rad or sine: smaller variations are not blown up to a whole z
ACTION_FLOOR = 1e-3  # rad, m or gripper fraction per step
NOISE_BOUNDS = (1e-6, 1.0)  # of a fit
FIT_POINTS = 400  # steps that a fit looks at: each of its evaluations is cubic in them

_STATISTICS = ("observation_mean", "observation_std", "action_mean", "action_std")
_DATA = ("pretraining_rows", "pretraining_chunks", "collected_rows", "collected_chunks")


class GpPolicy:
    """See the module. Before anything is learned it acts as the mean action of the steps it was made for.

    Attributes:
        task_columns: trailing columns of :meth:`embed` that are the task's embedding.
    """

    def __init__(self, spec: PolicySpec, config: GpConfig, arrays: Mapping[str, F32]) -> None:
        """Use :meth:`create` or :meth:`restore`. ``arrays`` holds statistics and data by name."""
        self.spec, self.config, self._flat = spec, config, FlatView(spec.layout, WHO)
        self.task_columns = len(spec.task_names)
        self._arrays = dict(arrays)
        self._regressor: GaussianProcessRegressor | None = None
        self._solve()

    @classmethod
    def create(cls, spec: PolicySpec, steps: Steps, config: TrainingConfig, seed: int) -> GpPolicy:
        """Make a policy with the statistics of ``steps`` and no data yet; ``seed`` is not used."""
        flat = FlatView(spec.layout, WHO)
        observations, actions = flat.rows(steps.observations), steps.chunks[:, 0]
        d, k, a = len(flat), len(spec.task_names), len(spec.action_names)
        rows, chunks = np.zeros((0, d + k), np.float32), np.zeros((0, spec.chunk, a), np.float32)
        statistics = (
            observations.mean(axis=0),
            np.maximum(observations.std(axis=0), OBSERVATION_FLOOR),
            actions.mean(axis=0),
            np.maximum(actions.std(axis=0), ACTION_FLOOR),
        )
        data = dict(zip(_DATA, (rows, chunks, rows, chunks)))
        return cls(spec, config.gp, dict(zip(_STATISTICS, statistics)) | data)

    def fit(self, steps: Steps, config: TrainingConfig) -> float:
        """Learn these steps beside those of pre-training; the first steps ever are the pre-training.

        With ``config.gp.fit`` the first steps also set lengthscales and noise, by marginal likelihood.
        They stay then, so that embeddings of one session are comparable from first round to last.

        Returns:
            Mean L1 error on the steps, in standardised units.
        """
        first = not len(self._arrays["pretraining_rows"])
        which = "pretraining" if first else "collected"
        kept = slice(None, None, -(-len(steps) // self.config.max_points))
        self._arrays[f"{which}_rows"] = self._rows(steps.observations[kept], steps.tasks[kept])
        self._arrays[f"{which}_chunks"] = (steps.chunks[kept] - self._arrays["action_mean"]) / self._arrays[
            "action_std"
        ]
        if first and self.config.fit:
            self.config = self._fitted()
        self._solve()
        error = (self.infer(steps.observations, steps.tasks) - steps.chunks) / self._arrays["action_std"]
        return float(np.abs(error)[steps.valid > 0].mean())

    def infer(self, observations: Frames, tasks: F32) -> F32:
        """Return the mean action chunks (B, H, a) in the contract's units for B observations and (B, k)."""
        shape = (len(observations), self.spec.chunk, len(self.spec.action_names))
        mean = np.zeros(shape)
        if self._regressor is not None and len(observations):
            rows = self._rows(observations, tasks).astype(np.float64)
            mean = self._regressor.predict(rows).reshape(shape)
        actions: F32 = (mean * self._arrays["action_std"] + self._arrays["action_mean"]).astype(np.float32)
        return actions

    def embed(self, observations: Frames, tasks: F32) -> F32:
        """Return [z(s) / l_s, c / l_c], inputs in units of their lengthscales, (B, d + k), for AMF-GP."""
        return self._rows(observations, tasks) / self._lengthscales

    def pretraining_inputs(self) -> F32:
        """Return the embedded inputs of the pre-training steps, (n, d + k)."""
        return self._arrays["pretraining_rows"] / self._lengthscales

    def finish_pretraining(self, steps: Steps) -> None:
        """Nothing is left to do: the steps were kept by :meth:`fit`."""

    def fine_tunable(self, steps: Steps, config: TrainingConfig) -> GpPolicy:
        """Make a copy that knows the pre-training steps only: all demonstrations are learned again."""
        empty = {f"collected_{part}": self._arrays[f"collected_{part}"][:0] for part in ("rows", "chunks")}
        return GpPolicy(self.spec, self.config, self._arrays | empty)

    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """Return statistics and data by name."""
        return dict(self._arrays)

    def settings(self) -> Mapping[str, Any]:
        """Return the kernel."""
        return self.config.model_dump()

    @classmethod
    def restore(
        cls, spec: PolicySpec, tensors: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> GpPolicy:
        """Rebuild from :meth:`tensors` and :meth:`settings`.

        Raises:
            CheckpointError: a setting or tensor is missing, superfluous or of another shape.
        """
        try:
            config = parse(dict(settings), GpConfig, "settings")
        except ConfigError as error:
            raise CheckpointError(str(error)) from error
        d, k, a = len(FlatView(spec.layout, WHO)), len(spec.task_names), len(spec.action_names)
        width = {"rows": (d + k,), "chunks": (spec.chunk, a)}
        wanted: dict[str, tuple[int, ...]] = dict(zip(_STATISTICS, ((d,), (d,), (a,), (a,))))
        for name in _DATA:
            rows = f"{name.split('_')[0]}_rows"
            number = len(tensors[rows]) if rows in tensors and tensors[rows].ndim else 0
            wanted[name] = (number, *width[name.split("_")[1]])
        found = {name: value.shape for name, value in tensors.items()}
        if found != wanted:
            name = next(n for n in sorted({*found, *wanted}) if found.get(n) != wanted.get(n))
            raise CheckpointError(
                f"the checkpoint's {name!r} has shape {found.get(name, 'none')}, expected "
                f"{wanted.get(name, 'none')}; make the checkpoint again"
            )
        return cls(spec, config, {name: np.asarray(v, dtype=np.float32) for name, v in tensors.items()})

    @property
    def _lengthscales(self) -> F32:
        d = len(self._flat)
        scales = [self.config.state_lengthscale] * d + [self.config.task_lengthscale] * self.task_columns
        return np.array(scales, dtype=np.float32)

    def _rows(self, observations: Frames, tasks: F32) -> F32:
        """Give [z(s), c], (n, d + k).

        The embedding stays as it is: its spread over the tasks that pre-training had says nothing about those
        it had not.
        """
        mean, std = self._arrays["observation_mean"], self._arrays["observation_std"]
        z = (self._flat.rows(observations) - mean) / std
        return np.concatenate([z, tasks], axis=1).astype(np.float32)

    def _kernel(self) -> Any:
        c, d = self.config, len(self._flat)
        return product_kernel(c.family, d, self.task_columns, c.state_lengthscale, c.task_lengthscale)

    def _solve(self) -> None:
        """Condition on all data. Raises TrainingDiverged where the covariance has no Cholesky factor."""
        rows, chunks = self._data("pretraining", "collected")
        if not len(rows):
            return
        made = GaussianProcessRegressor(self._kernel(), alpha=self.config.noise_variance, optimizer=None)
        try:
            self._regressor = made.fit(rows, chunks)
        except np.linalg.LinAlgError as error:
            raise TrainingDiverged(
                f"the covariance of {len(rows)} steps could not be factorised with noise_variance "
                f"{self.config.noise_variance:g}; raise it"
            ) from error

    def _data(self, *parts: str) -> tuple[Array, Array]:
        """Rows (n, d + k) and chunks (n, H a) of these parts, for scikit-learn."""
        rows = np.concatenate([self._arrays[f"{part}_rows"] for part in parts]).astype(np.float64)
        chunks = np.concatenate([self._arrays[f"{part}_chunks"] for part in parts]).astype(np.float64)
        return rows, chunks.reshape(len(rows), chunks.shape[1] * chunks.shape[2])

    def _fitted(self) -> GpConfig:
        """Lengthscales and noise of largest marginal likelihood (Rasmussen and Williams 2006, eq. 5.8)."""
        rows, chunks = self._data("pretraining")
        every = -(-len(rows) // FIT_POINTS)
        kernel = self._kernel() + WhiteKernel(self.config.noise_variance, NOISE_BOUNDS)
        fitted = GaussianProcessRegressor(kernel).fit(rows[::every], chunks[::every])
        found = np.exp(fitted.kernel_.theta).tolist()
        names = ["state_lengthscale", *["task_lengthscale"] * (self.task_columns > 0), "noise_variance"]
        return self.config.model_copy(update=dict(zip(names, found)))
