// A bundle folder: manifest, files checked by their hashes, one net per stage by ONNX Runtime.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import ort from "onnxruntime-node";

import { decodeCentre, decodeHeatmap, decodeLogits } from "./heads.mjs";
import { sample, toInput, windowOf } from "./pixels.mjs";

export class Bundle {
  /** Read a folder; throws where a file is not the one that the manifest lists. */
  constructor(folder) {
    this.folder = folder;
    this.manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
    if (this.manifest.format !== "daengdong-bundle/1") throw new Error(`${folder}: unknown format`);
    for (const [path, entry] of Object.entries(this.manifest.files)) {
      const digest = createHash("sha256").update(this.read(path)).digest("hex");
      if (digest !== entry.sha256) throw new Error(`${path} is not the file that was bundled`);
    }
  }

  read(path) {
    return readFileSync(join(this.folder, path));
  }

  /** Open a stage with its first ONNX variant (or the one of `precision`). */
  async stage(name, precision = null) {
    const spec = this.manifest.stages.find((stage) => stage.name === name);
    const variant = spec.variants.find(
      (one) => one.runtime === "onnx" && (precision === null || one.precision === precision),
    );
    if (!variant) throw new Error(`${this.manifest.name}: no ONNX file of ${name}`);
    const session = await ort.InferenceSession.create(join(this.folder, variant.file));
    return new Stage(this.manifest, spec, variant, session);
  }
}

export class Stage {
  constructor(manifest, spec, variant, session) {
    Object.assign(this, { manifest, spec, variant, session });
  }

  /** The window and the sampled pixels of an image (with a box and heading for crops). */
  see(image, box = null, heading = null) {
    const window = windowOf(this.spec.input, image, box, this.spec.name === "pose" ? heading : null);
    return { window, pixels: sample(image, window, this.spec.input.pad_value) };
  }

  /** The raw head {dims, data} of sampled pixels. */
  async infer(pixels) {
    const { width, height } = this.spec.input;
    const nchw = this.variant.layout === "NCHW";
    const dims = nchw ? [1, 3, height, width] : [1, height, width, 3];
    const input = new ort.Tensor("float32", toInput(pixels, this.spec.input, this.variant.layout), dims);
    const outputs = await this.session.run({ [this.variant.input_name]: input });
    const raw = outputs[this.variant.output_name];
    return { dims: raw.dims.slice(1), data: raw.data };
  }

  /** Boxes, keypoints or probabilities of a raw head. */
  decode(raw, window) {
    const output = this.spec.output;
    if (output.head === "centre") return decodeCentre(raw, output, this.manifest.thresholds, window);
    if (output.head === "logits") return decodeLogits(raw, output);
    if (output.head === "heatmap") {
      return decodeHeatmap(raw, output, window, this.manifest.keypoints.flip_index);
    }
    throw new Error(`this example does not decode ${output.head}`);
  }

  /** An image to its final result. */
  async run(image, box = null, heading = null) {
    const { window, pixels } = this.see(image, box, heading);
    return this.decode(await this.infer(pixels), window);
  }
}
