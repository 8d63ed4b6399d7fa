// Check this port against the golden vectors of bundles: `node check.mjs FOLDER [FOLDER ...]`.
// Prints a line a vector and ends with 1 where one differs by more than the tolerances.

import { Bundle } from "./bundle.mjs";

const SAMPLED = 0.01; // grey levels of 255
const RESULT = 1e-3; // pixels, or shares
const kinds = { uint8: Uint8Array, float32: Float32Array, int64: BigInt64Array };

function unpack({ dtype, shape, data }) {
  const bytes = Uint8Array.from(Buffer.from(data, "base64"));
  return { dims: shape, data: new kinds[dtype](bytes.buffer) };
}

function gap(a, b) {
  if (a.length !== b.length) return Infinity;
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    if (Number.isNaN(a[i]) && Number.isNaN(Number(b[i]))) continue;
    const one = Math.abs(a[i] - Number(b[i]));
    most = one <= most ? most : Number.isNaN(one) ? Infinity : one;
  }
  return most;
}

function flat(stage, result) {
  if (stage.spec.output.head === "logits") return { probabilities: result };
  if (stage.spec.output.head === "heatmap") return { keypoints: result.flat() };
  return {
    boxes_xyxy_px: result.flatMap((one) => one.box),
    scores: result.map((one) => one.score),
    class_ids: result.map((one) => one.classId),
    headings_rad: result.map((one) => one.heading ?? NaN),
  };
}

async function checkStage(bundle, spec) {
  const stage = await bundle.stage(spec.name);
  const golden = JSON.parse(bundle.read(spec.golden));
  let bad = 0;
  for (const vector of golden.vectors) {
    const packed = unpack(vector.image);
    const image = { width: packed.dims[1], height: packed.dims[0], data: packed.data };
    const { window, pixels } = stage.see(image, vector.box_xyxy_px, vector.heading_rad);
    const known = unpack(vector.raw);
    const gaps = { raw: gap((await stage.infer(pixels)).data, known.data) };
    const limits = { raw: stage.variant.max_abs_error };
    if (vector.sampled) {
      gaps.sampled = gap(pixels, unpack(vector.sampled).data);
      limits.sampled = SAMPLED;
    }
    for (const [name, value] of Object.entries(flat(stage, stage.decode(known, window)))) {
      gaps[name] = gap(value, unpack(vector.result[name]).data);
      limits[name] = RESULT;
    }
    const wrong = Object.keys(gaps).filter((name) => !(gaps[name] <= limits[name]));
    bad += wrong.length;
    const text = Object.entries(gaps).map(([name, value]) => `${name} ${value.toExponential(1)}`);
    const label = `${bundle.manifest.name} ${spec.name} ${vector.name}`;
    console.log(`${wrong.length ? "DIFFERS" : "same"}  ${label}: ${text.join(", ")}`);
  }
  return bad;
}

let bad = 0;
for (const folder of process.argv.slice(2)) {
  const bundle = new Bundle(folder);
  for (const spec of bundle.manifest.stages) bad += await checkStage(bundle, spec);
}
process.exit(bad || process.argv.length < 3 ? 1 : 0);
