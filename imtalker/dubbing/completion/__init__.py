"""Complete a masked mouth in latent space: the second stage of IMGTalk in small."""
