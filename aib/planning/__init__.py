"""What a study costs, before it is run: the machine, where each number comes from, the totals."""
