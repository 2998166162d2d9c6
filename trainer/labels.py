"""What the values of a prepared mask mean."""

IGNORE = 255  # a pixel that belongs to no class, whatever the source used; other values are class indices
