"""The report: invariances, the product's JSON, wording, levels, and the trend over sessions."""

import json
import re

import msgspec
import numpy as np
import pytest

from edge_sdk import gait
from edge_sdk.errors import TrendInputInvalid
from edge_sdk.gait import refusal, trend, wording
from edge_sdk.gait.scores import METRICS, believed
from edge_sdk.smoothing import MeasurementFilter
from tests.support.simple_walker import Walker, mirrored

SOUND = Walker()
LAME = SOUND.but(hind_stance_si=-28.0, limp_bob=0.02, hind_bend=(0.6, 1.0))
CLIPS = {
    "sound": SOUND.film(),
    "lame": LAME.film(),
    "skipping": SOUND.but(carried_left_hind=(3, 6)).film(),
    "12 fps": LAME.film(fps=12),
    "refused": SOUND.film(seconds=2.0),
}
REPORTS = {name: gait.score(*clip) for name, clip in CLIPS.items()}


@pytest.mark.parametrize("name", CLIPS)
class TestInvariance:
    def test_a_mirrored_clip_gives_the_mirrored_report(self, name):
        keypoints, times_ms = CLIPS[name]
        assert gait.score(mirrored(keypoints), times_ms) == REPORTS[name].mirrored()
        assert REPORTS[name].mirrored().mirrored() == REPORTS[name]

    def test_scale_and_shift_change_nothing(self, name):
        keypoints, times_ms = CLIPS[name]
        moved = keypoints * (1.7, 1.7, 1.0) + (123.4, -56.7, 0.0)
        assert gait.score(moved, times_ms) == REPORTS[name]

    def test_when_it_was_filmed_changes_nothing(self, name):
        keypoints, times_ms = CLIPS[name]
        assert gait.score(keypoints, times_ms + 86_400_000) == REPORTS[name]
        rounded = np.round(times_ms).astype(np.int64)
        assert gait.score(keypoints, rounded) == gait.score(keypoints, rounded + 12_345)


class TestJson:
    @pytest.mark.parametrize("name", CLIPS)
    def test_has_the_products_fields_exactly_and_one_more(self, name):
        j = json.loads(json.dumps(REPORTS[name].to_json()))
        assert set(j) == {
            "analysis_id", "job_id", "analyze_at", "processing", "result", "metrics", "artifacts",
            "model_version", "details",
        }  # fmt: skip
        assert set(j["processing"]) == {
            "analysis_time_ms", "video_duration_sec", "frames_sampled", "fps_used",
        }  # fmt: skip
        assert set(j["result"]) == {"overall_risk_level", "summary"}
        assert list(j["metrics"]) == [
            "patella_risk_signal", "gait_balance", "knee_mobility", "gait_stability", "gait_rhythm",
        ]  # fmt: skip
        for metric, entry in j["metrics"].items():
            extra = {"level"} if metric == "patella_risk_signal" else set()
            assert set(entry) == {"score", "description"} | extra
            assert entry["score"] is None or 0 <= entry["score"] <= 100
            assert entry["description"]
        assert j["artifacts"] == {
            "status": "pending", "keypoint_overlay_video_url": None, "report_image_url": None,
        }  # fmt: skip

    def test_unknown_is_null_with_the_reason_never_50(self):
        j = REPORTS["refused"].to_json()
        assert all(entry["score"] is None for entry in j["metrics"].values())
        assert j["result"]["overall_risk_level"] is None
        assert j["details"]["refusal"]["code"] == "INSUFFICIENT_FRAMES"
        for score in j["details"]["scores"].values():
            assert score["abstained_reason"] == "too_few_strides"

    def test_the_pipeline_fills_in_who_and_when(self):
        filled = msgspec.structs.replace(
            REPORTS["sound"], analysis_id="gait_1", analyze_at="2026-01-06T10:30:00+09:00"
        )
        j = filled.to_json()
        assert (j["analysis_id"], j["job_id"]) == ("gait_1", "gait_1")
        assert filled.mirrored().analysis_id == "gait_1"

    def test_comes_back_from_msgpack_as_it_was(self):
        packed = msgspec.msgpack.encode(REPORTS["lame"])
        assert msgspec.msgpack.decode(packed, type=gait.GaitReport) == REPORTS["lame"]


