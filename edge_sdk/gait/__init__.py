"""Gait of a walking dog from its keypoints: `edge_sdk.gait.score(keypoints, timestamps_ms)`."""

from edge_sdk.gait.measures import Measure
from edge_sdk.gait.refusal import Reason, Refusal
from edge_sdk.gait.report import GaitReport
from edge_sdk.gait.scores import METRICS, MetricScore
from edge_sdk.gait.scoring import score

__all__ = ["METRICS", "GaitReport", "Measure", "MetricScore", "Reason", "Refusal", "score"]
