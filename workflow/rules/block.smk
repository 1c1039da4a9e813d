# Seeds in blocks: `snakemake --cores all block --config study=NAME` trains the block that is due and
# takes the look after it, in a study that declares looks. It is repeated until all is decided; then
# the study is evaluated and reported as any other. The graph is that of one block.


# No output: Snakemake would delete reports/STUDY/looks.json, which holds the looks before, ahead of
# the job.
rule block:
    input:
        block_runs,
    log:
        f"logs/look/{STUDY}.log",
    localrule: True
    params:
        study=STUDY,
        number=f"--number {LOOK}" if LOOK else "",
        mixed="--allow-mixed-code" if CONFIG.allow_mixed_code else "",
    message:
        "judging the questions of {params.study} that are open"
    shell:
        "aib look {params.study} {params.number} {params.mixed} 2>&1 | tee {log}"
