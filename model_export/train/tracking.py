"""Where the numbers of a training go besides its log: nowhere, or to MLflow by a setting."""

import os
from typing import Any, Protocol

from edge_sdk.errors import MissingExtra


class Tracker(Protocol):
    """One run of an experiment."""

    def start(self, settings: dict[str, Any]) -> None:
        """Open the run with what it was started with."""
        ...

    def log(self, metrics: dict[str, float], epoch: int) -> None:
        """Record the numbers of an epoch."""
        ...

    def finish(self) -> None:
        """Close the run."""
        ...


class _NoTracking:
    def start(self, settings: dict[str, Any]) -> None:
        pass

    def log(self, metrics: dict[str, float], epoch: int) -> None:
        pass

    def finish(self) -> None:
        pass


def no_tracking() -> Tracker:
    """The log file alone."""
    return _NoTracking()


class MlflowTracking:
    """Records a run in MLflow, at `uri` or where MLFLOW_TRACKING_URI says.

    MLflow is the extra `tracking`, imported here and nowhere else; raises `MissingExtra` without
    it. Its own usage reports to the outside are switched off.
    """

    def __init__(self, experiment: str, run_name: str, uri: str | None = None):
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        try:
            import mlflow
        except ImportError as error:
            raise MissingExtra("mlflow", "tracking") from error
        self._mlflow = mlflow
        if uri is not None:
            mlflow.set_tracking_uri(uri)
        mlflow.set_experiment(experiment)
        self._run_name = run_name

    def start(self, settings: dict[str, Any]) -> None:
        """Open the run with what it was started with."""
        self._mlflow.start_run(run_name=self._run_name)
        self._mlflow.log_params(settings)

    def log(self, metrics: dict[str, float], epoch: int) -> None:
        """Record the numbers of an epoch."""
        self._mlflow.log_metrics({k: float(v) for k, v in metrics.items()}, step=epoch)

    def finish(self) -> None:
        """Close the run."""
        self._mlflow.end_run()


def tracker_from_environment(model: str, run_name: str, enabled: bool | None = None) -> Tracker:
    """MLflow when `enabled`, or when it is None and DAENGDONG_MLFLOW is set to 1; else nothing."""
    wanted = os.environ.get("DAENGDONG_MLFLOW") == "1" if enabled is None else enabled
    return MlflowTracking(f"daengdong-{model}", run_name) if wanted else no_tracking()
