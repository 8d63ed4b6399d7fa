"""Rankings: live boards, frozen boards, random cohorts, seasons."""
