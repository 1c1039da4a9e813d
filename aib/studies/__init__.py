"""What a study asks for: its runs, resolved from params/, and its questions."""
