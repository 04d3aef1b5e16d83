"""Outputs of live answers: windows, recordings, snapshots, notebooks."""
