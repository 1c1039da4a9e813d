# Fetch an archive, then decode it once into arrays.


rule fetch:
    output:
        "results/downloads/{dataset}/{file}",
    log:
        "logs/fetch/{dataset}/{file}.log",
    retries: 2
    shell:
        "aib data fetch {wildcards.dataset} 2>&1 | tee {log}"


rule fetch_weights:
    output:
        touch("results/weights/{family}.done"),
    log:
        "logs/fetch/weights/{family}.log",
    retries: 2
    shell:
        "aib models fetch {wildcards.family} 2>&1 | tee {log}"


rule prepare:
    input:
        archive_of,
    output:
        "results/data/{dataset}/manifest.json",
    log:
        "logs/prepare/{dataset}.log",
    benchmark:
        "logs/benchmarks/prepare/{dataset}.tsv"
    params:
        code=code_hash("aib.data.datasets"),
        dataset=lambda wildcards: PARAMETERS.datasets[
            wildcards.dataset
        ].model_dump_json(),
    shell:
        "aib data prepare {wildcards.dataset} 2>&1 | tee {log}"


rule data:
    input:
        expand("results/data/{dataset}/manifest.json", dataset=DATASETS),
