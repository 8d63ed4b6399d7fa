// Rule "box-then-bilinear/1": from a picture to a net's input. The numbers are the steps of
// docs/embed/README.md. An image is {width, height, data}: RGB bytes in row order.

/** The window that shows a whole image as large as it fits, in the middle. */
export function letterbox(image, spec) {
  const scale = Math.max(image.width / spec.width, image.height / spec.height);
  return {
    x0: (image.width - spec.width * scale) / 2,
    y0: (image.height - spec.height * scale) / 2,
    scale,
    width: spec.width,
    height: spec.height,
    mirrored: false,
  };
}

/** A square window about a box, its side `padding` times the box's longer side. */
export function squareCrop([left, top, right, bottom], spec) {
  const side = spec.padding * Math.max(right - left, bottom - top, 1);
  return {
    x0: (left + right - side) / 2,
    y0: (top + bottom - side) / 2,
    scale: side / spec.width,
    width: spec.width,
    height: spec.height,
    mirrored: false,
  };
}

/** The window that a stage wants to see; with a heading, one in which the dog faces right. */
export function windowOf(spec, image, box, heading) {
  const window = spec.fit === "letterbox" ? letterbox(image, spec) : squareCrop(box, spec);
  return heading != null && Math.cos(heading) < 0 ? { ...window, mirrored: true } : window;
}

/** A point of the window -> pixels of the image. */
export function toImage(window, x, y) {
  const u = window.mirrored ? window.width - x : x;
  return [window.x0 + u * window.scale, window.y0 + y * window.scale];
}

/** Pixels of a window: Float32Array (height, width, 3) in 0..255, not rounded. */
export function sample(image, window, padValue) {
  const k = Math.max(1, Math.floor(window.scale)); // step 3
  const across = axis(window.x0, window.scale, window.width, image.width, k);
  const down = axis(window.y0, window.scale, window.height, image.height, k);
  const mean = blockMeans(image, k);
  const out = new Float32Array(window.height * window.width * 3);
  for (let j = 0; j < window.height; j++) {
    for (let i = 0; i < window.width; i++) {
      const column = window.mirrored ? window.width - 1 - i : i; // step 1
      const at = (j * window.width + i) * 3;
      const [a, b, t] = [across.low[column], across.high[column], across.part[column]];
      const [c, d, s] = [down.low[j], down.high[j], down.part[j]];
      for (let channel = 0; channel < 3; channel++) {
        if (across.outside[column] || down.outside[j]) {
          out[at + channel] = padValue; // step 6
          continue;
        }
        const left = mean(a, c, channel);
        const right = mean(b, c, channel);
        const low = left + (mean(a, d, channel) - left) * s; // step 5
        const high = right + (mean(b, d, channel) - right) * s;
        out[at + channel] = low + (high - low) * t;
      }
    }
  }
  return out;
}

function axis(start, scale, count, side, k) {
  const blocks = Math.ceil(side / k);
  const clamp = (value) => Math.min(Math.max(value, 0), blocks - 1);
  const result = { low: [], high: [], part: [], outside: [] };
  for (let i = 0; i < count; i++) {
    const place = start + (i + 0.5) * scale; // step 2
    const at = place / k - 0.5; // step 4
    const below = Math.floor(at);
    result.low.push(clamp(below));
    result.high.push(clamp(below + 1));
    result.part.push(at - below);
    result.outside.push(place < 0 || place > side);
  }
  return result;
}

// Means of k x k blocks, worked out when first asked for.
function blockMeans(image, k) {
  const wide = Math.ceil(image.width / k);
  const known = new Float32Array(wide * Math.ceil(image.height / k) * 3).fill(-1);
  return (column, row, channel) => {
    const at = (row * wide + column) * 3 + channel;
    if (known[at] >= 0) return known[at];
    const bottom = Math.min((row + 1) * k, image.height);
    const right = Math.min((column + 1) * k, image.width);
    let sum = 0;
    for (let y = row * k; y < bottom; y++) {
      for (let x = column * k; x < right; x++) sum += image.data[(y * image.width + x) * 3 + channel];
    }
    known[at] = sum / ((bottom - row * k) * (right - column * k));
    return known[at];
  };
}

/** Normalise and lay out for a variant: Float32Array of one image, NCHW or NHWC. */
export function toInput(pixels, spec, layout) {
  const plane = spec.width * spec.height;
  const out = new Float32Array(pixels.length);
  for (let i = 0; i < plane; i++) {
    for (let channel = 0; channel < 3; channel++) {
      const value = (pixels[i * 3 + channel] / 255 - spec.mean[channel]) / spec.std[channel];
      out[layout === "NCHW" ? channel * plane + i : i * 3 + channel] = value;
    }
  }
  return out;
}
