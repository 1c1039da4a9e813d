# MLflow's database is a view of the records, made by one writer.


rule track:
    input:
        rules.runs.input,
        LOCALISATIONS,
    output:
        touch(f"results/tracking/{STUDY}.done"),
    log:
        f"logs/track/{STUDY}.log",
    params:
        code=code_hash("aib.tracking"),
    resources:
        mlflow_writer=1,
    message:
        "importing study {STUDY} into MLflow"
    shell:
        "aib track {STUDY} > {log} 2>&1"
