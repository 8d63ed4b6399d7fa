"""Pictures in, boxes, keypoints and probabilities out; shared by phone, training and export."""
