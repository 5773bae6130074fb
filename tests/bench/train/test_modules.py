"""Modes and places are set as nn.Module sets them, and modules that are so already are left alone."""

import torch
from torch import nn

from bench.train.modules import place, set_mode


class Counted(nn.Module):
    """Counts how often its mode is set; one part of it may be in another."""

    def __init__(self):
        super().__init__()
        self.part, self.times = nn.Linear(2, 2), 0

    def train(self, mode=True):
        self.times = getattr(self, "times", 0) + 1
        return super().train(mode)


def test_a_mode_is_set_where_any_part_has_another():
    module = Counted()
    set_mode(module, training=True)
    assert module.times == 0
    module.part.eval()
    set_mode(module, training=True)
    assert module.times == 1 and module.part.training
    set_mode(module, training=False)
    assert module.times == 2 and not module.training and not module.part.training
    module.part.train()
    set_mode(module, training=False)
    assert module.times == 3 and not module.part.training


def test_what_is_in_place_is_not_moved_and_a_buffer_alone_is_enough_to_move():
    assert place(nn.BatchNorm1d(3), torch.device("meta")).running_mean.device.type == "meta"
    module = nn.BatchNorm1d(3, affine=False)
    module.running_var = module.running_var.to("meta")
    moved = place(module, torch.device("meta"))
    assert {buffer.device.type for buffer in moved.buffers()} == {"meta"}
