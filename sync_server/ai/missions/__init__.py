"""Judging surprise missions: the pipeline, its judges, what was judged before."""
