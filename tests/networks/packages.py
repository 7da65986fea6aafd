"""Networks of packages that people train with, in small sizes."""

from __future__ import annotations

import functools
from typing import Any

from .network import Network, Way


def _monai(kind: str, **how: Any) -> Any:
    from monai.networks import nets

    return getattr(nets, kind)(**how)


def _monai_unet(norm: Any, **how: Any) -> Any:
    return _monai(
        "UNet", spatial_dims=2, in_channels=1, out_channels=2, channels=(4, 8, 16),
        strides=(2, 2), norm=norm, **how,
    )  # fmt: skip


_FLAT = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2}


def monai(name: str, way: Way, kind: str, **how: Any) -> Network:
    shape = (1, how["in_channels"], 64, 64)
    needs = ("monai", "einops") if "UNETR" in kind else ("monai",)
    return Network(f"MONAI {name}", functools.partial(_monai, kind, **how), way, shape, needs)


def _nnunet(kind: str, norm: str, deep: bool = False, **how: Any) -> Any:
    from dynamic_network_architectures.architectures import unet
    from torch import nn

    norms = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}
    return getattr(unet, kind)(
        input_channels=1, n_stages=3, features_per_stage=(6, 12, 24), conv_op=nn.Conv2d,
        kernel_sizes=3, strides=(1, 2, 2), num_classes=3, n_conv_per_stage_decoder=(1, 1),
        conv_bias=True, norm_op=norms[norm], norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=deep, **how,
    )  # fmt: skip


def nnunet(name: str, way: Way, kind: str, norm: str, **how: Any) -> Network:
    make = functools.partial(_nnunet, kind, norm, **how)
    return Network(f"nnU-Net {name}", make, way, needs=("dynamic_network_architectures",))


def _smp(kind: str, encoder: str, **how: Any) -> Any:
    import segmentation_models_pytorch

    return getattr(segmentation_models_pytorch, kind)(
        encoder, encoder_weights=None, classes=2, **how
    )


def smp(kind: str, encoder: str, way: Way = "exact", size: int = 64, **how: Any) -> Network:
    make = functools.partial(_smp, kind, encoder, **how)
    needs = ("segmentation_models_pytorch",)
    return Network(f"smp {kind}, {encoder}", make, way, (1, 3, size, size), needs)


def _timm(name: str, **how: Any) -> Any:
    import timm
    from torch import nn

    class Dense(nn.Module):
        """A backbone's last features but one, enlarged to the image."""

        def __init__(self) -> None:
            super().__init__()
            self.body = timm.create_model(name, features_only=True, out_indices=(0, 1, 2), **how)
            self.heads = nn.ModuleList(
                nn.Conv2d(c, 2, 1) for c in self.body.feature_info.channels()
            )
            self.steps = self.body.feature_info.reduction()

        def forward(self, x: Any) -> Any:
            outputs = [
                nn.functional.interpolate(head(f), scale_factor=step, mode="nearest")
                for head, f, step in zip(self.heads, self.body(x), self.steps, strict=True)
            ]
            return sum(outputs)

    return Dense()


def timm(name: str, way: Way = "exact", **how: Any) -> Network:
    return Network(
        f"timm {name}", functools.partial(_timm, name, **how), way, (1, 3, 64, 64), ("timm",)
    )


