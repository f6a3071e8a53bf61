#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Networks as large as people train them, with the weights that training begins with.

    full.py FOLDER [NAME ...]

For measuring what an arithmetic does to a network of that depth and width (tools/measure_tiers.py).
Nothing here is trained: ranges of a trained network are wider, and results are no pictures. Weights
are PyTorch's own first ones, but where the public programs draw theirs: linear layers and tables of
biases, and all of PLKSR, from a normal distribution of 0.02."""
import os
import sys

import torch
from torch import nn

from common import save_safetensors
import atd
import dat
import drct
import hat
import mosr
import omnisr
import plksr
import rcan
import safmn
import span
import srformer
import swin_unet
import swinir

SIX = (6,) * 6


def realplksr(layer_norm):
    def make():
        blocks = [plksr.RealBlock(64, 16, 17, True, layer_norm) for _ in range(28)]
        return plksr.PLKSR(64, 4, blocks, None, [nn.Dropout2d(0)])
    return make


def plain_plksr():
    return plksr.PLKSR(64, 4, [plksr.Block(64, (3, 1), lambda: plksr.Large(16, 17), True)
                               for _ in range(28)])


NETS = {
    'span': lambda: span.SPAN(3, 48, 4),
    'spanplus': lambda: span.SPANPlus(3, 48, 4, 'dys', (4,)),
    'spanf3': lambda: span.SPANF3(3, 32, 4, 6),
    'mosr': lambda: mosr.MoSR(3, 64, 4, 24, 'ps'),
    'rcan': lambda: rcan.RCAN(3, 64, 4, 10, 20, 16),
    'safmn': lambda: safmn.SAFMN(36, 4, 8, 72),
    'plksr': plain_plksr,
    'realplksr-group-norm': realplksr(False),
    'realplksr-layer-norm': realplksr(True),
    'swinir': lambda: swinir.SwinIR('nearest+conv', 4, dim=180, window=8, heads=SIX, depths=SIX,
                                    windows_a_side=8),
    'srformer': lambda: srformer.SRFormer('pixelshuffle', 4, dim=180, window=24, heads=SIX,
                                          depths=SIX, size=72),
    'hat': lambda: hat.HAT(4, dim=180, window=16, heads=SIX, depths=SIX, squeeze=30, features=64),
    'dat': lambda: dat.DAT('pixelshuffle', 4, dim=180, split=(8, 32), depths=SIX, heads=SIX,
                           growth=4, size=64),
    'drct': lambda: drct.DRCT(4, dim=180, growth=32, window=16, heads=SIX, windows_a_side=4),
    'atd': lambda: atd.ATD('pixelshuffle', 4, dim=210, window=16, heads=SIX, depths=SIX, entries=128,
                           reduced=20, size=256),
    'omnisr': lambda: omnisr.OmniSR(4, dim=64, groups=5),
    'swin-unet': lambda: swin_unet.SwinUNet(2, dim=96, count=6),
}

DRAWN = ('.relative_position_bias_table', '.rel_pos_bias.weight')


def begin(name, module):
    """What training begins with; modules of zeros here are drawn there."""
    for part in module.modules():
        if isinstance(part, nn.Linear) or name.split('-')[0] in ('plksr', 'realplksr') and \
                isinstance(part, nn.Conv2d):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for key, parameter in module.named_parameters():
        if key.endswith(('.td', '.sigma')):
            nn.init.normal_(parameter)
        elif key.endswith(('attn_atd.scale', '.logit_scale')):
            nn.init.ones_(parameter)
        if key.endswith(DRAWN):
            nn.init.trunc_normal_(parameter, std=0.02)


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 64
    for name, make in NETS.items():
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        torch.manual_seed(1)
        module = make()
        begin(name, module)
        sd = module.state_dict()
        path = os.path.join(sys.argv[1], name + ('.pth' if name == 'swin-unet' else '.safetensors'))
        if name == 'swin-unet':
            torch.save({'nunif_model': 1, 'name': 'waifu2x.swin_unet_2x',
                        'kwargs': {'in_channels': 3, 'out_channels': 3, 'base_dim': 96,
                                   'layer_norm': False}, 'state_dict': sd}, path)
        else:
            save_safetensors(sd, path)
        print('%s: %d weights' % (path, sum(t.numel() for t in sd.values())), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
