"""Steps that the device does faster than Python can launch their kernels."""

from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from methods.vit import VitSpec, build_vit
from tests.performance.gpu_parts.rates import clock
from tests.performance.gpu_parts.rows import Left, Row, attempts
from tests.performance.gpu_parts.size import Size
from tests.performance.gpu_parts.stack import stack_step

BATCH = 32  # of the digits suites, which train in fp32
Step = Callable[[], None]
Way = Callable[[torch.device, VitSpec], tuple[Step, int]]  # a step, and its images


def launches(device: torch.device, size: Size) -> Iterator[Row | Left]:
    """A step of a digits-sized model, and of several stacked as one: as it is, and by CUDA graphs where there are."""
    stack = f"{size.stacked} stacked"
    ways: dict[str, Way] = {"eager": single(eager), stack: stacked(size.stacked, eager_step)}
    if device.type == "cuda":
        ways |= {
            "one graph for the whole step": single(whole),
            f"{stack}, one graph": stacked(size.stacked, captured),
            "make_graphed_callables": single(graphed),
            "reduce-overhead": single(reduced),
        }
    rates: dict[str, float] = {}
    yield from attempts("launches", {case: of_way(device, size, case, way, rates) for case, way in ways.items()})


def of_way(device: torch.device, size: Size, case: str, way: Way, rates: dict[str, float]) -> Iterator[Row]:
    """rates: images a second of each way that was measured, of all its models together."""
    step, images = way(device, size.step)
    for _ in range(min(10, size.launched)):
        step()
    began = clock(device)
    for _ in range(size.launched):
        step()
    seconds = (clock(device) - began) / size.launched
    rates[case] = images / seconds
    yield Row("launches", case, "ms a step", 1000 * seconds)
    yield Row("launches", case, "images/s", rates[case])
    if case != "eager" and "eager" in rates:
        yield Row("launches", case, "times one after the other, eager", rates[case] / rates["eager"])


def single(way: Callable[[nn.Module, Optimizer, Tensor, Tensor], Step]) -> Way:
    def made(device: torch.device, spec: VitSpec) -> tuple[Step, int]:
        model = build_vit(spec).to(device)
        images, labels = batch_of(spec, device)
        return way(model, optimizer_of(model.parameters(), device), images, labels), BATCH

    return made


def batch_of(spec: VitSpec, device: torch.device, *stack: int) -> tuple[Tensor, Tensor]:
    """Images [*stack, BATCH, channels, size, size] and labels [*stack, BATCH]."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(*stack, BATCH, spec.in_chans, spec.img_size, spec.img_size, generator=draw)
    return images.to(device), (torch.arange(BATCH) % spec.num_classes).expand(*stack, BATCH).contiguous().to(device)


def optimizer_of(parameters: Iterable[Tensor], device: torch.device) -> Optimizer:
    return AdamW(parameters, lr=1e-3, fused=True, capturable=device.type == "cuda")


def eager(model: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> Step:
    parameters = list(model.parameters())

    def step() -> None:
        for p in parameters:
            p.grad = None
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def stacked(models: int, finish: Callable[[Step, list[Tensor]], Step]) -> Way:
    """Models of seeds of their own, each with a batch of its own. finish: what becomes of the step."""

    def made(device: torch.device, spec: VitSpec) -> tuple[Step, int]:
        images, labels = batch_of(spec, device, models)
        step, parameters = stack_step([build_vit(spec).to(device) for _ in range(models)], images, labels, optimizer_of)
        return finish(step, parameters), models * BATCH

    return made


def eager_step(step: Step, parameters: list[Tensor]) -> Step:
    return step


def reduced(model: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> Step:
    """Forward and backward pass are a graph each."""
    return eager(torch.compile(model, mode="reduce-overhead"), optimizer, images, labels)


def graphed(model: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> Step:
    """The same, uncompiled."""
    return eager(torch.cuda.make_graphed_callables(model, (images,)), optimizer, images, labels)


def whole(model: nn.Module, optimizer: Optimizer, images: Tensor, labels: Tensor) -> Step:
    """The optimiser too."""
    return captured(eager(model, optimizer, images, labels), list(model.parameters()))


def captured(step: Step, parameters: list[Tensor]) -> Step:
    """A step as one CUDA graph, which reads and writes the tensors that the step has, and they stay with it."""
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):  # libraries set themselves up, which cannot be captured
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    for p in parameters:
        p.grad = None
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay(kept: Step = step) -> None:
        graph.replay()

    return replay
