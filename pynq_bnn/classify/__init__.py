"""Classification: pictures in, labels out."""
