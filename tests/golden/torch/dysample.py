# SPDX-License-Identifier: MIT
"""DySample, which several families end with: where to sample is learnt, the sampling is bilinear.
Liu et al., Learning to Upsample by Learning to Sample, 2023, the variant with a static scope factor
and initial positions."""
import torch
import torch.nn.functional as F
from torch import nn


class DySample(nn.Module):
    def __init__(self, channels, out_channels, scale, groups, end=True):
        super().__init__()
        self.scale, self.groups = scale, groups
        if end:
            self.end_conv = nn.Conv2d(channels, out_channels, 1)
        wide = 2 * groups * scale * scale
        self.offset = nn.Conv2d(channels, wide, 1)
        self.scope = nn.Conv2d(channels, wide, 1, bias=False)
        # Where the scale x scale samples of a pixel lie about its centre: x for the first half of the
        # channels, y for the second, the same for each group.
        step = (torch.arange(scale) - (scale - 1) / 2) / scale
        x = step.view(1, scale).expand(scale, scale).reshape(-1)
        y = step.view(scale, 1).expand(scale, scale).reshape(-1)
        self.register_buffer('init_pos', torch.cat([x.repeat(groups), y.repeat(groups)])
                             .view(1, wide, 1, 1))

    def forward(self, x):
        batch, channels, h, w = x.shape
        s, g = self.scale, self.groups
        offset = self.offset(x) * torch.sigmoid(self.scope(x)) / 2 + self.init_pos
        offset = F.pixel_shuffle(offset, s)  # (batch, 2 g, s h, s w)
        at = [torch.arange(n, dtype=x.dtype).repeat_interleave(s) + 0.5 for n in (w, h)]
        across = 2 * (offset[:, :g] + at[0].view(1, 1, 1, -1)) / w - 1
        down = 2 * (offset[:, g:] + at[1].view(1, 1, -1, 1)) / h - 1
        grid = torch.stack([across, down], -1).reshape(batch * g, s * h, s * w, 2)
        parts = x.reshape(batch * g, channels // g, h, w)
        y = F.grid_sample(parts, grid, mode='bilinear', padding_mode='border', align_corners=False)
        y = y.reshape(batch, channels, s * h, s * w)
        return self.end_conv(y) if hasattr(self, 'end_conv') else y
