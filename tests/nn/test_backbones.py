import pytest
import torch

from capsight.nn import Backbone, WeightsError, load_weights

IMAGES = torch.rand(2, 3, 64, 64)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "mobilenetv3_small_050", "convnext_atto"])
def test_pools_the_mean_over_positions(name):
    backbone = Backbone(name).eval()
    features = backbone.feature_map(IMAGES)
    assert features.shape[:2] == (2, backbone.width)
    torch.testing.assert_close(backbone(IMAGES), features.flatten(2).mean(2))


def test_a_network_of_fixed_size_takes_the_size_that_is_given():
    backbone = Backbone("vit_tiny_patch16_224", image_size=64).eval()
    tokens = backbone.feature_map(IMAGES)
    assert tokens.shape == (2, 1 + 16, backbone.width)
    torch.testing.assert_close(backbone(IMAGES), tokens[:, 1:].mean(1))  # without the class token


def test_channels_last_networks_give_channels_first():
    backbone = Backbone("swin_tiny_patch4_window7_224", image_size=224).eval()
    assert backbone.feature_map(torch.rand(1, 3, 224, 224)).shape == (1, backbone.width, 7, 7)


def test_an_unknown_name_is_answered_with_known_ones():
    with pytest.raises(ValueError, match="no backbone 'resnett18'.*resnet"):
        Backbone("resnett18")


def test_pretrained_weights_that_cannot_be_had_are_never_random_ones(monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError("the hub cannot be reached\nand more lines")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", unreachable)
    with pytest.raises(
        WeightsError, match="pretrained weights of resnet18 cannot be loaded: the hub cannot be reached$"
    ):
        Backbone("resnet18", pretrained=True)


def test_weights_come_from_a_file(tmp_path):
    source = Backbone("resnet18").trunk
    state = source.state_dict() | {"fc.weight": torch.zeros(1000, 512)}  # the classifier of others is left out
    torch.save(state, tmp_path / "weights.pth")
    loaded = Backbone("resnet18", weights=tmp_path / "weights.pth").trunk
    torch.testing.assert_close(loaded.conv1.weight, source.conv1.weight)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(Backbone("resnet34").trunk.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="of another network"):
        load_weights(Backbone("resnet50").trunk, tmp_path / "weights.pth")


def test_a_weights_file_with_code_is_refused(tmp_path):
    class Code:
        def __reduce__(self):
            return print, ("code ran",)

    torch.save({"conv1.weight": Code()}, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="cannot load weights"):
        load_weights(Backbone("resnet18").trunk, tmp_path / "weights.pth")


def test_a_finer_map_and_stochastic_depth_on_request():
    images = torch.rand(1, 3, 64, 64)
    assert Backbone("resnet18").feature_map(images).shape[-2:] == (2, 2)
    fine = Backbone("resnet18", output_stride=8, drop_path=0.3)
    assert fine.feature_map(images).shape[-2:] == (8, 8)
    assert fine.drops
    for asked in ({"output_stride": 8}, {"drop_path": 0.3}):
        with pytest.raises(ValueError, match="cannot be had with .*; leave it out"):
            Backbone("densenet121" if "drop_path" in asked else "vit_tiny_patch16_224", **asked)
