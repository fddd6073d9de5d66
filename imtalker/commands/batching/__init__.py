"""A list of videos to make (``imtalker batch``): rows read and checked, made here or on Ray, their results kept."""
