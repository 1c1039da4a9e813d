"""From a finished run to its use: its network on images that nobody prepared."""
