# What a finished run's map and predictions are worth: all entries of params/evaluations.yaml, in one
# process a run. Only evaluation.json is declared; parts that are as declared already are kept.


rule evaluate:
    input:
        f"{RUN}/result.json",
        "results/data/{dataset}/manifest.json",
        lambda wildcards: others_on(wildcards.dataset),
    output:
        f"{RUN}/evaluation.json",
    log:
        "logs/evaluate/{dataset}/{model}/{key}/seed-{seed}.log",
    benchmark:
        "logs/benchmarks/evaluate/{dataset}/{model}/{key}/seed-{seed}.tsv"
    threads: 1
    resources:
        gpu=GPU,
        runtime=minutes,
        mem_mb=memory_mb,
    params:
        identities=lambda wildcards: identities_on(wildcards.dataset),
    message:
        "evaluating {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed} ({wildcards.key})"
    shell:
        "aib evaluate $(dirname {output}) > {log} 2>&1"


rule runs:
    input:
        all_runs,
    localrule: True
