"""What a GPU would have to be waited for, seen without one."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
WAITING = {
    aten._local_scalar_dense.default,  # item, tolist, bool
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
    aten.unique_consecutive.default,
    aten._unique2.default,
}
INDEX = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}


class Waits(TorchDispatchMode):
    """`seen`: operations whose result's value or shape the CPU needs, and copies from the CPU to another device."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        goes = kwargs.get("device", torch.device("cpu"))
        comes = isinstance(args[0], torch.Tensor) and args[0].device.type == "cpu" if args else False
        masked = func in INDEX and any(i is not None and i.dtype == torch.bool for i in args[1])
        if func in WAITING or masked or (comes and goes is not None and goes.type != "cpu"):
            self.seen.append(func)
        return func(*args, **kwargs)
