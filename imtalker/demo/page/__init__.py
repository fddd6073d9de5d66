"""What a visitor sees: the only modules that build widgets."""
