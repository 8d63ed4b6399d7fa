"""Safety of the vet chat: what is asked, what is answered, and what is always said.

`RulePreSafety` flags a turn, `RulePostSafety` checks an answer while it streams, `notes` has the
fixed words. All rules are lists and patterns in this folder and in `assets/safety`; no model
decides.
"""

from sync_server.ai.vet.safety.notes import (
    RULES_VERSION,
    decline_text,
    opening,
    safe_template,
    safety_note,
    system_rules,
)  # fmt: skip
from sync_server.ai.vet.safety.post import RulePostSafety
from sync_server.ai.vet.safety.pre import RulePreSafety

__all__ = [
    "RULES_VERSION",
    "RulePostSafety",
    "RulePreSafety",
    "decline_text",
    "opening",
    "safe_template",
    "safety_note",
    "system_rules",
]
