// From a net's raw output to boxes, keypoints and probabilities. `raw` is {dims, data} without
// the batch axis; the numbers are the steps of docs/embed/README.md.

import { toImage } from "./pixels.mjs";

const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));
const MOST_BOXES = 50;

/** Head "centre": boxes of an image, best first. */
export function decodeCentre(raw, output, thresholds, window) {
  const [, height, width] = raw.dims;
  const classes = output.classes.length;
  const value = (channel, row, column) => raw.data[(channel * height + row) * width + column];
  const found = [];
  for (let c = 0; c < classes; c++) {
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const logit = value(c, row, column);
        const score = sigmoid(logit);
        if (score < thresholds.score || !isPeak(value, c, row, column, height, width)) continue;
        const reach = [0, 1, 2, 3].map((k) => Math.exp(Math.min(value(classes + k, row, column), 10)));
        const [x, y] = [column + 0.5, row + 0.5];
        let heading = null;
        if (output.heading) {
          heading = Math.atan2(value(classes + 5, row, column), value(classes + 4, row, column));
        }
        const box = [x - reach[0], y - reach[1], x + reach[2], y + reach[3]];
        found.push({ box: box.map((v) => v * output.stride), score, classId: c, heading });
      }
    }
  }
  // Sorting is stable: equal scores stay in the order of class, row, column.
  found.sort((a, b) => b.score - a.score);
  const kept = [];
  for (const one of found.slice(0, MOST_BOXES)) {
    const hidden = kept.some(
      (better) => better.classId === one.classId && overlap(better.box, one.box) > thresholds.nms_iou,
    );
    if (!hidden) kept.push(one);
  }
  return kept.map((one) => ({
    ...one,
    box: [...toImage(window, one.box[0], one.box[1]), ...toImage(window, one.box[2], one.box[3])],
  }));
}

function isPeak(value, c, row, column, height, width) {
  const here = value(c, row, column);
  for (let y = Math.max(row - 1, 0); y <= Math.min(row + 1, height - 1); y++) {
    for (let x = Math.max(column - 1, 0); x <= Math.min(column + 1, width - 1); x++) {
      if (value(c, y, x) > here) return false;
    }
  }
  return true;
}

function overlap(a, b) {
  const wide = Math.max(Math.min(a[2], b[2]) - Math.max(a[0], b[0]), 0);
  const high = Math.max(Math.min(a[3], b[3]) - Math.max(a[1], b[1]), 0);
  const area = (box) => Math.max(box[2] - box[0], 0) * Math.max(box[3] - box[1], 0);
  const union = area(a) + area(b) - wide * high;
  return union > 0 ? (wide * high) / union : 0;
}

/** Head "heatmap": [x, y, confidence] of each keypoint in pixels of the image. */
export function decodeHeatmap(raw, output, window, flipIndex) {
  const [count, height, width] = raw.dims;
  const points = [];
  for (let k = 0; k < count; k++) {
    const map = raw.data.subarray(k * height * width, (k + 1) * height * width);
    let top = 0;
    for (let cell = 1; cell < map.length; cell++) if (map[cell] > map[top]) top = cell;
    const [row, column] = [Math.floor(top / width), top % width];
    const dx = column > 0 && column < width - 1 ? summit(map, top, 1) : 0;
    const dy = row > 0 && row < height - 1 ? summit(map, top, width) : 0;
    const [x, y] = [(column + 0.5 + dx) * output.stride, (row + 0.5 + dy) * output.stride];
    points.push([...toImage(window, x, y), sigmoid(map[top])]);
  }
  // In a mirrored window the net's left is the dog's right.
  return window.mirrored ? flipIndex.map((index) => points[index]) : points;
}

function summit(map, at, step) {
  const bend = 2 * (map[at - step] - 2 * map[at] + map[at + step]);
  if (bend >= 0) return 0;
  return Math.min(Math.max((map[at - step] - map[at + step]) / bend, -0.5), 0.5);
}

/** Head "logits": probabilities of the classes. */
export function decodeLogits(raw, output) {
  const scaled = Array.from(raw.data, (logit) => logit / output.temperature);
  const top = Math.max(...scaled);
  const shares = scaled.map((value) => Math.exp(value - top));
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map((share) => share / sum);
}
