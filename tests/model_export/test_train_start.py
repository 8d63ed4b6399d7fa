"""First weights: a bundle's folded convolutions give back the net that they were folded from."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edge_sdk import ModelBundle  # noqa: E402
from model_export import nets  # noqa: E402
from model_export.train.presets import preset  # noqa: E402
from model_export.train.start import (  # noqa: E402
    NoFirstWeights,
    convolutions_of_bundle,
    described,
    first_weights,
    minutes_before,
    unfold,
)
from model_export.train.tensors import normalised  # noqa: E402

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "models" / "dog-pose"
SMALL = {"widths": [8, 12, 16, 24, 32], "depths": [0, 1, 1, 1], "neck": [24, 16, 16]}


def unsteady(net, seed):
    """The net with normalisations that do something: as after a training."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values, low in ((module.weight, 0.5), (module.running_var, 0.5)):
                values.data = torch.rand(values.shape, generator=generator) + low
            module.bias.data = torch.randn(module.bias.shape, generator=generator) * 0.1
            module.running_mean = torch.randn(module.bias.shape, generator=generator) * 0.1
    return net.eval()


def folded(net, images):
    """(weight, bias) of each convolution in the order in which they run."""
    found, order = [], []
    hooks = [
        module.register_forward_pre_hook(lambda module, _: order.append(module))
        for module in net.modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.BatchNorm2d)
    ]
    with torch.no_grad():
        net(images)
    for hook in hooks:
        hook.remove()
    for module, after in zip(order, [*order[1:], None], strict=True):
        if not isinstance(module, torch.nn.Conv2d):
            continue
        weight, bias = module.weight.detach(), module.bias
        if isinstance(after, torch.nn.BatchNorm2d):
            gain = after.weight / (after.running_var + after.eps).sqrt()
            weight = weight * gain[:, None, None, None]
            bias = after.bias - after.running_mean * gain
        found.append((weight.detach().numpy(), bias.detach().numpy()))
    return found


@pytest.mark.parametrize("arch", ["canonical_pose", "centre_detector"])
def test_unfolded_weights_compute_what_the_folded_ones_did_also_in_training(arch):
    config = SMALL if arch == "canonical_pose" else {**SMALL, "neck": [24, 16]}
    torch.manual_seed(3)
    shipped, fresh = unsteady(nets.build(arch, **config), 1), nets.build(arch, **config)
    images = torch.randn(8, 3, 64, 64)
    unfold(fresh, folded(shipped, images), images)
    with torch.no_grad():
        expected = shipped(images)
        assert torch.allclose(fresh.eval()(images), expected, atol=1e-4)
        assert torch.allclose(fresh.train()(images), expected, atol=1e-4)


def test_a_net_of_another_shape_is_refused():
    images = torch.randn(2, 3, 64, 64)
    weights = folded(nets.build("canonical_pose", **SMALL).eval(), images)
    with pytest.raises(NoFirstWeights, match="not the one to be trained"):
        unfold(nets.build("canonical_pose"), weights, images)
    with pytest.raises(NoFirstWeights, match="1 convolutions of the bundle have no place"):
        unfold(nets.build("canonical_pose", **SMALL), [*weights, weights[-1]], images)


@pytest.mark.parametrize("model", ["pose", "dog-detector"])
def test_a_training_begins_where_the_shipped_bundle_stands(model):
    chosen = preset(model)
    net = nets.build(chosen.arch, **chosen.config)
    pixels = np.random.default_rng(5).uniform(0, 255, (2, chosen.input_px, chosen.input_px, 3))
    images = normalised(torch.from_numpy(pixels).float().permute(0, 3, 1, 2), chosen.input())
    first_weights(net, SHIPPED, chosen, images)
    with ModelBundle.load(SHIPPED, runtime="onnx", threads=1) as bundle:
        stage = bundle.stage("pose" if model == "pose" else "detector")
        expected = stage.infer(pixels.astype(np.float32))
    with torch.no_grad():
        found = net.eval()(images).numpy()
    # The shipped variant computes in fp16 or fp32.
    assert np.abs(found - expected).max() <= 0.02 * np.abs(expected).max()


def test_what_it_began_with_is_told_and_a_stage_without_exact_onnx_is_refused(tmp_path):
    assert described(SHIPPED).startswith("bundle dog-pose ") and minutes_before(SHIPPED) == 0
    assert described(None) is None and minutes_before(None) == 0
    with pytest.raises(NoFirstWeights, match="has no classifier as ONNX"):
        convolutions_of_bundle(SHIPPED, "classifier")
