"""What `daengdong vet chat` prints beside an answer."""

from __future__ import annotations

from daengdong.vet_chat import rest_of


def test_each_warning_sign_stands_on_a_line_of_its_own() -> None:
    answer = {
        "safety": {
            "urgent_signals": ["소변을 보지 못해요.", "배가 부풀어요."],
            "urgent_recommendation": "병원에 가 주세요.", "disclaimer": "진단이 아닙니다.",
        },
        "followups": [], "citations": [], "processing": {"model_used": "m", "latency_ms": 1},
    }  # fmt: skip
    lines = rest_of("ko", answer)
    assert "- 소변을 보지 못해요." in lines and "- 배가 부풀어요." in lines
    assert not any("., " in line for line in lines)
