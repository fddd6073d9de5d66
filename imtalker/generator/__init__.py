"""Speech and controls -> motion latents: audio encoder, flow network, sampling, windows (paper 3.3)."""
