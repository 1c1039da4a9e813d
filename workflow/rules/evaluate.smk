# Attention maps against the masks of the embedded data.


rule localise:
    input:
        f"{RUN}/result.json",
        "results/data/{dataset}/manifest.json",
    output:
        f"{RUN}/localisation.json",
    log:
        "logs/localise/{dataset}/{model}/{key}/seed-{seed}.log",
    params:
        code=code_hash(LOCALISATION),
    message:
        "localisation of {wildcards.model}, seed {wildcards.seed} ({wildcards.key})"
    shell:
        "aib localise $(dirname {output}) results/data/{wildcards.dataset} > {log} 2>&1"


rule runs:
    input:
        all_runs,
