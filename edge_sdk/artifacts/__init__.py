"""Pictures that show an owner what was measured: overlay video and report (Pillow and PyAV)."""
