"""Official key names -> ours, as tables; and the entries of an official state dict that carry no weights."""

import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from imtalker.generator.transformer_block import BASE_PERIOD, band_mask, sinusoidal_positions
from imtalker.renderer.attention import relative_position_index, shifted_window_mask
from imtalker.renderer.style_layers import blur_kernel

BAND = 5  # frames to each side that the first revision attends to

Rules = Sequence[tuple[str, str]]  # applied in order, each to the result of those before

_CONV_BLOCK: Rules = (  # inside the encoder's and the synthesis network's convolution blocks
    (r"\.feat_res_block1\.", ".residuals.0."),
    (r"\.feat_res_block2\.", ".residuals.1."),
    (r"\.conv([12])\.conv\.weight$", r".conv\1.weight"),
    (r"\.conv([12])\.norm\.norm\.", r".norm\1."),
    (r"\.norm\.norm\.", ".norm."),
)
_MLP: Rules = ((r"\.linear_layers\.", ".hidden."), (r"\.final_linear\.", ".out."))

RENDERER_KEYS: Rules = (
    # identity encoder
    (r"^dense_feature_encoder\.initial_conv\.0\.", "identity_encoder.stem."),
    (r"^dense_feature_encoder\.initial_conv\.1\.", "identity_encoder.stem_norm."),
    (r"^dense_feature_encoder\.down_block_0\.", "identity_encoder.stem_down."),
    (r"^dense_feature_encoder\.down_blocks\.", "identity_encoder.down."),
    (r"^dense_feature_encoder\.(linear_layers|final_linear)\.", r"identity_encoder.identity.\1."),
    # motion encoder
    (r"^latent_token_encoder\.conv1\.", "motion_encoder.stem."),
    (r"^latent_token_encoder\.res_blocks\.(\d)\.conv1\.0\.", r"motion_encoder.blocks.\1.conv1."),
    (r"^latent_token_encoder\.res_blocks\.(\d)\.conv1\.1\.", r"motion_encoder.blocks.\1.act1."),
    (r"^latent_token_encoder\.res_blocks\.(\d)\.conv2\.1\.", r"motion_encoder.blocks.\1.conv2."),
    (r"^latent_token_encoder\.res_blocks\.(\d)\.conv2\.2\.", r"motion_encoder.blocks.\1.act2."),
    (r"^latent_token_encoder\.res_blocks\.(\d)\.skip\.1\.", r"motion_encoder.blocks.\1.skip."),
    (r"^latent_token_encoder\.res_blocks\.(\d)\.skip\.2\.", r"motion_encoder.blocks.\1.act_skip."),
    (r"^latent_token_encoder\.equalconv\.", "motion_encoder.final_conv."),
    (r"^latent_token_encoder\.(linear_layers|final_linear)\.", r"motion_encoder.head.\1."),
    # identity adapter
    (r"^adapt\.in_layer\.", "identity_adapter.input."),
    (r"^adapt\.(linear_layers|final_linear)\.", r"identity_adapter.mlp.\1."),
    # motion decoder: one styled convolution, then three per level
    (r"^latent_token_decoder\.const$", "motion_decoder.const"),
    (r"^latent_token_decoder\.style_conv_layers\.0\.", "motion_decoder.first."),
    *(
        (
            rf"^latent_token_decoder\.style_conv_layers\.{1 + 3 * level + conv}\.",
            f"motion_decoder.levels.{level}.{conv}.",
        )
        for level in range(4)
        for conv in range(3)
    ),
    (r"^(motion_decoder\..*)\.conv\.", r"\1."),
    (r"^(motion_decoder\..*)\.activate\.", r"\1.activation."),
    # motion transfer
    (r"^imt\.(\d)\.block_efc\.", r"transfer.levels.\1."),
    # synthesis: global attention at the three coarser levels, windowed at the two finer ones
    (r"^frame_decoder\.upconv_blocks\.", "synthesis.up."),
    (r"^frame_decoder\.resblocks\.", "synthesis.fuse."),
    (r"^frame_decoder\.transformer_blocks\.([012])\.blocks\.0\.", r"synthesis.attention.\1."),
    (r"^frame_decoder\.transformer_blocks\.([34])\.blocks\.", r"synthesis.attention.\1."),
    (r"^(synthesis\.attention\..*)\.([qk])_pos_embedding$", r"\1.\2_position"),
    (r"^(synthesis\.attention\..*)\.norm_ffn\.", r"\1.norm_mlp."),
    (r"^(synthesis\.attention\..*)\.attn\.relative_position_bias_table$", r"\1.bias_table"),
    (r"^(synthesis\.attention\..*)\.attn\.", r"\1."),
    (r"^(synthesis\.attention\..*)\.mlp\.3\.", r"\1.mlp.2."),
    (r"^frame_decoder\.final_conv\.1\.", "synthesis.final."),
    *_CONV_BLOCK,
    *_MLP,
)

