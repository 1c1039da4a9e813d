"""What a paper, an archive and a reviewer want of a finished report, written from its summary."""
