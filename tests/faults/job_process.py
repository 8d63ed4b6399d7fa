"""`python -m tests.faults.job_process WORDS`: the command line with the test pipelines in it."""

from __future__ import annotations

from daengdong.cli import main
from tests.support import job_pipelines

if __name__ == "__main__":
    job_pipelines.register_all()
    main()