GENERATOR_KEYS: Rules = (
    (r"^fmt\.x_embedder\.proj\.", "transformer.input_projection."),
    (r"^fmt\.t_embedder\.mlp\.", "transformer.time_projection."),
    (r"^fmt\.c_embedder\.", "transformer.condition_projection."),
    (r"^fmt\.blocks\.(\d)\.attn\.qkv\.", r"transformer.blocks.\1.attention.qkv."),
    (r"^fmt\.blocks\.(\d)\.attn\.proj\.", r"transformer.blocks.\1.attention.output."),
    (r"^fmt\.blocks\.(\d)\.mlp\.fc1\.", r"transformer.blocks.\1.mlp.0."),
    (r"^fmt\.blocks\.(\d)\.mlp\.fc2\.", r"transformer.blocks.\1.mlp.2."),
    (r"^fmt\.blocks\.(\d)\.adaLN_modulation\.1\.", r"transformer.blocks.\1.modulation."),
    (r"^fmt\.decoder\.adaLN_modulation\.1\.", "transformer.output_modulation."),
    (r"^fmt\.decoder\.linear\.", "transformer.output_projection."),
    (r"^(audio|gaze|pose)_projection\.0\.", r"projections.\1.linear."),
    (r"^(audio|gaze|pose)_projection\.1\.", r"projections.\1.norm."),
    (r"^cam_projection\.0\.", "projections.camera.linear."),
    (r"^cam_projection\.1\.", "projections.camera.norm."),
)

AUDIO_PREFIX = "audio_encoder.wav2vec2."  # inside a generator checkpoint
AUDIO_KEYS: Rules = (
    (r"^audio_encoder\.wav2vec2\.", "wav2vec2."),
    # names of weight normalisation before torch 2
    (r"\.pos_conv_embed\.conv\.weight_g$", ".pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"\.pos_conv_embed\.conv\.weight_v$", ".pos_conv_embed.conv.parametrizations.weight.original1"),
)

# In the file, but nothing reads them.
DROPPED = re.compile(
    r"^dense_feature_encoder\.equalconv\.|\.noise\.weight$|\.num_batches_tracked$|\.masked_spec_embed$|^lm_head\."
)

STYLED_CONV = re.compile(r"^latent_token_decoder\.style_conv_layers\.\d+\.conv\.weight$")  # (1, out, in, 3, 3)


def rename(key: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def expected_constant(key: str, value: Tensor) -> Tensor | None:
    """What an official buffer must hold, in the shape found; None when the key names a weight."""
    last = key.rsplit(".", 1)[-1]
    if value.ndim == 0 or value.numel() == 0:
        return None
    if last == "kernel":
        # the up-sampling filters carry the gain 4
        return blur_kernel(gain=4.0 if value.float().sum() > 2 else 1.0)
    if last == "relative_position_index":
        return relative_position_index(math.isqrt(len(value)))
    if last == "attn_mask":
        window = math.isqrt(value.shape[-1])
        return shifted_window_mask(window * math.isqrt(len(value)), window, window // 2)
    if key == "fmt.alignment_mask":
        return ~band_mask(len(value), BAND)
    if key == "fmt.rotary_emb.inv_freq":
        return BASE_PERIOD ** (-torch.arange(len(value)) / len(value))
    if key == "fmt.pos_embed":
        return sinusoidal_positions(value.shape[-2], value.shape[-1])
    return None
