"""Frames of cameras, streams, videos and image sequences."""
