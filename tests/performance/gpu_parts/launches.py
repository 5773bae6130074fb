"""Steps that the device does faster than Python can launch their kernels."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from methods.vit import build_vit
from tests.performance.gpu_parts.rates import clock
from tests.performance.gpu_parts.rows import Row, attempt
from tests.performance.gpu_parts.size import Size

BATCH = 32  # of the digits suites, which train in fp32
Step = Callable[[], None]


def launches(device: torch.device, size: Size) -> Iterator[Row]:
    """A step of a digits-sized model as it is, and by CUDA graphs; on a CPU only as it is."""
    ways = {"eager": eager}
    if device.type == "cuda":
        ways |= {"one graph for the whole step": whole, "make_graphed_callables": graphed, "reduce-overhead": reduced}
    seconds: dict[str, float] = {}
    for case, way in ways.items():
        yield from attempt("launches", case, of_way(device, size, case, way, seconds))


def of_way(device: torch.device, size: Size, case: str, way: Callable, seconds: dict[str, float]) -> Iterator[Row]:
    """seconds: a step of each way that was measured."""
    spec, draw = size.step, torch.Generator().manual_seed(0)
    model = build_vit(spec).to(device)
    optimizer = AdamW(model.parameters(), lr=1e-3, fused=True, capturable=device.type == "cuda")
    images = torch.randn(BATCH, spec.in_chans, spec.img_size, spec.img_size, generator=draw).to(device)
    labels = (torch.arange(BATCH) % spec.num_classes).to(device)
    step = way(model, optimizer, images, labels)
    for _ in range(10):
        step()
    began = clock(device)
    for _ in range(size.launched):
        step()
    seconds[case] = (clock(device) - began) / size.launched
    yield Row("launches", case, "ms a step", 1000 * seconds[case])
    if case != "eager" and "eager" in seconds:
        yield Row("launches", case, "times as fast as eager", seconds["eager"] / seconds[case])


def eager(model: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> Step:
    parameters = list(model.parameters())

    def step() -> None:
        for p in parameters:
            p.grad = None
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def reduced(model: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> Step:
    """Forward and backward pass are a graph each."""
    return eager(torch.compile(model, mode="reduce-overhead"), optimizer, images, labels)


def graphed(model: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> Step:
    """The same, uncompiled."""
    return eager(torch.cuda.make_graphed_callables(model, (images,)), optimizer, images, labels)


def whole(model: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> Step:
    """The optimiser too. What is captured reads and writes the tensors given here, which the caller has to keep."""
    step = eager(model, optimizer, images, labels)
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):  # libraries set themselves up, which cannot be captured
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    optimizer.zero_grad()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
