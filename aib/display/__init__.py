"""What a person sees while Snakemake runs a study: a bar and results, or a plain line a run."""
