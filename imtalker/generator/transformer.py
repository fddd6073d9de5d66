"""The velocity network ``v(x_t, t | condition, context)`` of the flow (paper 3.3.1): a DiT over motion frames."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imtalker.config import GeneratorConfig
from imtalker.generator.transformer_block import (
    TransformerBlock,
    band_mask,
    modulate,
    rotary_tables,
    sinusoidal_positions,
    time_embedding,
)

TIME_EMBEDDING_DIM = 256


class FlowMatchingTransformer(nn.Module):
    """Velocity of the noisy motion of one window, given the frames before it and a condition per frame.

    Positions are additive with a band mask (first public revision) or rotary (second); both count from the
    first context frame. The network only maps tensors: dropping conditions is the caller's business.
    """

    position_table: Tensor | None
    rotary_cos: Tensor | None
    rotary_sin: Tensor | None
    mask: Tensor | None

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.hidden_dim
        length = config.context_frames + config.window_frames
        self.input_projection = nn.Linear(2 * config.motion_dim, dim)
        self.time_projection = nn.Sequential(nn.Linear(TIME_EMBEDDING_DIM, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.condition_projection = nn.Linear(config.condition_dim, dim)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                dim, config.num_heads, config.mlp_ratio, config.condition_dim if config.speech_attention else 0
            )
            for _ in range(config.num_layers)
        )
        self.output_modulation = nn.Linear(dim, 2 * dim)
        self.output_projection = nn.Linear(dim, config.motion_dim)

        additive = config.position == "additive"
        table = sinusoidal_positions(length, dim) if additive else None
        cos, sin = (None, None) if additive else rotary_tables(length, dim // config.num_heads)
        mask = None if config.attention_band is None else band_mask(length, config.attention_band)
        for name, value in (
            ("position_table", table),
            ("rotary_cos", cos),
            ("rotary_sin", sin),
            ("mask", mask),
        ):
            self.register_buffer(name, value, persistent=False)

    def initialise(self) -> None:
        """DiT initialisation for training from scratch: Xavier weights, closed gates, zero velocity."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        closed = [self.output_modulation, self.output_projection]
        for block in self.blocks:
            if isinstance(block, TransformerBlock):
                closed += [block.modulation, *([block.speech] if block.speech is not None else [])]
        for module in closed:
            nn.init.zeros_(module.weight)

    def forward(
        self,
        x_t: Tensor,
        t: Tensor,
        condition: Tensor,
        context: Tensor,
        reference: Tensor,
        speech: Tensor | None = None,
    ) -> Tensor:
        """Velocity ``(B, W, 32)`` at flow time ``t``.

        Args:
            x_t: noisy motion of the window ``(B, W, 32)``, W = ``window_frames``.
            t: flow time in [0, 1], ``(B,)`` or a scalar; 0 is noise, 1 is motion.
            condition: sum of the projected conditions ``(B, C + W, condition_dim)``, C = ``context_frames``.
            context: motion of the frames before the window ``(B, C, 32)``; zeros before the first window.
            reference: motion of the portrait ``(B, 32)``.
            speech: the projected audio alone ``(B, C + W, condition_dim)``, for ``speech_attention``.
        """
        num_context = context.shape[1]
        motion = torch.cat([context, x_t], dim=1)
        # The reference comes first among the channels: the official weights are trained that way.
        tokens = torch.cat([reference[:, None].expand_as(motion), motion], dim=-1)
        x = self.input_projection(tokens)
        if self.position_table is not None:
            x = x + self.position_table
        rotary = None
        if self.rotary_cos is not None and self.rotary_sin is not None:
            rotary = (self.rotary_cos, self.rotary_sin)

        time = time_embedding(t.reshape(-1), TIME_EMBEDDING_DIM).to(x.dtype)
        # Every modulation starts with the same SiLU of the condition, so it is taken once.
        c = F.silu(self.condition_projection(condition) + self.time_projection(time)[:, None])
        for block in self.blocks:
            x = block(x, c, rotary, self.mask, speech)
        shift, scale = self.output_modulation(c[:, num_context:]).chunk(2, dim=-1)
        return self.output_projection(modulate(x[:, num_context:], shift, scale))
