"""Speech and controls -> motion latents: audio encoder, flow-matching network, sampling, windows (paper 3.3)."""