class TestScores:
    def test_a_sound_dog_scores_high_and_is_of_low_concern(self):
        report = REPORTS["sound"]
        assert all(metric.score >= 70 for metric in report.metrics.values())
        assert report.overall_risk_level == "low"

    def test_a_lame_dog_is_of_high_concern_with_reasons(self):
        report = REPORTS["lame"]
        assert report.overall_risk_level == "high"
        assert "hind_stance_uneven" in report.reasons
        assert report.metrics["gait_balance"].score < 50

    def test_skips_lower_the_patella_signal(self):
        report = REPORTS["skipping"]
        assert report.metrics["patella_risk_signal"].score < 60
        assert "strides_skipped" in report.reasons

    @pytest.mark.parametrize("metric", METRICS)
    def test_a_score_lies_in_its_interval(self, metric):
        for name in ("sound", "lame", "skipping", "12 fps"):
            score = REPORTS[name].metrics[metric]
            assert 0 <= score.ci95[0] <= score.score <= score.ci95[1] <= 100
        wide, narrow = (
            np.subtract(*REPORTS[n].metrics["gait_balance"].ci95[::-1]) for n in ("12 fps", "lame")
        )
        assert wide > 0 and narrow > 0

    def test_more_asymmetry_never_scores_better(self):
        scores = [
            gait.score(*SOUND.but(hind_stance_si=s).film()).metrics["gait_balance"].score
            for s in (0, 10, 20, 30, 40)
        ]
        assert scores == sorted(scores, reverse=True)

    def test_what_is_within_its_error_counts_little(self):
        assert believed(10.0, 0.1) == pytest.approx(10.0, rel=1e-3)
        assert believed(1.0, 5.0) < 0.25
        assert believed(0.0, 0.0) == 0.0

    def test_a_measurement_filter_may_come_before(self):
        keypoints, times_ms = CLIPS["lame"]
        report = gait.score(MeasurementFilter(window_s=0.17)(keypoints, times_ms))
        raw = REPORTS["lame"].measures["hind_stance_si"].value
        assert report.measures["hind_stance_si"].value == pytest.approx(raw, abs=6)


def sentences():
    for table in (refusal.TEXT_KO, refusal.TEXT_EN):
        yield from table.values()
    for words in wording.SUMMARY.values():
        yield from words
    for levels in wording._FIRST.values():
        for words in levels.values():
            yield from words
    for report in REPORTS.values():
        yield from (report.summary, report.summary_en)
        for metric in METRICS:
            yield from (report.description(metric), report.description_en(metric))
    empty = trend.Trend(measures=(), sessions=0)
    yield from (empty.summary, empty.summary_en)


DIAGNOSES = re.compile(
    "진단|질환|질병|탈구|파열|관절염|염증|환자|치료|처방|수술|이형성|디스크|병변|장애"
    "|diagnos|disease|luxat|rupture|arthr|inflam|patient|treat|prescri|surger|dysplas|lesion"
    "|illness|disorder|injur",
    re.IGNORECASE,
)


def test_no_sentence_diagnoses():
    found = [s for s in sentences() if DIAGNOSES.search(s)]
    assert found == []
    assert len(list(sentences())) > 80


def test_the_description_names_the_side_and_turns_with_the_mirror():
    text = REPORTS["lame"].description("gait_balance")
    assert "왼쪽" in text
    assert "오른쪽" in REPORTS["lame"].mirrored().description("gait_balance")


class TestTrend:
    @staticmethod
    def sessions(*walkers):
        return [
            trend.Session(captured_at_ms=1_000 * i, report=gait.score(*w.but(seed=i).film()))
            for i, w in enumerate(walkers)
        ]

    def test_a_steady_dog_raises_no_alert(self):
        seen = trend.trend(self.sessions(*[SOUND] * 7))
        assert seen.measures
        assert seen.alerts == ()

    def test_one_odd_session_raises_no_alert(self):
        lame = SOUND.but(hind_stance_si=40.0)
        assert trend.trend(self.sessions(*[SOUND] * 4, lame)).alerts == ()

    def test_two_sessions_beyond_error_do(self):
        lame = SOUND.but(hind_stance_si=40.0)
        seen = trend.trend(self.sessions(*[SOUND] * 4, lame, lame))
        alert = {a.name: a for a in seen.alerts}["hind_stance_si"]
        assert alert.direction == "worse"
        assert alert.change > alert.bound
        assert "주의" in seen.summary

    def test_getting_better_is_said_as_such(self):
        lame = SOUND.but(hind_stance_si=40.0)
        seen = trend.trend(self.sessions(*[lame] * 4, SOUND, SOUND))
        assert {a.name: a.direction for a in seen.alerts}["hind_stance_si"] == "better"

    def test_too_few_sessions_have_no_trend(self):
        assert trend.trend(self.sessions(SOUND, SOUND)).measures == ()

    def test_refused_clips_count_for_nothing(self):
        good = self.sessions(*[SOUND] * 5)
        bad = trend.Session(captured_at_ms=9_999_000, report=REPORTS["refused"])
        assert trend.trend([*good, bad]).measures == trend.trend(good).measures

    def test_sessions_must_be_in_order(self):
        good = self.sessions(SOUND, SOUND)
        with pytest.raises(TrendInputInvalid):
            trend.trend(good[::-1])
