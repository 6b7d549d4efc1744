"""GEPA on a fast, resumable engine: `optimize` takes the arguments of `gepa.optimize`."""

from __future__ import annotations

from ._anything import EngineConfig, GEPAConfig, MergeConfig, ReflectionConfig, log, optimize_anything
from ._diff import Diff
from ._install import install, uninstall
from ._native import ENGINE_VERSION as __version__
from ._native import Table
from ._optimize import optimize, optimize_async
from ._plan import Plan, plan
from ._result import GEPAResult
from ._run import Run
from ._stop import (
    CompositeStopper,
    FileStopper,
    MaxCandidateProposalsStopper,
    MaxMetricCallsStopper,
    MaxReflectionCostStopper,
    MaxTrackedCandidatesStopper,
    NoImprovementStopper,
    ScoreThresholdStopper,
    TimeoutStopCondition,
)
from ._types import EvaluationBatch, GEPAAdapter
from ._worker import worker

__all__ = [
    "CompositeStopper",
    "Diff",
    "EngineConfig",
    "EvaluationBatch",
    "FileStopper",
    "GEPAAdapter",
    "GEPAConfig",
    "GEPAResult",
    "MaxCandidateProposalsStopper",
    "MaxMetricCallsStopper",
    "MaxReflectionCostStopper",
    "MaxTrackedCandidatesStopper",
    "MergeConfig",
    "NoImprovementStopper",
    "Plan",
    "ReflectionConfig",
    "Run",
    "ScoreThresholdStopper",
    "Table",
    "TimeoutStopCondition",
    "__version__",
    "install",
    "log",
    "optimize",
    "optimize_anything",
    "optimize_async",
    "plan",
    "uninstall",
    "worker",
]
