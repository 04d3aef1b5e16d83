"""From any picture to the pixels that a network sees."""
