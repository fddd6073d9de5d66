"""Train the completion network of the dubbing (IMGTalk, stage 2)."""
