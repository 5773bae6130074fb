"""A ViT whose weights are a pure function of named tensors. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from torch import Tensor, nn

from methods.parts.generated import Generated

Tensors = dict[str, Tensor]
Rule = Callable[[Tensors], Tensors]


class RuledVit(Generated):
    """`skeleton`, a timm ViT, with the tensors that `rule` makes of `tensors`; these are trained unless `frozen`.

    undecayed: names of tensors that optimisers do not decay, as what they become is not decayed in a plain ViT.
    """

    def __init__(
        self,
        skeleton: nn.Module,
        tensors: Mapping[str, Tensor],
        rule: Rule,
        *,
        frozen: Collection[str] = (),
        undecayed: Collection[str] = (),
    ) -> None:
        super().__init__(skeleton, rule(dict(tensors)))
        self.rule, self.undecayed = rule, frozenset(undecayed)
        self.names = tuple(name for name in tensors if name not in frozen)
        self.trained = nn.ParameterList([nn.Parameter(tensors[name].clone()) for name in self.names])
        self.frozen = {name: f"frozen_{i}" for i, name in enumerate(frozen)}
        for name, buffer in self.frozen.items():
            self.register_buffer(buffer, tensors[name].clone())

    def tensors(self) -> Tensors:
        """What the weights are made of, by name."""
        buffers = {name: self.get_buffer(buffer) for name, buffer in self.frozen.items()}
        return buffers | dict(zip(self.names, self.trained, strict=True))

    def weights(self) -> Tensors:
        return self.rule(self.tensors())

    def no_weight_decay(self) -> set[str]:
        free = {f"trained.{i}" for i, name in enumerate(self.names) if name in self.undecayed}
        return super().no_weight_decay() | free

    def stored(self) -> Tensors:
        """What was trained, for a learngene: what the weights are made of, and by timm's names what is not made."""
        tensors = dict(zip(self.names, self.trained, strict=True)) | self.skeleton.state_dict()
        return {name: t.detach().cpu().clone() for name, t in tensors.items()}
