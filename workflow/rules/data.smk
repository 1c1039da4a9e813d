# Fetch a dataset's files, one job each, then decode them once into arrays.


rule fetch:
    output:
        "results/downloads/{dataset}/{file}",
    log:
        "logs/fetch/{dataset}/{file}.log",
    retries: 2
    localrule: True  # nodes of a cluster often reach no network
    message:
        "fetching {wildcards.file} of {wildcards.dataset}"
    shell:
        "aib data fetch {wildcards.dataset} {wildcards.file} 2>&1 | tee {log}"


# A file that the bucket lacks comes by the rule above; what the bucket has is checked as any mirror's.
if CONFIG.archives:

    rule fetch_from_bucket:
        input:
            storage(f"{CONFIG.archives}/{{dataset}}/{{file}}"),
        output:
            rules.fetch.output,
        log:
            "logs/fetch/{dataset}/{file}.log",
        retries: 2
        message:
            "fetching {wildcards.file} of {wildcards.dataset}"
        shell:
            "AIB_MIRROR=$(dirname {input:q}) "
            "aib data fetch {wildcards.dataset} {wildcards.file} 2>&1 | tee {log}"

    ruleorder: fetch_from_bucket > fetch


rule fetch_weights:
    output:
        touch("results/weights/{family}.done"),
    log:
        "logs/fetch/weights/{family}.log",
    retries: 2
    localrule: True
    message:
        "fetching the weights of {wildcards.family}"
    shell:
        "aib models fetch {wildcards.family} 2>&1 | tee {log}"


# A failing `prepare` costs the manifest of the arrays that were there, for Snakemake deletes a
# job's outputs before it starts; `aib data prepare NAME`, run by hand, keeps both until the new
# ones are complete.
rule prepare:
    input:
        files_of,
    output:
        "results/data/{dataset}/manifest.json",
    log:
        "logs/prepare/{dataset}.log",
    benchmark:
        "logs/benchmarks/prepare/{dataset}.tsv"
    resources:
        runtime=lambda wildcards, attempt: attempt * 60,
        mem_mb=lambda wildcards, attempt: attempt * 8000,
    params:
        code=lambda wildcards: code_hash(PREPARING),
        dataset=lambda wildcards: PARAMETERS.datasets[wildcards.dataset].identity(),
    message:
        "preparing {wildcards.dataset}"
    shell:
        "aib data prepare {wildcards.dataset} 2>&1 | tee {log}"


rule data:
    input:
        expand("results/data/{dataset}/manifest.json", dataset=DATASETS),
    localrule: True
