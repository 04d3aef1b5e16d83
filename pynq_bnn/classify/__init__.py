"""Pictures in, labels out."""
