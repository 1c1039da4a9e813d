# One job a run. Only result.json is declared: the rest of the record comes with it, and what is
# not declared survives a kill, the checkpoint above all. An older bash would stay between a signal
# and the training: hence `exec`.


rule train:
    input:
        # Not the arrays: the manifest has their digest, and its bytes tell whether they changed.
        "results/data/{dataset}/manifest.json",
        weights_of,
    output:
        f"{RUN}/result.json",
    log:
        "logs/train/{dataset}/{model}/{key}/seed-{seed}.log",
    benchmark:
        "logs/benchmarks/train/{dataset}/{model}/{key}/seed-{seed}.tsv"
    threads: 1
    resources:
        gpu=GPU,
        runtime=minutes,
        mem_mb=memory_mb,
    params:
        code=code_of,
        run="{dataset}/{model}/{key}/seed-{seed}",
    message:
        "training {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed} ({wildcards.key})"
    shell:
        "exec aib train {params.run} > {log} 2>&1"
