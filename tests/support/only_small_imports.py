"""Use the SDK's rooms and fail where a large library was imported on the way."""

import sys

import edge_sdk

for name in edge_sdk.__all__:
    getattr(edge_sdk, name)

LARGE = {"torch", "cv2", "scipy", "sklearn", "pandas", "matplotlib", "tensorflow", "ultralytics"}
FOUND = LARGE & {name.split(".")[0] for name in sys.modules}
if FOUND:
    sys.exit(f"edge_sdk imported {sorted(FOUND)}")