_EIGHTS = {"decoder_channels": (16, 12, 8, 8, 8)}
NETWORKS = [
    Network("MONAI UNet, default", functools.partial(_monai_unet, "INSTANCE"), "whole", needs=("monai",)),
    Network("MONAI UNet, batch norm", functools.partial(_monai_unet, "BATCH"), needs=("monai",)),
    Network("MONAI UNet, residual, instance norm", functools.partial(_monai_unet, "INSTANCE", num_res_units=2),
            "whole", needs=("monai",)),
    Network("MONAI UNet, residual, batch norm", functools.partial(_monai_unet, "BATCH", num_res_units=2),
            needs=("monai",)),
    Network("MONAI UNet, group norm", functools.partial(_monai_unet, ("group", {"num_groups": 2})), "whole",
            needs=("monai",)),
    monai("BasicUNet, default", "whole", "BasicUNet", **_FLAT, features=(4, 4, 8, 16, 16, 4)),
    monai("BasicUNet, batch norm", "exact", "BasicUNet", **_FLAT, features=(4, 4, 8, 16, 16, 4), norm="batch"),
    monai("AttentionUnet", "whole", "AttentionUnet", **_FLAT, channels=(4, 8, 16), strides=(2, 2)),
    monai("SegResNet", "whole", "SegResNet", **_FLAT, init_filters=8, blocks_down=(1, 1, 1), blocks_up=(1, 1)),
    monai("SegResNet, batch norm", "exact", "SegResNet", **_FLAT, init_filters=8, blocks_down=(1, 1, 1),
          blocks_up=(1, 1), norm="BATCH"),
    monai("DynUNet", "whole", "DynUNet", **_FLAT, kernel_size=(3, 3, 3), strides=(1, 2, 2),
          upsample_kernel_size=(2, 2), filters=(4, 8, 16)),
    monai("VNet", "exact", "VNet", **_FLAT, dropout_dim=2),
    monai("HighResNet", "exact", "HighResNet", **_FLAT),
    monai("FlexibleUNet", "whole", "FlexibleUNet", spatial_dims=2, in_channels=3, out_channels=2,
          backbone="efficientnet-b0", decoder_channels=(16, 12, 8, 8, 8)),
    monai("UNETR", "onnxruntime", "UNETR", in_channels=1, out_channels=2, img_size=64, feature_size=4,
          hidden_size=24, mlp_dim=32, num_heads=2, spatial_dims=2),
    monai("SwinUNETR", "onnxruntime", "SwinUNETR", in_channels=1, out_channels=2, feature_size=12,
          spatial_dims=2, depths=(1, 1, 1, 1), num_heads=(1, 2, 2, 2)),
    nnunet("PlainConvUNet", "whole", "PlainConvUNet", "instance", n_conv_per_stage=(1, 1, 1)),
    nnunet("PlainConvUNet, batch norm", "exact", "PlainConvUNet", "batch", n_conv_per_stage=(1, 1, 1)),
    nnunet("ResidualEncoderUNet", "whole", "ResidualEncoderUNet", "instance", n_blocks_per_stage=(1, 1, 1)),
    nnunet("ResidualEncoderUNet, batch norm", "exact", "ResidualEncoderUNet", "batch",
           n_blocks_per_stage=(1, 1, 1)),
    smp("Unet", "resnet18", **_EIGHTS),
    smp("Unet", "resnet34", **_EIGHTS),
    smp("Unet", "mobilenet_v2", **_EIGHTS),
    smp("Unet", "efficientnet-b0", "whole", **_EIGHTS),
    smp("Unet", "timm-regnetx_002", **_EIGHTS),
    smp("Unet", "densenet121", **_EIGHTS),
    smp("Unet", "vgg11_bn", **_EIGHTS),
    smp("Unet", "mit_b0", "onnxruntime", **_EIGHTS),
    smp("UnetPlusPlus", "resnet18", **_EIGHTS),
    smp("Linknet", "resnet18"),
    smp("FPN", "resnet18", "whole"),
    smp("PSPNet", "resnet18", "whole", size=96),
    smp("PAN", "resnet18", "whole", size=128),
    smp("DeepLabV3", "resnet18", "whole"),
    smp("DeepLabV3Plus", "resnet18", "whole"),
    smp("MAnet", "resnet18", "onnxruntime", **_EIGHTS),
    smp("UPerNet", "resnet18", "whole", size=192),
    smp("Segformer", "mit_b0", "onnxruntime"),
    timm("resnet10t"),
    timm("mobilenetv3_small_050", "whole"),
    timm("efficientnet_lite0"),
    timm("convnext_atto"),
    timm("convnextv2_atto", "whole"),
    timm("ghostnet_050", "whole"),
    timm("regnetx_002"),
    timm("eca_resnet33ts", "whole"),
    timm("hrnet_w18_small"),
]  # fmt: skip
