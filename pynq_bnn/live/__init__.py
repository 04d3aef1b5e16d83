"""Where live answers go: windows, recordings, snapshots, notebooks."""
