"""Quality of videos: metrics as pure functions, the paper's protocols, reports, the check of one result."""
