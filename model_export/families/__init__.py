"""Families of models behind one protocol: our own nets, torchvision's, Ultralytics' YOLO."""
