# MLflow's database is a view of the records, made by one writer.


rule track:
    input:
        all_runs,
    output:
        touch(f"results/tracking/{STUDY}.done"),
    log:
        f"logs/track/{STUDY}.log",
    localrule: True
    resources:
        mlflow_writer=1,
    params:
        study=STUDY,
        code=lambda wildcards: [
            code_hash(module) for module in ("aib.tracking", *TELLERS)
        ],
    message:
        "importing study {STUDY} into MLflow"
    shell:
        "aib track {params.study} > {log} 2>&1"
